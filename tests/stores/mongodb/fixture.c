/*
 * The mongodb driver under the conformance suite: on mongo-java-server with one
 * lane and with four, with values as sub-documents, and on FerretDB.
 */
#include "evkv/stores/mongodb.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/script_server.h"
#include "suites.h"

struct fixture {
	const char *kind;
	int lanes;
	enum evkv_mongodb_values values;
};

static struct script_server fixture_server;

static void fixture_stop(void)
{
	script_server_stop(&fixture_server);
}

/* Each case has a database of its own, which its stores share. */
static void fixture_setup(struct evkv_conformance *run)
{
	static unsigned number;
	const struct fixture *fixture = evkv_conformance_arg(run);
	char *uri = evkv_conformance_alloc(run, 100);

	if (fixture_server.pid == 0) {
		if (!script_server_try(&fixture_server,
			&(struct script_server_options){
			    .script = "mongodb", .kind = fixture->kind })) {
			if (fixture_server.lacking)
				evkv_conformance_skip(run, "%s",
				    fixture_server.problem);
			evkv_conformance_fail(run, "%s",
			    fixture_server.problem);
		}
		atexit(fixture_stop);
	}
	snprintf(uri, 100, "mongodb://127.0.0.1:%d/case%u", fixture_server.port,
	    number++);
	evkv_conformance_set_data(run, uri);
}

static struct evkv_store *fixture_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	const struct fixture *fixture = evkv_conformance_arg(run);

	return evkv_mongodb_new(loop,
	    &(struct evkv_mongodb_options){
		.uri = evkv_conformance_data(run),
		.lanes = fixture->lanes,
		.values = fixture->values,
		/* mongo-java-server fails where it comes with the first put. */
		.no_create_index = true,
	    },
	    error);
}

#define SUITE_(name_, kind_, lanes_, values_, quirks_)                         \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = name_,  \
		.setup = fixture_setup, .open = fixture_open,                  \
		.arg = &(struct fixture){ kind_, lanes_,                       \
			EVKV_MONGODB_##values_ },                              \
		.quirks = EVKV_CONFORMANCE_PERSISTS | (quirks_)                \
	}

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_("mongodb.java.1", "java", 1, BYTES, 0),
	SUITE_("mongodb.java.4", "java", 4, BYTES, 0),
	SUITE_("mongodb.json", "java", 4, JSON, 0),
	SUITE_("mongodb.ferretdb", "ferretdb", 4, BYTES,
	    EVKV_CONFORMANCE_SLOW | EVKV_CONFORMANCE_SMALL),
	{ .name = NULL },
};
