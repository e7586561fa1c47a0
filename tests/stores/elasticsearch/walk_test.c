/*
 * tests/stores/elasticsearch/walk_test.c - searches on clusters that lack
 * something, are too busy, or answer in part.
 */
#include <stdio.h>
#include <string.h>

#include "bed.h"

/* What the cluster has, and what was asked. */
static struct {
	bool refresh, pit_elasticsearch, pit_opensearch;
	int open_code, search_code;
	unsigned searches_lost; /* so many searches find no point in time */
	unsigned busy;          /* so many searches are refused */
	bool partial;
	unsigned opened, closed, searches, refreshes, searches_with_pit;
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
