/*
 * tests/stores/elasticsearch/cluster_test.c - two real nodes that are one
 * cluster, each with all documents; one is killed under load and comes back.
 *
 * The other one alone may be elected, since of two that may, the one that is
 * left would have no majority.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/stores/elasticsearch.h"
#include "lib/child.h"
#include "lib/script_server.h"
#include "lib/test.h"
#include "node.h"
#include "storm.h"

#define OPS 3000
#define OUTSTANDING 64

struct cluster {
	struct script_server first, second;
	char transport[64], seed[64];
	struct rig rig;
	struct evkv_store *store;
};

/* Until there are so many nodes, and all copies of all shards. */
static void cluster_await(struct cluster *cluster, int nodes)
{
	char path[128], answer[1024] = "";

	snprintf(path, sizeof(path),
	    "/_cluster/health?wait_for_nodes=%d&wait_for_status=green"
	    "&timeout=20s",
	    nodes);
	for (int i = 0; i < 6; i++) {
		(void)node_ask(cluster->first.port, "GET", path, NULL, answer,
		    sizeof(answer));
		if (strstr(answer, "\"timed_out\":false") != NULL)
			return;
	}
	fail_test("no cluster: %s", answer);
}

static void cluster_start(struct cluster *cluster)
{
	const char *first[] = { "discovery.type=zen", "node.name=first",
		"cluster.initial_cluster_manager_nodes=first",
		cluster->transport, NULL };
	const char *second[] = { "discovery.type=zen", "node.name=second",
		"node.roles=data", cluster->seed, NULL };
	int port = child_free_port();

	memset(cluster, 0, sizeof(*cluster));
	snprintf(cluster->transport, sizeof(cluster->transport),
	    "transport.port=%d", port);
	snprintf(cluster->seed, sizeof(cluster->seed),
	    "discovery.seed_hosts=127.0.0.1:%d", port);
	check(setenv("HEAP", "256m", 1) == 0);
	script_server_start(&cluster->first,
	    &(struct script_server_options){ .script = "elasticsearch",
		.kind = "opensearch",
		.arguments = first });
	script_server_start(&cluster->second,
	    &(struct script_server_options){ .script = "elasticsearch",
		.kind = "opensearch",
		.arguments = second });
	cluster_await(cluster, 2);
}

static void cluster_open(struct cluster *cluster)
{
	struct evkv_elasticsearch_node nodes[] = {
		{ "127.0.0.1", cluster->first.port },
		{ "127.0.0.1", cluster->second.port },
	};
	struct evkv_error error = EVKV_ERROR_INIT;

	rig_open_real(&cluster->rig);
	cluster->store = evkv_elasticsearch_new(cluster->rig.loop,
	    &(struct evkv_elasticsearch_options){ .nodes = nodes,
		.node_count = 2,
		.shards = 2,
		.replicas = 1,
		.opensearch = true },
	    &error);
	check_str(error.message, "");
}

static void cluster_close(struct cluster *cluster)
{
	evkv_store_unref(cluster->store);
	rig_close(&cluster->rig);
	script_server_stop(&cluster->second);
	script_server_stop(&cluster->first);
}

/* Submit up to so many in all; to the end where nothing is to stay open. */
static void storm_blow(struct storm *storm, unsigned total, unsigned open)
{
	for (long turns = 0; storm->submitted < total ||
	     storm->submitted - storm->answered > open;
	     turns++) {
		check(turns < 1000000);
		while (storm->submitted < total &&
		    storm->submitted - storm->answered < OUTSTANDING)
			storm_submit(storm);
		rig_turn_waiting(storm->rig);
	}
}

static uint64_t reconnects(const struct evkv_store *store)
{
	struct evkv_counters counters;

	evkv_store_counters(store, &counters);
	return counters.reconnects;
}

EVKV_TEST(elasticsearch_cluster, one_of_two_nodes_is_killed_under_load)
{
	struct cluster cluster;
	struct storm storm;
	uint64_t before;

	cluster_start(&cluster);
	cluster_open(&cluster);
	storm_begin(&storm, &cluster.rig, cluster.store);
	storm_blow(&storm, 1, 0);
	cluster_await(&cluster, 2);
	storm_blow(&storm, OPS / 3, OUTSTANDING - 1);
	script_server_kill(&cluster.second);
	storm_blow(&storm, OPS, 0);
	/* Those that were on their way are unknown, and nothing else failed. */
	check_int(storm.failed, 0);
	check_between(storm.unknown, 0, 4 * OUTSTANDING);
	storm_check(&storm);
	/* It comes back, and is used again when its time is over. */
	before = reconnects(cluster.store);
	check(script_server_restart(&cluster.second));
	cluster_await(&cluster, 2);
	for (long rounds = 0; reconnects(cluster.store) == before; rounds++) {
		check(rounds < 100000);
		storm_blow(&storm, storm.submitted + 8, 0);
	}
	storm_blow(&storm, storm.submitted + OPS / 3, 0);
	check_int(storm.failed, 0);
	storm_check(&storm);
	cluster_close(&cluster);
}
