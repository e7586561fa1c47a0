/*
 * tests/stores/mongodb/ferretdb_test.c - the mongodb driver on FerretDB: SCRAM,
 * TLS, and a replica set by its name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/stores/mongodb.h"
#include "lib/certificates.h"
#include "lib/child.h"
#include "lib/rig.h"
#include "lib/script_server.h"
#include "lib/test.h"

struct scene {
	struct rig rig;
	struct script_server server;
	char folder[100];
	int tls_port;
	struct answer a;
	char log[2048];
};

static void scene_log(enum evkv_log_level level, const char *message, void *arg)
{
	struct scene *s = arg;
	size_t used = strlen(s->log);

	(void)level;
	snprintf(s->log + used, sizeof(s->log) - used, "%s\n", message);
}

static void scene_begin(struct scene *s)
{
	char tls[64], cert[160], key[160];
	const char *const arguments[] = { "--repl-set-name=rs0",
		"--test-enable-new-auth", "--setup-database=admin",
		"--setup-username=ada", "--setup-password=topsecret", tls, cert,
		key, NULL };

	memset(s, 0, sizeof(*s));
	check(child_make_folder(s->folder, sizeof(s->folder)));
	check(certificates_write(s->folder));
	s->tls_port = child_free_port();
	snprintf(tls, sizeof(tls), "--listen-tls=127.0.0.1:%d", s->tls_port);
	snprintf(cert, sizeof(cert), "--listen-tls-cert-file=%s/server.pem",
	    s->folder);
	snprintf(key, sizeof(key), "--listen-tls-key-file=%s/server.key",
	    s->folder);
	script_server_start(&s->server,
	    &(struct script_server_options){ .script = "mongodb",
		.kind = "ferretdb",
		.arguments = arguments,
		.folder = s->folder });
	rig_open_real(&s->rig);
	evkv_loop_set_log(s->rig.loop, scene_log, s);
}

static void scene_end(struct scene *s)
{
	rig_close(&s->rig);
	answer_free(&s->a);
	script_server_stop(&s->server);
	child_remove_folder(s->folder);
}

/* Put and get by a connection string; the status of the put. */
static enum evkv_status try_uri(struct scene *s, const char *uri)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_mongodb_new(s->rig.loop,
	    &(struct evkv_mongodb_options){ .uri = uri,
		.no_create_index = true,
		.server_selection_timeout_ms = 3000 },
	    &error);
	enum evkv_status status;

	check_str(error.message, "");
	s->a.calls = 0;
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
	    answer_cb, &s->a);
	rig_wait(&s->rig, &s->a.calls);
	status = s->a.status;
	if (status == EVKV_OK) {
		answer_reset(&s->a);
		s->a.calls = 0;
		evkv_get(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &s->a);
		rig_wait(&s->rig, &s->a.calls);
		check_slice(s->a.entries[0].bytes, "v");
	}
	evkv_store_unref(store);
	rig_turn(&s->rig);
	return status;
}

EVKV_TEST(mongodb_ferretdb, scram_tls_and_a_replica_set)
{
	struct scene s;
	char uri[400];

	scene_begin(&s);
	snprintf(uri, sizeof(uri),
	    "mongodb://ada:topsecret@127.0.0.1:%d/db?authSource=admin&"
	    "authMechanism=SCRAM-SHA-256",
	    s.server.port);
	check_status(try_uri(&s, uri), EVKV_OK);
	snprintf(uri, sizeof(uri),
	    "mongodb://ada:topsecret@127.0.0.1:%d/db?authSource=admin&"
	    "authMechanism=SCRAM-SHA-1&replicaSet=rs0",
	    s.server.port);
	check_status(try_uri(&s, uri), EVKV_OK);
	snprintf(uri, sizeof(uri),
	    "mongodb://ada:wrongsecret@127.0.0.1:%d/db?authSource=admin&"
	    "authMechanism=SCRAM-SHA-256",
	    s.server.port);
	check_status(try_uri(&s, uri), EVKV_REFUSED);
	check_int(s.a.cause, EVKV_CAUSE_AUTH);
	check(strstr(s.a.message, "wrongsecret") == NULL);
	check(strstr(s.log, "wrongsecret") == NULL);
	snprintf(uri, sizeof(uri),
	    "mongodb://ada:topsecret@127.0.0.1:%d/db?authSource=admin&"
	    "authMechanism=SCRAM-SHA-256&tls=true&tlsCAFile=%s/ca.pem",
	    s.tls_port, s.folder);
	check_status(try_uri(&s, uri), EVKV_OK);
	snprintf(uri, sizeof(uri),
	    "mongodb://ada:topsecret@127.0.0.1:%d/db?authSource=admin&"
	    "tls=true&tlsCAFile=%s/foreign-ca.pem",
	    s.tls_port, s.folder);
	check_status(try_uri(&s, uri), EVKV_UNAVAILABLE);
	snprintf(uri, sizeof(uri),
	    "mongodb://127.0.0.1:%d/db?replicaSet=another", s.server.port);
	check_status(try_uri(&s, uri), EVKV_UNAVAILABLE);
	scene_end(&s);
}
