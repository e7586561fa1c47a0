/*
 * tests/stores/elasticsearch/faults_test.c - what becomes of operations where
 * nodes, answers or the index are not as they should be.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"
#include "lib/child.h"
#include "storm.h"

static void check_codes(int code, const char *reason, enum evkv_status get,
    enum evkv_status put)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 1);
	bed.fakes[0].code = code;
	bed.fakes[0].reason = reason;
	bed_get(&bed, &a, "k");
	check_status(a.status, get);
	check_contains(a.message, "some_exception");
	check_contains(a.message, "elasticsearch 127.0.0.1:");
	bed_put(&bed, &a, "k", "v");
	check_status(a.status, put);
	bed.fakes[0].code = 0;
	rig_advance(&bed.rig, 2000);
	bed_put(&bed, &a, "k", "v");
	check_status(a.status, EVKV_OK);
	answer_free(&a);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_faults, codes_and_what_they_mean)
{
	check_codes(401, NULL, EVKV_REFUSED, EVKV_REFUSED);
	check_codes(403, NULL, EVKV_REFUSED, EVKV_REFUSED);
	check_codes(403, "disk usage exceeded flood-stage watermark",
	    EVKV_NOSPACE, EVKV_NOSPACE);
	check_codes(301, NULL, EVKV_SERVER, EVKV_SERVER);
	check_codes(400, NULL, EVKV_SERVER, EVKV_SERVER);
	check_codes(500, NULL, EVKV_SERVER, EVKV_UNKNOWN_OUTCOME);
	check_codes(502, NULL, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME);
	check_codes(503, NULL, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME);
	check_codes(504, NULL, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME);
	/* What a front says of a server that it has waited for. */
	check_codes(520, NULL, EVKV_SERVER, EVKV_UNKNOWN_OUTCOME);
	check_codes(524, NULL, EVKV_SERVER, EVKV_UNKNOWN_OUTCOME);
}

EVKV_TEST(elasticsearch_faults, a_document_is_not_shown)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 1);
	bed.fakes[0].item_code = 400;
	bed.fakes[0].item_reason = "failed to parse. Preview of field's value: "
				   "'secret'";
	bed_put(&bed, &a, "k", "v");
	check_status(a.status, EVKV_SERVER);
	check_contains(a.message, "failed to parse");
	check(strstr(a.message, "secret") == NULL);
	answer_free(&a);
	bed_close(&bed);
}

/* ---- Cuts ---------------------------------------------------------------- */

static void cut_once(size_t at, bool *reached)
{
	struct answer put = ANSWER_INIT, get = ANSWER_INIT;
	struct bed bed;
	struct fake_doc *doc;

	bed_begin(&bed, 1);
	bed.fakes[0].web->peer->plan.cut_out = at;
	bed.fakes[0].web->peer->plan.reset = at % 2 == 0;
	bed_store(&bed);
	bed_put(&bed, &put, "k", "v");
	doc = fake_find(&bed.docs, "c:k");
	switch (put.status) {
	case EVKV_OK: check(doc != NULL && doc->source != NULL); break;
	case EVKV_UNAVAILABLE: check(doc == NULL); break;
	default: check_status(put.status, EVKV_UNKNOWN_OUTCOME);
	}
	check(doc == NULL || doc->writes == 1);
	bed_get(&bed, &get, "k");
	*reached = put.status != EVKV_OK || get.status != EVKV_OK;
	if (get.status == EVKV_OK)
		check_slice(get.entries[0].bytes, "v");
	else if (get.status == EVKV_NOT_FOUND)
		check(doc == NULL);
	else
		check_status(get.status, EVKV_UNAVAILABLE);
	bed.fakes[0].web->peer->plan.cut_out = PEER_NEVER;
	rig_advance(&bed.rig, 40000);
	bed_put(&bed, &put, "k", "w");
	check_status(put.status, EVKV_OK);
	answer_free(&put);
	answer_free(&get);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_faults, answers_that_are_cut_at_every_byte)
{
	bool reached = true;
	size_t at;

	for (at = 1; reached && at < 2000; at++)
		cut_once(at, &reached);
	check_between(at, 300, 1500);
}

/* ---- Answers that are not what they should be ---------------------------- */

static const char *body_said;
static const char *type_said;

static void say_body(struct web *web, struct peer_conn *conn, void *arg)
{
	struct fake *fake = arg;

	if (strstr(web->path, "_mapping") != NULL)
		web_say(conn, 200, "application/json",
		    EVKV_LIT("{\"i\":{\"mappings\":{\"properties\":{"
			     "\"collection\":{\"type\":\"keyword\"},\"key\":"
			     "{\"type\":\"keyword\"},\"expires_at\":{\"type\":"
			     "\"date\"}}}}}"));
	else
		web_say(conn, 200, type_said, evkv_str(body_said));
	(void)fake;
}

static void check_body(const char *type, const char *body, enum evkv_status get,
    enum evkv_status put)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	type_said = type;
	body_said = body;
	bed_open(&bed, 1);
	bed.fakes[0].web->respond = say_body;
	bed_get(&bed, &a, "k");
	check_status(a.status, get);
	bed_put(&bed, &a, "k", "v");
	check_status(a.status, put);
	answer_free(&a);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_faults, answers_that_make_no_sense)
{
	static char bomb[200000];

	check_body("application/json", "{\"docs\":[", EVKV_CORRUPT,
	    EVKV_UNKNOWN_OUTCOME);
	check_body("application/json", "", EVKV_CORRUPT, EVKV_UNKNOWN_OUTCOME);
	check_body("application/json", "{}", EVKV_CORRUPT,
	    EVKV_UNKNOWN_OUTCOME);
	check_body("application/json", "[]", EVKV_CORRUPT,
	    EVKV_UNKNOWN_OUTCOME);
	check_body("application/json", "{\"docs\":[],\"items\":[]}",
	    EVKV_CORRUPT, EVKV_UNKNOWN_OUTCOME);
	check_body("text/html", "<p>no</p>", EVKV_CORRUPT,
	    EVKV_UNKNOWN_OUTCOME);
	/* One too many is noticed, too: which one is whose? */
	check_body("application/json",
	    "{\"docs\":[{\"found\":false},{\"found\":false}]}", EVKV_NOT_FOUND,
	    EVKV_UNKNOWN_OUTCOME);
	check_body("application/json",
	    "{\"docs\":[{\"found\":true,\"_seq_no\":1,\"_primary_term\":1,"
	    "\"_source\":{\"value\":\"not base64\"}}]}",
	    EVKV_CORRUPT, EVKV_UNKNOWN_OUTCOME);
	check_body("application/json",
	    "{\"docs\":[{\"found\":true,\"_source\":{\"json\":{}}}]}", EVKV_OK,
	    EVKV_UNKNOWN_OUTCOME);
	check_body("application/json",
	    "{\"docs\":[{\"found\":true,\"_source\":{\"other\":1}}]}",
	    EVKV_CORRUPT, EVKV_UNKNOWN_OUTCOME);
	memset(bomb, '[', sizeof(bomb) - 1);
	check_body("application/json", bomb, EVKV_CORRUPT,
	    EVKV_UNKNOWN_OUTCOME);
	check_body("application/json",
	    "{\"items\":[{\"index\":{\"status\":201}}],\"docs\":[]}",
	    EVKV_CORRUPT, EVKV_OK);
	/* Of one document it is not said what is asked. */
	check_body("application/json",
	    "{\"docs\":[{\"_id\":\"c:k\"}],\"items\":[{\"index\":{}}]}",
	    EVKV_CORRUPT, EVKV_UNKNOWN_OUTCOME);
	check_body("application/json",
	    "{\"docs\":[{\"error\":\"no\"}],\"items\":[{\"index\":{\"_id\":"
	    "\"c:k\"}}]}",
	    EVKV_CORRUPT, EVKV_UNKNOWN_OUTCOME);
}

/* ---- The index ----------------------------------------------------------- */

EVKV_TEST(elasticsearch_faults, an_index_that_is_not_there_is_made)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 1);
	bed.docs.index = false;
	bed_get(&bed, &a, "k");
	check_status(a.status, EVKV_NOT_FOUND);
	check_int(bed.fakes[0].creates, 0);
	bed_put(&bed, &a, "k", "v");
	check_status(a.status, EVKV_OK);
	check_int(bed.fakes[0].creates, 1);
	check_contains(bed.fakes[0].created,
	    "\"mappings\":{\"dynamic\":false,\"properties\":{"
	    "\"collection\":{\"type\":\"keyword\"},"
	    "\"key\":{\"type\":\"keyword\"},"
	    "\"name\":{\"type\":\"binary\"},"
	    "\"value\":{\"type\":\"binary\"},"
	    "\"expires_at\":{\"type\":\"date\"");
	/* Somebody deletes it. */
	bed.docs.index = false;
	bed_put(&bed, &a, "k", "w");
	check_status(a.status, EVKV_OK);
	check_int(bed.fakes[0].creates, 2);
	answer_free(&a);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_faults, an_index_that_cannot_be_made)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 1);
	bed.docs.index = false;
	bed.fakes[0].create_code = 403;
	bed_put(&bed, &a, "k", "v");
	check_status(a.status, EVKV_REFUSED);
	check_contains(a.message, "not for you");
	bed.fakes[0].create_code = 0;
	bed_put(&bed, &a, "k", "v");
	check_status(a.status, EVKV_OK);
	answer_free(&a);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_faults, an_index_with_another_mapping)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 1);
	bed.fakes[0].mapping = "{\"i\":{\"mappings\":{\"properties\":{\"key\":"
			       "{\"type\":\"text\"}}}}}";
	bed_put(&bed, &a, "k", "v");
	check_status(a.status, EVKV_SERVER);
	check_contains(a.message, "another mapping");
	check_int(bed.fakes[0].bulks, 0);
	answer_free(&a);
	bed_close(&bed);
}

/* ---- Nodes --------------------------------------------------------------- */

EVKV_TEST(elasticsearch_faults, one_of_two_nodes_is_killed_under_load)
{
	struct storm storm;
	unsigned before;
	struct bed bed;

	bed_open(&bed, 2);
	storm_begin(&storm, &bed.rig, bed.store);
	while (storm.submitted < 4000) {
		while (storm.submitted - storm.answered < 64)
			storm_submit(&storm);
		if (storm.submitted / 64 == 20) {
			peer_refuse(bed.fakes[0].web->peer);
			bed.fakes[0].web->peer->plan.reset = true;
			peer_cut_all(bed.fakes[0].web->peer);
		}
		rig_turn_waiting(&bed.rig);
	}
	rig_until(&bed.rig, storm.answered == storm.submitted);
	/* Those that were on their way are unknown, and nothing else failed. */
	check_between(storm.unknown, 0, 4 * 64);
	check_int(storm.failed, 0);
	storm_check(&storm);
	/* It comes back, and is used again when its time is over. */
	before = bed.fakes[0].web->requests;
	peer_accept(bed.fakes[0].web->peer);
	rig_advance(&bed.rig, 60000);
	for (int i = 0; i < 8; i++) {
		storm_submit(&storm);
		rig_until(&bed.rig, storm.answered == storm.submitted);
	}
	check(bed.fakes[0].web->requests > before);
	storm_check(&storm);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_faults, a_silent_node_ends_by_the_requests_time)
{
	struct answer put = ANSWER_INIT, get = ANSWER_INIT;
	struct bed bed;

	bed_begin(&bed, 1);
	bed.options.request_timeout_ms = 500;
	bed_store(&bed);
	bed_put(&bed, &put, "k", "v");
	bed.fakes[0].answers_late = true;
	bed_start_put(&bed, &put, "k", "w");
	bed_start_get(&bed, &get, "other");
	rig_until(&bed.rig, bed.fakes[0].bulks == 2 && bed.fakes[0].mgets == 1);
	rig_advance(&bed.rig, 501);
	rig_wait(&bed.rig, &put.calls);
	rig_wait(&bed.rig, &get.calls);
	check_status(put.status, EVKV_UNKNOWN_OUTCOME);
	check_int(put.cause, EVKV_CAUSE_STALL);
	check_status(get.status, EVKV_UNAVAILABLE);
	answer_free(&put);
	answer_free(&get);
	bed_close(&bed);
}

static void (*respond_before)(struct web *web, struct peer_conn *conn,
    void *arg);

/* It is done, and nobody says so, nor listens any more. */
static void respond_and_die(struct web *web, struct peer_conn *conn, void *arg)
{
	respond_before(web, conn, arg);
	peer_refuse(web->peer);
	peer_cut(conn);
}

EVKV_TEST(elasticsearch_faults, a_node_that_dies_after_a_write)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	bed_open(&bed, 2);
	/* Both have a connection that is kept. */
	for (int i = 0; i < 4; i++)
		bed_put(&bed, &a, "k", "v");
	check_int(bed.fakes[0].web->peer->accepted, 1);
	check_int(bed.fakes[1].web->peer->accepted, 1);
	respond_before = bed.fakes[0].web->respond;
	for (int i = 0; i < 2; i++) {
		bed.fakes[i].answers_late = true;
		bed.fakes[i].web->respond = respond_and_die;
	}
	bed_put(&bed, &a, "once", "v");
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(fake_find(&bed.docs, "c:once")->writes, 1);
	answer_free(&a);
	bed_close(&bed);
}

/* What the system said is told, whichever way the request goes. */
EVKV_TEST(elasticsearch_faults, a_node_that_is_not_there_is_told_with_its_errno)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_KEYS, EVKV_OP_CLEAR,
		EVKV_OP_GET, EVKV_OP_DELETE };
	const struct evkv_slice key = EVKV_LIT("k");
	struct answer answer = ANSWER_INIT;
	struct bed bed;
	size_t i;

	bed_begin(&bed, 1);
	bed.nodes[0].port = child_free_port();
	bed_store(&bed);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		evkv_submit(bed.store,
		    &(struct evkv_request){ .kind = kinds[i],
			.collection = EVKV_LIT("c"),
			.count = i < 2 ? 0 : 1,
			.keys = i < 2 ? NULL : &key },
		    answer_cb, &answer);
		rig_wait(&bed.rig, &answer.calls);
		check_status(answer.status, EVKV_UNAVAILABLE);
		check_int(answer.sys_error, ECONNREFUSED);
		answer_reset(&answer);
	}
	answer_free(&answer);
	bed_close(&bed);
}
