/*
 * tests/engines/pipeline/rotation_test.c - certificates and keys that change on
 * disk, and chains that end early.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificates.h"
#include "engines/pipeline/pipeline.h"
#include "files.h"
#include "scene.h"

/* Two authorities with all that they have signed, and files of the client. */
struct vault {
	char folder[64], one[80], two[80];
	char ca[96], cert[96], key[96];
};

static const char *const names[] = { "ca.pem", "server.pem", "server.key",
	"client.pem", "client.key", "expired.pem", "other.pem",
	"foreign-ca.pem", "middle-ca.pem", "middle.pem", "middle.key", "new" };

static const char *in(const char *folder, const char *name)
{
	static char paths[4][192];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void vault_open(struct vault *v)
{
	snprintf(v->folder, sizeof(v->folder), "/tmp/evkv-tls-XXXXXX");
	check(mkdtemp(v->folder) != NULL);
	snprintf(v->one, sizeof(v->one), "%s/one", v->folder);
	snprintf(v->two, sizeof(v->two), "%s/two", v->folder);
	snprintf(v->ca, sizeof(v->ca), "%s/ca.pem", v->folder);
	snprintf(v->cert, sizeof(v->cert), "%s/client.pem", v->folder);
	snprintf(v->key, sizeof(v->key), "%s/client.key", v->folder);
	check(mkdir(v->one, 0700) == 0 && mkdir(v->two, 0700) == 0);
	check(certificates_write(v->one) && certificates_write(v->two));
	check(certificates_write_middle(v->one));
}

static void folder_remove(const char *folder)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(in(folder, names[i]));
	check(rmdir(folder) == 0);
}

static void vault_close(struct vault *v)
{
	folder_remove(v->one);
	folder_remove(v->two);
	folder_remove(v->folder);
}

/* The text of a file, at the end of what is in `text`. */
static void append(char *text, size_t size, const char *path)
{
	size_t used = strlen(text), got;
	FILE *file = fopen(path, "r");

	check(file != NULL);
	got = fread(text + used, 1, size - used - 1, file);
	text[used + got] = '\0';
	check(fclose(file) == 0);
}

static void copy(const struct vault *v, const char *from, const char *name,
    const char *as)
{
	char text[8192] = "";

	append(text, sizeof(text), in(from, name));
	files_write(v->folder, as, text);
}

/* A server with the certificate of one authority; clients may need one. */
static void begin(struct scene *s, const struct vault *v, const char *folder,
    bool mutual)
{
	(void)v;
	scene_begin_with(s,
	    &(struct peer_options){ .cert_file = in(folder, "server.pem"),
		.key_file = in(folder, "server.key"),
		.ca_file = mutual ? in(folder, "ca.pem") : NULL });
}

static void rotate(struct scene *s, const char *folder, bool mutual)
{
	peer_secure(s->peer, in(folder, "server.pem"), in(folder, "server.key"),
	    mutual ? in(folder, "ca.pem") : NULL);
	peer_cut_all(s->peer);
	scene_until(s, EVKV_STATE_DOWN);
}

static void trust(struct scene *s, const struct evkv_tls_options *options)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_tls *tls = evkv_tls_new(options, &error);

	check_str(error.message, "");
	s->options.pipeline.tls = tls;
	scene_store(s);
	evkv_tls_unref(tls);
}

/* Within two seconds, by itself. */
static void comes_back(struct scene *s)
{
	unsigned i;

	for (i = 0;
	     i < 200 && evkv_pipeline_state(s->pipeline) != EVKV_STATE_READY;
	     i++) {
		rig_advance(&s->rig, 10);
		rig_turn_waiting(&s->rig);
	}
	check_int(evkv_pipeline_state(s->pipeline), EVKV_STATE_READY);
}

static void stays_away(struct scene *s, const char *words)
{
	unsigned i;

	for (i = 0; i < 30; i++) {
		rig_advance(&s->rig, 100);
		rig_turn_waiting(&s->rig);
	}
	check_int(evkv_pipeline_state(s->pipeline), EVKV_STATE_DOWN);
	check_contains(s->pipeline->failure.message, words);
}

EVKV_TEST(pipeline_rotation, of_the_authority)
{
	char both[8192] = "";
	struct vault v;
	struct scene s;

	vault_open(&v);
	copy(&v, v.one, "ca.pem", "ca.pem");
	begin(&s, &v, v.one, false);
	trust(&s, &(struct evkv_tls_options){ .ca_file = v.ca });
	scene_ready(&s);
	/* First the server, then the file; written over, with both. */
	rotate(&s, v.two, false);
	stays_away(&s, "certificate verify failed");
	append(both, sizeof(both), in(v.one, "ca.pem"));
	append(both, sizeof(both), in(v.two, "ca.pem"));
	files_write(v.folder, "ca.pem", both);
	comes_back(&s);
	/* First the file, in the place of the other; then the server. */
	copy(&v, v.one, "ca.pem", "new");
	check(rename(in(v.folder, "new"), v.ca) == 0);
	rotate(&s, v.one, false);
	comes_back(&s);
	/* What is not trusted any more is not. */
	rotate(&s, v.two, false);
	stays_away(&s, "certificate verify failed");
	scene_close(&s);
	vault_close(&v);
}

EVKV_TEST(pipeline_rotation, of_the_clients_certificate)
{
	struct vault v;
	struct scene s;

	vault_open(&v);
	copy(&v, v.one, "client.pem", "client.pem");
	copy(&v, v.one, "client.key", "client.key");
	begin(&s, &v, v.one, true);
	/* A handshake, for TLS 1.3 tells of the certificate after it. */
	s.options.password = "p";
	trust(&s,
	    &(struct evkv_tls_options){
		.no_verify = true, .cert_file = v.cert, .key_file = v.key });
	scene_ready(&s);
	rotate(&s, v.two, true);
	stays_away(&s, "TLS:");
	/* The certificate alone does not fit the key: the old pair stays. */
	copy(&v, v.two, "client.pem", "client.pem");
	stays_away(&s, "TLS:");
	copy(&v, v.two, "client.key", "client.key");
	comes_back(&s);
	scene_close(&s);
	vault_close(&v);
}

static unsigned warnings;
static char warning[256];

static void on_log(enum evkv_log_level level, const char *message, void *arg)
{
	(void)arg;
	if (level != EVKV_LOG_WARNING || strncmp(message, "TLS:", 4) != 0)
		return;
	warnings++;
	snprintf(warning, sizeof(warning), "%s", message);
}

/* Half written, or gone: what was read before is used, and the log says so. */
EVKV_TEST(pipeline_rotation, files_that_can_not_be_used)
{
	struct vault v;
	struct scene s;
	unsigned i;

	vault_open(&v);
	copy(&v, v.one, "ca.pem", "ca.pem");
	begin(&s, &v, v.one, false);
	evkv_loop_set_log(s.rig.loop, on_log, NULL);
	trust(&s, &(struct evkv_tls_options){ .ca_file = v.ca });
	scene_ready(&s);
	warnings = 0;
	for (i = 0; i < 3; i++) {
		files_write(v.folder, "ca.pem",
		    "-----BEGIN CERTIFICATE-----\n");
		rotate(&s, v.one, false);
		comes_back(&s);
	}
	check_int(warnings, 1);
	check_contains(warning, v.ca);
	check(unlink(v.ca) == 0);
	rotate(&s, v.one, false);
	comes_back(&s);
	copy(&v, v.two, "ca.pem", "ca.pem");
	rotate(&s, v.two, false);
	comes_back(&s);
	check_int(warnings, 1);
	scene_close(&s);
	vault_close(&v);
}

/* Nothing is read while nothing has changed. */
EVKV_TEST(pipeline_rotation, files_that_stay)
{
	struct evkv_tls *tls;
	struct vault v;
	struct scene s;
	SSL_CTX *context;

	vault_open(&v);
	copy(&v, v.one, "ca.pem", "ca.pem");
	begin(&s, &v, v.one, false);
	tls = evkv_tls_new(&(struct evkv_tls_options){ .ca_file = v.ca }, NULL);
	s.options.pipeline.tls = tls;
	context = tls->context;
	scene_store(&s);
	scene_ready(&s);
	rotate(&s, v.one, false);
	comes_back(&s);
	check(tls->context == context);
	/* When one has changed, they are read once. */
	copy(&v, v.one, "ca.pem", "ca.pem");
	rotate(&s, v.one, false);
	comes_back(&s);
	check(tls->context != context);
	context = tls->context;
	rotate(&s, v.one, false);
	comes_back(&s);
	check(tls->context == context);
	evkv_tls_unref(tls);
	scene_close(&s);
	vault_close(&v);
}

/* An intermediate that is trusted, with its root nowhere, as curl takes it. */
EVKV_TEST(pipeline_rotation, a_chain_that_ends_at_an_intermediate)
{
	struct vault v;
	struct scene s;

	vault_open(&v);
	scene_begin_with(&s,
	    &(struct peer_options){ .cert_file = in(v.one, "middle.pem"),
		.key_file = in(v.one, "middle.key") });
	trust(&s,
	    &(struct evkv_tls_options){
		.ca_file = in(v.one, "middle-ca.pem") });
	scene_ready(&s);
	scene_close(&s);
	vault_close(&v);
}

/* Certificates have a name without the dot at its end; so has SNI. */
EVKV_TEST(pipeline_rotation, names_with_a_final_dot)
{
	struct vault v;
	struct scene s;

	vault_open(&v);
	begin(&s, &v, v.one, false);
	s.options.pipeline.host = "localhost.";
	trust(&s, &(struct evkv_tls_options){ .ca_file = in(v.one, "ca.pem") });
	scene_ready(&s);
	scene_close(&s);
	begin(&s, &v, v.one, false);
	trust(&s,
	    &(struct evkv_tls_options){
		.ca_file = in(v.one, "ca.pem"), .server_name = "localhost." });
	scene_ready(&s);
	scene_close(&s);
	vault_close(&v);
}

/* The address is what a certificate can name, whatever the scope. */
EVKV_TEST(pipeline_rotation, addresses_with_a_scope)
{
	struct vault v;
	struct scene s;

	vault_open(&v);
	begin(&s, &v, v.one, false);
	trust(&s,
	    &(struct evkv_tls_options){
		.ca_file = in(v.one, "ca.pem"), .server_name = "::1%lo" });
	scene_ready(&s);
	scene_close(&s);
	vault_close(&v);
}
