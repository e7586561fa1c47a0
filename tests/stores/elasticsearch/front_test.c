/*
 * tests/stores/elasticsearch/front_test.c - a real node behind TLS and logins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evkv/stores/elasticsearch.h"
#include "lib/certificates.h"
#include "lib/child.h"
#include "lib/rig.h"
#include "lib/script_server.h"
#include "lib/test.h"

SCRIPT_SERVER_SHARED("elasticsearch", "opensearch")

struct front {
	struct script_server server;
	char folder[96], ca[128], foreign[128];
	struct evkv_elasticsearch_node node;
	struct rig rig;
};

static void front_open(struct front *front)
{
	char upstream[16], cert[128], key[128];
	const char *arguments[] = { upstream, cert, key,
		"Basic dTpwOnc=", "ApiKey aWQ6a2V5", NULL };

	memset(front, 0, sizeof(*front));
	snprintf(upstream, sizeof(upstream), "%d", script_server_shared());
	check(child_make_folder(front->folder, sizeof(front->folder)));
	check(certificates_write(front->folder));
	snprintf(cert, sizeof(cert), "%s/server.pem", front->folder);
	snprintf(key, sizeof(key), "%s/server.key", front->folder);
	snprintf(front->ca, sizeof(front->ca), "%s/ca.pem", front->folder);
	snprintf(front->foreign, sizeof(front->foreign), "%s/foreign-ca.pem",
	    front->folder);
	script_server_start(&front->server,
	    &(struct script_server_options){ .script = "tls-front",
		.kind = "haproxy",
		.arguments = arguments });
	front->node.host = "localhost";
	front->node.port = front->server.port;
	rig_open_real(&front->rig);
}

static void front_close(struct front *front)
{
	rig_close(&front->rig);
	script_server_stop(&front->server);
	child_remove_folder(front->folder);
}

/* What becomes of a put and a get with these options. */
static enum evkv_status front_try(struct front *front,
    struct evkv_elasticsearch_options options, char *message, size_t size)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct answer put = ANSWER_INIT, get = ANSWER_INIT;
	enum evkv_status status;
	struct evkv_store *store;

	options.nodes = &front->node;
	options.node_count = 1;
	options.tls = true;
	options.index = "front";
	options.opensearch = true;
	if (options.tls_ca_file == NULL)
		options.tls_ca_file = front->ca;
	store = evkv_elasticsearch_new(front->rig.loop, &options, &error);
	check_str(error.message, "");
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
	    answer_cb, &put);
	rig_wait(&front->rig, &put.calls);
	evkv_get(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &get);
	rig_wait(&front->rig, &get.calls);
	status = put.status;
	if (status == EVKV_OK)
		check_slice(get.entries[0].bytes, "v");
	snprintf(message, size, "%s", put.message);
	evkv_store_unref(store);
	answer_free(&put);
	answer_free(&get);
	return status;
}

EVKV_TEST(elasticsearch_front, logins_over_tls)
{
	struct front front;
	char words[512];

	front_open(&front);
	check_status(front_try(&front,
			 (struct evkv_elasticsearch_options){
			     .user = "u", .password = "p:w" },
			 words, sizeof(words)),
	    EVKV_OK);
	check_status(front_try(&front,
			 (struct evkv_elasticsearch_options){
			     .api_key = "aWQ6a2V5", .gzip = true },
			 words, sizeof(words)),
	    EVKV_OK);
	check_status(front_try(&front,
			 (struct evkv_elasticsearch_options){
			     .user = "u", .password = "wrong" },
			 words, sizeof(words)),
	    EVKV_REFUSED);
	check_contains(words, "missing authentication credentials");
	check(strstr(words, "wrong") == NULL);
	check_status(front_try(&front,
			 (struct evkv_elasticsearch_options){ .user = "u",
			     .password = "p:w",
			     .tls_ca_file = front.foreign },
			 words, sizeof(words)),
	    EVKV_UNAVAILABLE);
	front_close(&front);
}
