/*
 * The elasticsearch driver under the conformance suite, on a real node of each
 * kind.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "evkv/stores/elasticsearch.h"
#include "lib/script_server.h"
#include "node.h"
#include "suites.h"

#define RUNS_DELETED 30

struct fixture {
	const char *kind;
	bool gzip;
};

/* Each case has an index of its own, which its stores share. */
struct run {
	int port;
	char index[64];
};

static void fixture_setup(struct evkv_conformance *run)
{
	const struct fixture *fixture = evkv_conformance_arg(run);
	struct run *data = evkv_conformance_alloc(run, sizeof(*data));
	static bool started;
	static unsigned runs;

	if (!started)
		script_server_share(&(struct script_server_options){
		    .script = "elasticsearch", .kind = fixture->kind });
	started = true;
	data->port = script_server_shared();
	snprintf(data->index, sizeof(data->index), "case-%d-%u", (int)getpid(),
	    runs++);
	evkv_conformance_set_data(run, data);
}

/* A node deletes many indices as fast as one. */
static void fixture_teardown(struct evkv_conformance *run)
{
	struct run *data = evkv_conformance_data(run);
	static char path[2048];
	static unsigned count;
	size_t used = strlen(path);

	snprintf(path + used, sizeof(path) - used, "%c%s",
	    used == 0 ? '/' : ',', data->index);
	if (++count % RUNS_DELETED != 0)
		return;
	(void)node_ask(data->port, "DELETE", path, NULL, NULL, 0);
	path[0] = '\0';
}

static struct evkv_store *fixture_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	const struct fixture *fixture = evkv_conformance_arg(run);
	struct run *data = evkv_conformance_data(run);
	struct evkv_elasticsearch_node node = { "127.0.0.1", data->port };

	return evkv_elasticsearch_new(loop,
	    &(struct evkv_elasticsearch_options){ .nodes = &node,
		.node_count = 1,
		.index = data->index,
		.replicas = -1,
		.gzip = fixture->gzip,
		.backoff_max_ms = evkv_conformance_sweeping(run) ? 1 : 0,
		.opensearch = fixture->kind[0] == 'o' },
	    error);
}

#define SUITE_(name_, kind_, gzip_)                                            \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = name_,  \
		.setup = fixture_setup, .teardown = fixture_teardown,          \
		.open = fixture_open,                                          \
		.arg = &(struct fixture){ kind_, gzip_ },                      \
		.quirks = EVKV_CONFORMANCE_PERSISTS |                          \
		    EVKV_CONFORMANCE_REAL_TIME | EVKV_CONFORMANCE_SLOW,        \
		.unit_ms = 600 /* for a node that has little of a processor */ \
	}

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_("opensearch", "opensearch", false),
	SUITE_("elasticsearch", "elasticsearch", false),
	SUITE_("opensearch.gzip", "opensearch", true),
	{ .name = NULL },
};
