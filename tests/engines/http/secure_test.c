/*
 * tests/engines/http/secure_test.c - TLS: whom the engine trusts, and what
 * becomes of requests when it is cut.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificates.h"
#include "scene.h"

struct vault {
	char folder[64];
	char ca[96], server[96], key[96], client[96], client_key[96];
	char expired[96], other[96], foreign[96];
};

static void vault_open(struct vault *vault)
{
	const struct {
		char *path;
		const char *name;
	} files[] = {
		{ vault->ca, "ca.pem" },
		{ vault->server, "server.pem" },
		{ vault->key, "server.key" },
		{ vault->client, "client.pem" },
		{ vault->client_key, "client.key" },
		{ vault->expired, "expired.pem" },
		{ vault->other, "other.pem" },
		{ vault->foreign, "foreign-ca.pem" },
	};

	snprintf(vault->folder, sizeof(vault->folder), "/tmp/evkv-tls-XXXXXX");
	check(mkdtemp(vault->folder) != NULL);
	check(certificates_write(vault->folder));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		snprintf(files[i].path, 96, "%s/%s", vault->folder,
		    files[i].name);
}

static void vault_close(const struct vault *vault)
{
	const char *const files[] = { vault->ca, vault->server, vault->key,
		vault->client, vault->client_key, vault->expired, vault->other,
		vault->foreign };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)unlink(files[i]);
	check(rmdir(vault->folder) == 0);
}

static void open_secure(struct scene *s, const struct peer_options *peer,
    const struct evkv_http_options *options)
{
	scene_begin(s, 1, peer);
	s->nodes[0].host = "localhost";
	s->options.tls = true;
	s->options.tls_ca_file = options->tls_ca_file;
	s->options.tls_cert_file = options->tls_cert_file;
	s->options.tls_key_file = options->tls_key_file;
	s->options.tls_server_name = options->tls_server_name;
	s->options.tls_no_verify = options->tls_no_verify;
	scene_client(s);
}

static void check_trusts(const struct peer_options *peer,
    const struct evkv_http_options *options, bool trusts)
{
	struct call call = { .calls = 0 };
	struct scene s;

	open_secure(&s, peer, options);
	scene_post(&s, &call, "/", EVKV_LIT("body"));
	if (trusts) {
		check_str(call.message, call.message);
		check_int(call.code, 200);
		check_str(s.webs[0]->body, "body");
	} else {
		check(call.fate == EVKV_HTTP_UNSENT || peer->ca_file != NULL);
		check_status(call.status, EVKV_UNAVAILABLE);
		check_int(s.webs[0]->requests, 0);
	}
	if (!trusts && peer->ca_file == NULL)
		check_int(call.cause, EVKV_CAUSE_TLS);
	scene_close(&s);
}

EVKV_TEST(http_secure, whom_it_trusts)
{
	struct vault v;
	struct peer_options peer = { .ipv6 = false };

	vault_open(&v);
	peer.cert_file = v.server;
	peer.key_file = v.key;
	check_trusts(&peer, &(struct evkv_http_options){ .tls_ca_file = v.ca },
	    true);
	check_trusts(&peer,
	    &(struct evkv_http_options){ .tls_ca_file = v.foreign }, false);
	/* The system's authorities have not signed it. */
	check_trusts(&peer, &(struct evkv_http_options){ .tls = true }, false);
	check_trusts(&peer,
	    &(struct evkv_http_options){ .tls_no_verify = true }, true);
	peer.cert_file = v.expired;
	check_trusts(&peer, &(struct evkv_http_options){ .tls_ca_file = v.ca },
	    false);
	peer.cert_file = v.other;
	check_trusts(&peer, &(struct evkv_http_options){ .tls_ca_file = v.ca },
	    false);
	check_trusts(&peer,
	    &(struct evkv_http_options){
		.tls_ca_file = v.ca, .tls_server_name = "other.invalid" },
	    true);
	vault_close(&v);
}

EVKV_TEST(http_secure, a_client_certificate)
{
	struct vault v;
	struct peer_options peer = { .ipv6 = false };

	vault_open(&v);
	peer.cert_file = v.server;
	peer.key_file = v.key;
	peer.ca_file = v.ca;
	check_trusts(&peer,
	    &(struct evkv_http_options){ .tls_ca_file = v.ca,
		.tls_cert_file = v.client,
		.tls_key_file = v.client_key },
	    true);
	check_trusts(&peer, &(struct evkv_http_options){ .tls_ca_file = v.ca },
	    false);
	vault_close(&v);
}

/* A cut in the middle of everything, by RST: no SIGPIPE, which would kill. */
EVKV_TEST(http_secure, a_cut_raises_no_signal)
{
	struct peer_options peer = { .ipv6 = false };
	static char body[400000];
	struct call call = { .calls = 0 };
	struct vault v;
	struct scene s;

	check(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	vault_open(&v);
	peer.cert_file = v.server;
	peer.key_file = v.key;
	for (size_t at = 1; at < sizeof(body); at *= 3) {
		open_secure(&s, &peer,
		    &(struct evkv_http_options){ .tls_ca_file = v.ca });
		scene_post(&s, &call, "/", EVKV_LIT("x"));
		check_int(call.code, 200);
		s.webs[0]->peer->plan.cut_in = at;
		s.webs[0]->peer->plan.reset = true;
		scene_post(&s, &call, "/", evkv_bytes(body, sizeof(body)));
		check_status(call.status, EVKV_UNAVAILABLE);
		scene_close(&s);
	}
	vault_close(&v);
}
