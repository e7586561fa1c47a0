/*
 * The memcached driver under the conformance suite: over each transport, on one
 * server and on three, with one connection and with several.
 */
#include <stdio.h>
#include <sys/random.h>

#include "evkv/stores/memcached.h"
#include "lib/server_shared.h"
#include "suites.h"

enum fixture_transport { FIXTURE_TCP, FIXTURE_UNIX, FIXTURE_TLS };

#define FIXTURE_SERVERS 3

struct fixture {
	enum fixture_transport transport;
	size_t servers;
	int connections;
	enum evkv_memcached_distribution distribution;
};

static enum server_kind fixture_kind(const struct fixture *fixture, size_t i)
{
	if (fixture->transport == FIXTURE_UNIX)
		return SERVER_MEMCACHED_UNIX;
	return (enum server_kind)(SERVER_MEMCACHED + i);
}

static struct server *fixture_server(const struct fixture *fixture, size_t i)
{
	return server_shared(fixture_kind(fixture, i));
}

static void fixture_append(struct evkv_conformance *run, FILE *to,
    const char *path)
{
	FILE *from = fopen(path, "re");
	char line[256];

	if (from == NULL)
		evkv_conformance_fail(run, "an authority can't be read");
	while (fgets(line, sizeof(line), from) != NULL)
		fputs(line, to);
	fclose(from);
}

/* A file with the authorities of all servers; each has one of its own. */
static const char *fixture_authorities(struct evkv_conformance *run,
    const struct fixture *fixture)
{
	char *path = evkv_conformance_alloc(run, SERVER_PATH_MAX + 8);
	FILE *to;

	snprintf(path, SERVER_PATH_MAX + 8, "%s.all",
	    fixture_server(fixture, 0)->ca_file);
	to = fopen(path, "we");
	if (to == NULL)
		evkv_conformance_fail(run, "no file for authorities");
	for (size_t i = 0; i < fixture->servers; i++)
		fixture_append(run, to, fixture_server(fixture, i)->ca_file);
	fclose(to);
	return path;
}

/* Each case has a prefix of its own, which its stores share. */
static void fixture_setup(struct evkv_conformance *run)
{
	const struct fixture *fixture = evkv_conformance_arg(run);
	char *prefix = evkv_conformance_alloc(run, 32);
	uint64_t random;

	for (size_t i = 0; i < fixture->servers; i++)
		server_shared_start(fixture_kind(fixture, i));
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		evkv_conformance_fail(run, "no random bytes");
	snprintf(prefix, 32, "%016llx:", (unsigned long long)random);
	evkv_conformance_set_data(run, prefix);
}

static struct evkv_store *fixture_open(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	const struct fixture *fixture = evkv_conformance_arg(run);
	struct evkv_memcached_server servers[FIXTURE_SERVERS];
	struct server *server = NULL;
	struct evkv_memcached_options options = {
		.servers = servers,
		.server_count = fixture->servers,
		.distribution = fixture->distribution,
		.key_prefix = evkv_conformance_data(run),
		.max_value_bytes = (1 << 20) - 1024,
		.connections = fixture->connections,
	};

	for (size_t i = 0; i < fixture->servers; i++) {
		server = fixture_server(fixture, i);
		servers[i] = (struct evkv_memcached_server){
			.host = "127.0.0.1",
			.port = fixture->transport == FIXTURE_TLS
			    ? server->tls_port
			    : server->port,
		};
	}
	if (evkv_conformance_sweeping(run)) {
		/* Without memory to connect nothing need be waited for. */
		options.backoff_min_ms = 1;
		options.backoff_max_ms = 2;
		options.max_offline_ms = 250;
	}
	if (fixture->transport == FIXTURE_UNIX) {
		options.path = server->socket_path;
		options.server_count = 0;
	} else if (fixture->transport == FIXTURE_TLS) {
		options.tls = true;
		options.tls_ca_file = fixture_authorities(run, fixture);
	}
	return evkv_memcached_new(loop, &options, error);
}

/* T is an int32: what lives longer is taken as living until 2038. */
static const struct evkv_conformance_exception fixture_exceptions[] = {
	{ .name = "the_longest_ttl_works",
	    .reason = "the server takes no expiry after January 2038",
	    .kind = EVKV_OP_TTL,
	    .status = EVKV_OK },
	{ .name = NULL },
};

#define SUITE_(name_, transport_, servers_, connections_, distribution_)       \
	{                                                                      \
		.size = sizeof(struct evkv_conformance_suite), .name = name_,  \
		.setup = fixture_setup, .open = fixture_open,                  \
		.arg = &(struct fixture){ FIXTURE_##transport_, servers_,      \
			connections_, EVKV_MEMCACHED_##distribution_ },        \
		.quirks = EVKV_CONFORMANCE_PERSISTS |                          \
		    EVKV_CONFORMANCE_REAL_TIME,                                \
		.exceptions = fixture_exceptions                               \
	}

const struct evkv_conformance_suite conformance_suites[] = {
	SUITE_("memcached.tcp", TCP, 1, 4, KETAMA_WEIGHTED),
	SUITE_("memcached.unix", UNIX, 1, 1, KETAMA_WEIGHTED),
	SUITE_("memcached.tls", TLS, 1, 1, KETAMA_WEIGHTED),
	SUITE_("memcached.servers", TCP, 3, 1, KETAMA_WEIGHTED),
	SUITE_("memcached.ketama", TCP, 3, 4, KETAMA),
	SUITE_("memcached.modula", TLS, 3, 4, MODULA),
	{ .name = NULL },
};
