/*
 * tests/engines/pipeline/tls_test.c - TLS: whom it trusts, what it says when it
 * does not, and the pipeline's promises above it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certificates.h"
#include "engines/pipeline/pipeline.h"
#include "scene.h"

static const char *const files[] = { "ca.pem", "server.pem", "server.key",
	"client.pem", "client.key", "expired.pem", "other.pem",
	"foreign-ca.pem", "rubbish.pem" };
#define FILES (sizeof(files) / sizeof(files[0]))

struct vault {
	char folder[64];
	char path[FILES][96];
};

enum { CA, SERVER, KEY, CLIENT, CLIENT_KEY, EXPIRED, OTHER, FOREIGN, RUBBISH };

static void vault_open(struct vault *vault)
{
	FILE *file;
	size_t i;

	snprintf(vault->folder, sizeof(vault->folder), "/tmp/evkv-tls-XXXXXX");
	check(mkdtemp(vault->folder) != NULL);
	check(certificates_write(vault->folder));
	for (i = 0; i < FILES; i++)
		snprintf(vault->path[i], sizeof(vault->path[i]), "%s/%s",
		    vault->folder, files[i]);
	file = fopen(vault->path[RUBBISH], "w");
	check(file != NULL && fputs("not a certificate\n", file) >= 0);
	check(fclose(file) == 0);
}

static void vault_close(struct vault *vault)
{
	size_t i;

	for (i = 0; i < FILES; i++)
		(void)unlink(vault->path[i]);
	check(rmdir(vault->folder) == 0);
}

/*
 * send() of this program stands before the C library's: on this descriptor it
 * takes a byte, then none, and so on.
 */
static int trickle_fd = -1;
static bool trickle_full;

typedef ssize_t send_fn(int fd, const void *data, size_t size, int flags);

/* The tree is compiled with hidden symbols; this must be seen by others. */
__attribute__((visibility("default"))) ssize_t send(int fd, const void *data,
    size_t size, int flags)
{
	void *found = dlsym(RTLD_NEXT, "send");
	send_fn *next;

	memcpy(&next, &found, sizeof(next));
	if (fd != trickle_fd)
		return next(fd, data, size, flags);
	trickle_full = !trickle_full;
	if (!trickle_full)
		return next(fd, data, size > 0 ? 1 : 0, flags);
	errno = EAGAIN;
	return -1;
}

/* A server with that certificate; clients need one if `ca` is given. */
static void begin(struct scene *s, const struct vault *vault, int cert,
    bool mutual)
{
	scene_begin_with(s,
	    &(struct peer_options){ .cert_file = vault->path[cert],
		.key_file = vault->path[KEY],
		.ca_file = mutual ? vault->path[CA] : NULL,
		.receive_buffer = 8192 });
}

/* The store of `options`; the pipeline keeps the TLS part. */
static void trust(struct scene *s, const struct evkv_tls_options *options)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_tls *tls = evkv_tls_new(options, &error);

	check_str(error.message, "");
	check(tls != NULL);
	s->options.pipeline.tls = tls;
	scene_store(s);
	evkv_tls_unref(tls);
}

static void check_works(struct scene *s)
{
	line_get(s->store, 1, &s->answers[0]);
	line_put(s->store, 2, 100, &s->answers[1]);
	scene_wait(s, 2);
	check_status(s->answers[0].status, EVKV_OK);
	check_slice(s->answers[0].entries[0].bytes, "k1.");
	check_status(s->answers[1].status, EVKV_OK);
	check_int(s->server.puts, 1);
}

static void check_refused(struct scene *s, const char *words)
{
	line_put(s->store, 2, 100, &s->answers[0]);
	scene_wait(s, 1);
	check_status(s->answers[0].status, EVKV_UNAVAILABLE);
	check_int(s->answers[0].cause, EVKV_CAUSE_TLS);
	check_contains(s->answers[0].message, "127.0.0.1:");
	check_contains(s->answers[0].message, words);
	check_int(s->server.commands, 0);
}

EVKV_TEST(pipeline_tls, a_good_certificate_is_trusted)
{
	struct vault vault;
	struct scene s;

	vault_open(&vault);
	begin(&s, &vault, SERVER, false);
	trust(&s, &(struct evkv_tls_options){ .ca_file = vault.path[CA] });
	check_works(&s);
	scene_close(&s);
	begin(&s, &vault, SERVER, false);
	trust(&s,
	    &(struct evkv_tls_options){
		.ca_file = vault.path[CA], .server_name = "localhost" });
	check_works(&s);
	scene_close(&s);
	vault_close(&vault);
}

EVKV_TEST(pipeline_tls, other_certificates_are_not)
{
	struct vault vault;
	struct scene s;

	vault_open(&vault);
	begin(&s, &vault, EXPIRED, false);
	trust(&s, &(struct evkv_tls_options){ .ca_file = vault.path[CA] });
	check_refused(&s, "expired");
	scene_close(&s);
	begin(&s, &vault, OTHER, false);
	trust(&s, &(struct evkv_tls_options){ .ca_file = vault.path[CA] });
	check_refused(&s, "IP address mismatch");
	scene_close(&s);
	begin(&s, &vault, SERVER, false);
	trust(&s,
	    &(struct evkv_tls_options){ .ca_file = vault.path[CA],
		.server_name = "elsewhere.example" });
	check_refused(&s, "ostname mismatch");
	scene_close(&s);
	begin(&s, &vault, SERVER, false);
	trust(&s, &(struct evkv_tls_options){ .ca_file = vault.path[FOREIGN] });
	check_refused(&s, "certificate verify failed");
	scene_close(&s);
	vault_close(&vault);
}

EVKV_TEST(pipeline_tls, verification_is_off_only_by_name)
{
	struct vault vault;
	struct scene s;

	vault_open(&vault);
	begin(&s, &vault, EXPIRED, false);
	trust(&s, &(struct evkv_tls_options){ .no_verify = true });
	check_works(&s);
	scene_close(&s);
	begin(&s, &vault, SERVER, false);
	trust(&s, NULL);
	check_refused(&s, "certificate verify failed");
	scene_close(&s);
	vault_close(&vault);
}

EVKV_TEST(pipeline_tls, the_client_proves_who_it_is)
{
	struct vault vault;
	struct scene s;

	vault_open(&vault);
	begin(&s, &vault, SERVER, true);
	trust(&s,
	    &(struct evkv_tls_options){ .ca_file = vault.path[CA],
		.cert_file = vault.path[CLIENT],
		.key_file = vault.path[CLIENT_KEY] });
	check_works(&s);
	scene_close(&s);
	/* In TLS 1.3 the server's objection comes after the handshake. */
	begin(&s, &vault, SERVER, true);
	s.options.password = "p";
	trust(&s, &(struct evkv_tls_options){ .ca_file = vault.path[CA] });
	check_refused(&s, "certificate required");
	scene_close(&s);
	vault_close(&vault);
}

EVKV_TEST(pipeline_tls, bad_files_are_named)
{
	struct vault vault;
	struct {
		struct evkv_tls_options options;
		const char *word;
	} cases[] = {
		{ { .ca_file = "/nowhere/ca.pem" }, "ca_file /nowhere" },
		{ { .ca_file = vault.path[RUBBISH] }, "ca_file" },
		{ { .cert_file = vault.path[CLIENT],
		      .key_file = vault.path[RUBBISH] },
		    "key_file" },
		{ { .cert_file = "/nowhere/cert.pem" }, "cert_file" },
		{ { .cert_file = vault.path[CLIENT],
		      .key_file = vault.path[KEY] },
		    "key_file" },
		{ { .cert_file = vault.path[CLIENT] }, "key_file" },
		{ { .key_file = vault.path[KEY] }, "key_file" },
	};
	struct evkv_error error;
	size_t i;

	vault_open(&vault);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		error = (struct evkv_error)EVKV_ERROR_INIT;
		check(evkv_tls_new(&cases[i].options, &error) == NULL);
		/* A key alone is no file that can't be used. */
		check_status(error.status,
		    cases[i].options.key_file == vault.path[KEY] &&
			    cases[i].options.cert_file == NULL
			? EVKV_INVALID
			: EVKV_IO);
		check_contains(error.message, cases[i].word);
	}
	vault_close(&vault);
}

EVKV_TEST(pipeline_tls, a_unix_socket_has_no_name_to_verify)
{
	struct line_options options = { .pipeline.unix_path = "/tmp/x" };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;

	rig_open(&rig);
	options.pipeline.tls = evkv_tls_new(NULL, NULL);
	check(line_new(rig.loop, &options, NULL, &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "server_name");
	evkv_tls_unref(options.pipeline.tls);
	rig_close(&rig);
}

/* As in cuts_test.c; the bytes counted are those above TLS. */
EVKV_TEST(pipeline_tls, replies_cut_at_every_byte)
{
	size_t out = 0, at;
	struct vault vault;
	struct scene s;
	unsigned i, done;

	vault_open(&vault);
	for (at = 0; at == 0 || at <= out; at++) {
		begin(&s, &vault, SERVER, false);
		trust(&s,
		    &(struct evkv_tls_options){ .ca_file = vault.path[CA] });
		scene_ready(&s);
		s.peer->plan.cut_out = at == 0 ? PEER_NEVER : at;
		for (i = 0; i < SCENE_OPS; i++)
			line_put(s.store, i, 1, &s.answers[i]);
		scene_wait(&s, SCENE_OPS);
		for (done = 0; done < SCENE_OPS; done++) {
			if (s.answers[done].status != EVKV_OK)
				break;
		}
		for (i = done; i < SCENE_OPS; i++) {
			check_status(s.answers[i].status, EVKV_UNKNOWN_OUTCOME);
			check_int(s.answers[i].cause, EVKV_CAUSE_RESET);
		}
		if (at == 0)
			out = peer_sent(s.peer->newest);
		else
			check_int(done, at / 2);
		check(!s.server.out_of_order);
		scene_close(&s);
	}
	check_int(out, SCENE_OPS * 2);
	vault_close(&vault);
}

EVKV_TEST(pipeline_tls, replies_split_at_every_byte)
{
	struct vault vault;
	struct scene s;
	size_t piece;
	unsigned i;

	vault_open(&vault);
	for (piece = 1; piece < 10; piece++) {
		begin(&s, &vault, SERVER, false);
		trust(&s,
		    &(struct evkv_tls_options){ .ca_file = vault.path[CA] });
		scene_ready(&s);
		s.peer->plan.piece = piece;
		for (i = 0; i < SCENE_OPS; i++)
			line_get(s.store, i, &s.answers[i]);
		scene_wait(&s, SCENE_OPS);
		for (i = 0; i < SCENE_OPS; i++)
			check_status(s.answers[i].status, EVKV_OK);
		scene_close(&s);
	}
	vault_close(&vault);
}

/* A socket that is full sooner than a turn's writing ends. */
static void deafen(struct scene *s)
{
	int size = 65536;

	check(setsockopt(s->pipeline->net.fd, SOL_SOCKET, SO_SNDBUF, &size,
		  sizeof(size)) == 0);
	s->peer->plan.deaf = true;
}

/* Turn until the server, which is deaf, has been sent all that fits. */
static void fill_socket(struct scene *s)
{
	size_t before, same = 0;

	while (same < 3) {
		before = scene_counters(s).output_bytes;
		rig_turn_waiting(&s->rig);
		same = scene_counters(s).output_bytes == before ? same + 1 : 0;
	}
	/* OpenSSL holds a record that must be offered again as it is. */
	check(s->pipeline->net.offered > 0);
}

/*
 * The socket is full: the first has gone in part and counts as sent; the last
 * is held back and never arrives; what is between is done once.
 */
EVKV_TEST(pipeline_tls, a_full_socket_holds_back_what_is_canceled)
{
	evkv_ticket tickets[8];
	struct vault vault;
	struct scene s;
	unsigned i;

	vault_open(&vault);
	begin(&s, &vault, SERVER, false);
	trust(&s, &(struct evkv_tls_options){ .ca_file = vault.path[CA] });
	scene_ready(&s);
	deafen(&s);
	for (i = 0; i < 8; i++)
		tickets[i] = line_put(s.store, i, 1 << 20, &s.answers[i]);
	fill_socket(&s);
	check(scene_counters(&s).output_bytes > 7 << 20);
	evkv_cancel(s.rig.loop, tickets[0]);
	evkv_cancel(s.rig.loop, tickets[1]);
	evkv_cancel(s.rig.loop, tickets[7]);
	rig_turn(&s.rig);
	check_status(s.answers[0].status, EVKV_UNKNOWN_OUTCOME);
	check_status(s.answers[1].status, EVKV_CANCELED);
	check_status(s.answers[7].status, EVKV_CANCELED);
	s.peer->plan.deaf = false;
	peer_release(s.peer);
	scene_wait(&s, 8);
	for (i = 2; i < 7; i++)
		check_status(s.answers[i].status, EVKV_OK);
	for (i = 0; i < 8; i++)
		check_int(s.server.put[i], i != 1 && i != 7);
	check(!s.server.out_of_order);
	scene_close(&s);
	vault_close(&vault);
}

#define MANY 4000

/* Small ones, of which some are in the record that OpenSSL holds. */
EVKV_TEST(pipeline_tls, a_record_that_is_held_can_not_be_taken_back)
{
	static struct answer answers[MANY];
	static evkv_ticket tickets[MANY];
	unsigned i, seen[EVKV_STATUS_COUNT] = { 0 };
	struct vault vault;
	struct scene s;

	vault_open(&vault);
	begin(&s, &vault, SERVER, false);
	trust(&s, &(struct evkv_tls_options){ .ca_file = vault.path[CA] });
	scene_ready(&s);
	deafen(&s);
	for (i = 0; i < MANY; i++)
		tickets[i] = line_put(s.store, i, 3000, &answers[i]);
	fill_socket(&s);
	for (i = 0; i < MANY; i += 2)
		evkv_cancel(s.rig.loop, tickets[i]);
	s.peer->plan.deaf = false;
	peer_release(s.peer);
	for (i = 0; i < MANY; i++)
		rig_wait(&s.rig, &answers[i].calls);
	for (i = 0; i < MANY; i++) {
		seen[answers[i].status]++;
		check_int(s.server.put[i], answers[i].status != EVKV_CANCELED);
		answer_free(&answers[i]);
	}
	check_int(seen[EVKV_OK], MANY / 2);
	check(seen[EVKV_CANCELED] > 0 && seen[EVKV_UNKNOWN_OUTCOME] > 0);
	check(!s.server.out_of_order);
	scene_close(&s);
	vault_close(&vault);
}

/*
 * A record that has gone out whole is known to have, also where the one after
 * it, of what was submitted meanwhile, finds the socket full.
 */
EVKV_TEST(pipeline_tls, a_record_is_sent_though_the_next_is_not)
{
	struct vault vault;
	struct scene s;
	unsigned i;

	vault_open(&vault);
	begin(&s, &vault, SERVER, false);
	trust(&s, &(struct evkv_tls_options){ .ca_file = vault.path[CA] });
	scene_ready(&s);
	trickle_fd = s.pipeline->net.fd;
	for (i = 0; i < 5; i++) {
		line_put(s.store, i, 100, &s.answers[i]);
		rig_until(&s.rig, s.pipeline->net.offered > 0);
	}
	scene_wait(&s, 5);
	trickle_fd = -1;
	for (i = 0; i < 5; i++)
		check_status(s.answers[i].status, EVKV_OK);
	check_int(s.peer->accepted, 1);
	scene_close(&s);
	vault_close(&vault);
}
