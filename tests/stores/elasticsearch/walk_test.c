/*
 * tests/stores/elasticsearch/walk_test.c - searches on clusters that lack
 * something, are too busy, or answer in part.
 */
#include <stdio.h>
#include <string.h>

#include "bed.h"
#include "evkv/open.h"
#include "lib/faults.h"

/* What the cluster has, and what was asked. */
static struct {
	bool refresh, pit_elasticsearch, pit_opensearch;
	int open_code, search_code;
	unsigned searches_lost; /* so many searches find no point in time */
	unsigned busy;          /* so many searches are refused */
	bool partial, bare;
	unsigned opened, closed, searches, refreshes, searches_with_pit;
	char opened_first[32]; /* where a point in time was asked for first */
	char search[1000];     /* the last one */
} cluster;

static bool say(struct peer_conn *conn, int code, const char *body)
{
	web_say(conn, code, "application/json", evkv_str(body));
	return true;
}

#define HIT_(key_, id_)                                                        \
	"{\"_id\":\"" id_                                                      \
	"\",\"_source\":{\"collection\":\"c\",\"key\":\"" key_                 \
	"\"},\"sort\":[\"" key_ "\"]}"

static bool say_hits(struct fake *fake, struct peer_conn *conn)
{
	bool more = strstr(fake->web->body, "\"search_after\"") != NULL;

	cluster.searches++;
	snprintf(cluster.search, sizeof(cluster.search), "%s", fake->web->body);
	if (strstr(fake->web->body, "\"pit\"") != NULL) {
		cluster.searches_with_pit++;
		if (cluster.searches_lost > 0) {
			cluster.searches_lost--;
			return say(conn, 404,
			    "{\"error\":{\"type\":"
			    "\"search_phase_execution_exception\",\"reason\":"
			    "\"all shards failed\"}}");
		}
	}
	if (cluster.busy > 0) {
		cluster.busy--;
		return say(conn, 429, "{\"error\":{\"type\":\"x\"}}");
	}
	if (cluster.search_code != 0)
		return say(conn, cluster.search_code, "{}");
	if (cluster.bare)
		return say(conn, 200, "{\"took\":1,\"timed_out\":false}");
	if (cluster.partial)
		return say(conn, 200,
		    "{\"_shards\":{\"total\":2,\"failed\":1},\"hits\":"
		    "{\"hits\":[]}}");
	return say(conn, 200,
	    more ? "{\"pit_id\":\"PIT2\",\"_shards\":{\"failed\":0},"
		   "\"hits\":{\"hits\":[" HIT_("7a", "c:z") "]}}"
		 : "{\"pit_id\":\"PIT1\",\"_shards\":{\"failed\":0},"
		   "\"hits\":{\"hits\":[" HIT_("61", "c:a") "," HIT_("62",
		       "foreign") "]}}");
}

static bool say_pit(struct peer_conn *conn, bool known, const char *body)
{
	if (!known)
		return say(conn, 400, "{\"error\":\"no handler found\"}");
	if (cluster.open_code != 0)
		return say(conn, cluster.open_code, "{}");
	cluster.opened++;
	return say(conn, 200, body);
}

static void note_first(const char *path)
{
	if (cluster.opened_first[0] == '\0')
		snprintf(cluster.opened_first, sizeof(cluster.opened_first),
		    "%.31s", path);
}

static bool search_cluster(struct fake *fake, struct peer_conn *conn)
{
	const char *path = fake->web->path;

	if (strcmp(fake->web->method, "DELETE") == 0) {
		cluster.closed++;
		return say(conn, 200, "{}");
	}
	if (strcmp(path, "/i/_refresh") == 0) {
		cluster.refreshes++;
		return say(conn, cluster.refresh ? 200 : 410, "{}");
	}
	if (strstr(path, "pit") != NULL || strstr(path, "point") != NULL)
		note_first(path);
	if (strncmp(path, "/i/_pit", 7) == 0)
		return say_pit(conn, cluster.pit_elasticsearch,
		    "{\"id\":\"PIT0\"}");
	if (strncmp(path, "/i/_search/point", 16) == 0)
		return say_pit(conn, cluster.pit_opensearch,
		    "{\"pit_id\":\"PIT0\"}");
	if (strcmp(path, "/_search") == 0 || strcmp(path, "/i/_search") == 0)
		return say_hits(fake, conn);
	return false;
}

static void open_cluster(struct bed *bed)
{
	memset(&cluster, 0, sizeof(cluster));
	cluster.refresh = true;
	bed_open(bed, 1);
	bed->fakes[0].canned = search_cluster;
}

/* One page of two, then the last one. */
static void check_walk(struct bed *bed)
{
	struct answer a = ANSWER_INIT, b = ANSWER_INIT;

	evkv_keys(bed->store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""), 2,
	    answer_cb, &a);
	rig_wait(&bed->rig, &a.calls);
	check_status(a.status, EVKV_OK);
	check_int(a.count, 1); /* the other one is not ours */
	check_slice(a.entries[0].name, "a");
	check(a.cursor.size > 0);
	evkv_keys(bed->store, EVKV_LIT("c"), EVKV_LIT(""), a.cursor, 2,
	    answer_cb, &b);
	rig_wait(&bed->rig, &b.calls);
	check_status(b.status, EVKV_OK);
	check_int(b.count, 1);
	check_slice(b.entries[0].name, "z");
	check_int(b.cursor.size, 0);
	rig_turn(&bed->rig);
	answer_free(&a);
	answer_free(&b);
}

EVKV_TEST(elasticsearch_walk, either_dialect)
{
	struct bed bed;

	open_cluster(&bed);
	cluster.pit_elasticsearch = true;
	check_walk(&bed);
	check_int(cluster.opened, 1);
	rig_until(&bed.rig, cluster.closed == 1);
	check_int(cluster.refreshes, 1);
	check_int(cluster.searches_with_pit, 2);
	bed_close(&bed);
	/* The scheme was wrong: it is found out once. */
	open_cluster(&bed);
	cluster.pit_opensearch = true;
	check_walk(&bed);
	check_walk(&bed);
	check_int(cluster.opened, 2);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_walk, the_scheme_says_which_dialect_is_tried_first)
{
	static const char *const rows[][2] = {
		{ "elasticsearch", "/i/_pit" },
		{ "opensearch", "/i/_search/point" },
	};
	struct evkv_error error = EVKV_ERROR_INIT;
	struct bed bed;
	char url[100];

	for (size_t i = 0; i < 2; i++) {
		open_cluster(&bed);
		check(evkv_elasticsearch_register(bed.rig.loop));
		evkv_store_unref(bed.store);
		snprintf(url, sizeof(url), "%s://127.0.0.1:%d/i", rows[i][0],
		    bed.nodes[0].port);
		bed.store = evkv_open(bed.rig.loop, url, &error);
		check_str(error.message, "");
		cluster.pit_elasticsearch = cluster.pit_opensearch = true;
		check_walk(&bed);
		check_contains(cluster.opened_first, rows[i][1]);
		bed_close(&bed);
	}
}

/* The server selects: what it is asked has to be what the request names. */
EVKV_TEST(elasticsearch_walk, a_search_names_collection_prefix_and_time)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	open_cluster(&bed);
	evkv_keys(bed.store, EVKV_LIT("c"), EVKV_LIT("p"), EVKV_LIT(""), 2,
	    answer_cb, &a);
	rig_wait(&bed.rig, &a.calls);
	check_contains(cluster.search,
	    "\"filter\":[{\"exists\":{\"field\":\"key\"}},"
	    "{\"term\":{\"collection\":\"c\"}},"
	    "{\"prefix\":{\"key\":\"70\"}}],"
	    "\"must_not\":[{\"range\":{\"expires_at\":{\"lte\":");
	answer_reset(&a);
	evkv_purge_expired(bed.store, answer_cb, &a);
	rig_wait(&bed.rig, &a.calls);
	check_contains(cluster.search,
	    "\"filter\":[{\"exists\":{\"field\":\"key\"}},"
	    "{\"range\":{\"expires_at\":{\"lte\":");
	answer_free(&a);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_walk, a_cluster_without_refresh_and_points_in_time)
{
	struct bed bed;

	open_cluster(&bed);
	cluster.refresh = false;
	check_walk(&bed);
	check_walk(&bed);
	check_int(cluster.refreshes, 1);
	check_int(cluster.searches_with_pit, 0);
	check_int(cluster.searches, 4);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_walk, too_many_points_in_time)
{
	struct bed bed;

	open_cluster(&bed);
	cluster.pit_elasticsearch = true;
	cluster.open_code = 429;
	check_walk(&bed);
	check_int(cluster.searches_with_pit, 0);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_walk, a_point_in_time_that_is_gone)
{
	struct bed bed;

	open_cluster(&bed);
	cluster.pit_elasticsearch = true;
	cluster.searches_lost = 2;
	check_walk(&bed);
	check_int(cluster.opened, 3);
	bed_close(&bed);
}

static void check_keys(struct bed *bed, enum evkv_status status)
{
	struct answer a = ANSWER_INIT;

	evkv_keys(bed->store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""), 0,
	    answer_cb, &a);
	for (int i = 0; i < 1000 && a.calls == 0; i++) {
		rig_turn_waiting(&bed->rig);
		rig_advance(&bed->rig, 1000);
	}
	rig_wait(&bed->rig, &a.calls);
	check_status(a.status, status);
	answer_free(&a);
}

EVKV_TEST(elasticsearch_walk, searches_that_fail)
{
	struct bed bed;

	open_cluster(&bed);
	cluster.pit_elasticsearch = true;
	cluster.busy = 3;
	check_keys(&bed, EVKV_OK);
	cluster.busy = 100;
	check_keys(&bed, EVKV_BUSY);
	cluster.busy = 0;
	/* Names that are missing are worse than none. */
	cluster.partial = true;
	check_keys(&bed, EVKV_UNAVAILABLE);
	cluster.partial = false;
	cluster.search_code = 403;
	check_keys(&bed, EVKV_REFUSED);
	cluster.search_code = 400;
	check_keys(&bed, EVKV_SERVER);
	bed_close(&bed);
}

/* An answer without hits is not one that has found none. */
EVKV_TEST(elasticsearch_walk, an_answer_that_has_no_list)
{
	struct answer a[3] = { ANSWER_INIT, ANSWER_INIT, ANSWER_INIT };
	struct bed bed;

	open_cluster(&bed);
	cluster.bare = true;
	evkv_keys(bed.store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""), 0,
	    answer_cb, &a[0]);
	evkv_collections(bed.store, EVKV_LIT(""), EVKV_LIT(""), 0, answer_cb,
	    &a[1]);
	evkv_clear(bed.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, &a[2]);
	for (int i = 0; i < 3; i++) {
		rig_wait(&bed.rig, &a[i].calls);
		check_status(a[i].status, EVKV_CORRUPT);
		answer_free(&a[i]);
	}
	bed_close(&bed);
}

/* A page is whole, or none. */
static bool cut_page(size_t at)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;
	bool whole;

	open_cluster(&bed);
	cluster.pit_elasticsearch = true;
	bed.fakes[0].web->peer->plan.cut_out = at;
	evkv_keys(bed.store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""), 2,
	    answer_cb, &a);
	rig_wait(&bed.rig, &a.calls);
	whole = a.status == EVKV_OK;
	if (whole)
		check_slice(a.entries[0].name, "a");
	else
		check_status(a.status, EVKV_UNAVAILABLE);
	answer_free(&a);
	bed_close(&bed);
	return whole;
}

EVKV_TEST(elasticsearch_walk, answers_that_are_cut_at_every_byte)
{
	size_t at = 1;

	while (at < 2000 && !cut_page(at))
		at++;
	check_between(at, 200, 1000);
}

EVKV_TEST(elasticsearch_walk, a_clear_deletes_what_is_ours_alone)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	open_cluster(&bed);
	cluster.pit_elasticsearch = true;
	fake_put(&bed.docs, "c:a", "{}");
	fake_put(&bed.docs, "foreign", "{}");
	evkv_clear(bed.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, &a);
	rig_wait(&bed.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	check_int(a.affected, 1);
	check(fake_find(&bed.docs, "c:a")->source == NULL);
	check(fake_find(&bed.docs, "foreign")->source != NULL);
	check_int(bed.fakes[0].items, 1);
	/* Cut off while the deletes are under way. */
	answer_reset(&a);
	fake_put(&bed.docs, "c:a", "{}");
	bed.fakes[0].code = 503;
	evkv_clear(bed.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, &a);
	rig_wait(&bed.rig, &a.calls);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	/* Some that the cluster was too busy for. */
	answer_reset(&a);
	bed.fakes[0].code = 0;
	bed.fakes[0].refused = 2;
	rig_advance(&bed.rig, 5000);
	evkv_clear(bed.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, &a);
	for (int i = 0; i < 100 && a.calls == 0; i++) {
		rig_turn_waiting(&bed.rig);
		rig_advance(&bed.rig, 100);
	}
	rig_wait(&bed.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	check_int(a.affected, 1);
	answer_free(&a);
	bed_close(&bed);
}

EVKV_TEST(elasticsearch_walk, a_walk_that_is_canceled)
{
	struct answer a = ANSWER_INIT;
	evkv_ticket ticket;
	struct bed bed;

	open_cluster(&bed);
	cluster.pit_elasticsearch = true;
	bed.fakes[0].web->peer->plan.hold = true;
	ticket = evkv_keys(bed.store, EVKV_LIT("c"), EVKV_LIT(""), EVKV_LIT(""),
	    2, answer_cb, &a);
	rig_until(&bed.rig, cluster.refreshes == 1);
	evkv_cancel(bed.rig.loop, ticket);
	rig_wait(&bed.rig, &a.calls);
	check_status(a.status, EVKV_CANCELED);
	bed.fakes[0].web->peer->plan.hold = false;
	peer_release(bed.fakes[0].web->peer);
	check_walk(&bed);
	answer_free(&a);
	bed_close(&bed);
}

/* ---- Deletes that are not told of, and want of memory -------------------- */

static void (*fake_respond)(struct web *web, struct peer_conn *conn, void *arg);

static void respond_without_items(struct web *web, struct peer_conn *conn,
    void *arg)
{
	if (strstr(web->path, "_bulk") != NULL)
		say(conn, 200, "{\"errors\":false,\"items\":[]}");
	else
		fake_respond(web, conn, arg);
}

EVKV_TEST(elasticsearch_walk, deletes_that_nothing_is_told_of_are_unknown)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;

	open_cluster(&bed);
	fake_put(&bed.docs, "c:a", "{}");
	fake_respond = bed.fakes[0].web->respond;
	bed.fakes[0].web->respond = respond_without_items;
	evkv_clear(bed.store, EVKV_LIT("c"), EVKV_LIT(""), answer_cb, &a);
	rig_wait(&bed.rig, &a.calls);
	check_status(a.status, EVKV_UNKNOWN_OUTCOME);
	check_int(a.cause, EVKV_CAUSE_PROTOCOL);
	check_contains(a.message, "lacks items");
	answer_free(&a);
	bed_close(&bed);
}

/* Whether the want of memory was met at all. */
static bool walk_without_memory(enum evkv_kind kind, size_t nth)
{
	struct answer a = ANSWER_INIT;
	struct bed bed;
	bool met;

	open_cluster(&bed);
	cluster.pit_elasticsearch = true;
	fake_put(&bed.docs, "c:a", "{}");
	faults_fail_nth(nth);
	check(evkv_submit(bed.store,
		  &(struct evkv_request){
		      .kind = kind,
		      .collection = EVKV_LIT("c"),
		      .match.limit = kind == EVKV_OP_KEYS ? 2 : 0,
		  },
		  answer_cb, &a) != 0);
	rig_wait(&bed.rig, &a.calls);
	met = faults_fired() > 0;
	faults_off();
	check_int(a.calls, 1);
	if (a.status != EVKV_OK && a.status != EVKV_UNKNOWN_OUTCOME)
		check(a.status == EVKV_NOMEM || a.status == EVKV_UNAVAILABLE);
	else if (a.status == EVKV_OK && kind == EVKV_OP_KEYS)
		check_slice(a.entries[0].name, "a");
	else if (a.status == EVKV_OK)
		check(fake_find(&bed.docs, "c:a")->source == NULL);
	rig_advance(&bed.rig, 5000);
	check_walk(&bed);
	answer_free(&a);
	bed_close(&bed);
	return met;
}

EVKV_TEST(elasticsearch_walk, each_allocation_of_a_walk_fails_once)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_KEYS, EVKV_OP_CLEAR };
	size_t nth;

	for (size_t i = 0; i < 2; i++) {
		for (nth = 1; walk_without_memory(kinds[i], nth); nth++)
			check(nth < 1000);
		check(nth > 10);
	}
}
