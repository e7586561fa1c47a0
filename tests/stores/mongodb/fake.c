/* tests/stores/mongodb/fake.c - a scripted server and a store on it. */
#include "fake.h"

#include <stdio.h>
#include <string.h>

/* ---- Answers ------------------------------------------------------------ */

void say_error(struct fake *fake, struct opdoc *out)
{
	opdoc_double(out, "ok", 0);
	opdoc_text(out, "errmsg", fake->words, strlen(fake->words));
	opdoc_int(out, "code", fake->code);
}

void say_write_error(struct fake *fake, struct opdoc *out)
{
	opdoc_int(out, "n", fake->documents - 1);
	opdoc_open(out, "writeErrors", true);
	opdoc_open(out, "0", false);
	opdoc_int(out, "index", 0);
	opdoc_int(out, "code", fake->code);
	opdoc_text(out, "errmsg", fake->words, strlen(fake->words));
	opdoc_close(out);
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

void say_concern_error(struct fake *fake, struct opdoc *out)
{
	opdoc_int(out, "n", fake->documents);
	opdoc_open(out, "writeConcernError", false);
	opdoc_int(out, "code", fake->code);
	opdoc_text(out, "errmsg", fake->words, strlen(fake->words));
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

/* One document, for an _id "c:..." */
static void say_document(struct opdoc *out, unsigned n,
    const unsigned char *value)
{
	char index[16], text[300];
	const char *id;
	size_t size;

	id = opmsg_text(value, &size);
	if (size > 4 && memcmp(id + 2, "no", 2) == 0)
		return;
	snprintf(index, sizeof(index), "%u", n);
	snprintf(text, sizeof(text), "v-%.*s", (int)size - 2, id + 2);
	opdoc_open(out, index, false);
	opdoc_text(out, "_id", id, size);
	opdoc_binary(out, "value", text, strlen(text));
	opdoc_binary(out, "version", "0123456789abcdef", 16);
	opdoc_close(out);
}

static void say_found(const struct opmsg *message, struct opdoc *out)
{
	const unsigned char *filter, *id, *in, *at;
	unsigned char type;
	unsigned n = 0;

	opdoc_open(out, "cursor", false);
	opdoc_long(out, "id", 0);
	opdoc_text(out, "ns", "evkv.evkv", 9);
	opdoc_open(out, "firstBatch", true);
	if (opmsg_field(message->body, "filter", &type, &filter) &&
	    opmsg_field(filter, "_id", &type, &id) && type == 2) {
		say_document(out, 0, id);
	} else if (type == 3 && opmsg_field(id, "$in", &type, &in)) {
		for (at = in + 4; *at != 0;) {
			at += 1 + strlen((const char *)at + 1) + 1;
			say_document(out, n++, at);
			at += opmsg_size(2, at);
		}
	}
	opdoc_close(out);
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

static bool is_hello(const struct opmsg *message)
{
	return strcmp(message->command, "isMaster") == 0 ||
	    strcmp(message->command, "ismaster") == 0 ||
	    strcmp(message->command, "hello") == 0;
}

static void fake_note(struct fake *fake, const struct opmsg *message)
{
	const unsigned char *value;
	unsigned char type;

	fake->commands++;
	fake->documents = opmsg_writes(message);
	fake->written += fake->documents;
	if (message->body_size > fake->largest)
		fake->largest = message->body_size;
	fake->finds += strcmp(message->command, "find") == 0;
	fake->updates += strcmp(message->command, "update") == 0;
	fake->indexes += strcmp(message->command, "createIndexes") == 0;
	snprintf(fake->last, sizeof(fake->last), "%s", message->command);
	if (opmsg_field(message->body, "maxTimeMS", &type, &value))
		fake->max_time = opmsg_int(value);
	fake->number = 0;
	if (opmsg_field(message->body, "txnNumber", &type, &value))
		memcpy(&fake->number, value, sizeof(fake->number));
}

/* Its name alone: so libmongoc looks for no others. */
static void say_replica(struct opdoc *out)
{
	opdoc_text(out, "setName", "rs", 2);
	opdoc_int(out, "setVersion", 1);
	opdoc_bool(out, "secondary", false);
	opdoc_int(out, "logicalSessionTimeoutMinutes", 30);
}

static void fake_answer(struct fake *fake, const struct opmsg *message)
{
	struct opdoc *out = &fake->out;
	void (*say)(struct fake *, struct opdoc *) = fake->say;

	if (is_hello(message)) {
		opdoc_hello(out);
		if (fake->replica)
			say_replica(out);
		return;
	}
	fake_note(fake, message);
	if (!fake->say_always)
		fake->say = NULL;
	if (say != NULL) {
		say(fake, out);
	} else if (strcmp(message->command, "find") == 0) {
		say_found(message, out);
	} else {
		opdoc_int(out, "n", opmsg_writes(message));
		opdoc_int(out, "nModified", 0);
		opdoc_double(out, "ok", 1);
	}
}

/* The answer to a command, or what comes in its place. */
static void fake_say(struct fake *fake, struct peer_conn *conn)
{
	struct opdoc *out = &fake->out;

	if (fake->cut) {
		peer_say(conn, out->data, fake->cut_at);
		peer_cut(conn);
	} else if (fake->hold) {
		check(out->size <= sizeof(fake->held));
		memcpy(fake->held, out->data, out->size);
		fake->held_size = out->size;
		fake->held_conn = conn;
	} else if (!fake->stall) {
		/* A length inside the document that leads out of it. */
		if (fake->garbage)
			memset(out->data + 25, 0x7f, out->size - 26);
		if (fake->flip > 0 && fake->flip < out->size)
			out->data[fake->flip] ^= 0x55;
		peer_say(conn, out->data, out->size);
	}
}

void fake_release(struct fake *fake)
{
	fake->hold = false;
	check(fake->held_size > 0);
	peer_say(fake->held_conn, fake->held, fake->held_size);
	fake->held_size = 0;
}

static size_t fake_respond(struct peer_conn *conn, const char *data,
    size_t size, void *arg)
{
	struct fake *fake = arg;
	struct opmsg message;
	size_t used = opmsg_read(data, size, &message);

	if (used == 0)
		return 0;
	opdoc_answer(&fake->out, &message);
	fake_answer(fake, &message);
	opdoc_end_answer(&fake->out);
	if (is_hello(&message))
		peer_say(conn, fake->out.data, fake->out.size);
	else
		fake_say(fake, conn);
	return used;
}

/* ---- The scene ----------------------------------------------------------- */

static void fake_log(enum evkv_log_level level, const char *message, void *arg)
{
	struct fake *fake = arg;
	size_t used = strlen(fake->log);

	(void)level;
	snprintf(fake->log + used, sizeof(fake->log) - used, "%s\n", message);
}

void fake_begin(struct fake *fake)
{
	memset(fake, 0, sizeof(*fake));
	rig_open_real(&fake->rig);
	evkv_loop_set_log(fake->rig.loop, fake_log, fake);
	fake->peer = peer_open(fake->rig.base,
	    &(struct peer_options){ .respond = fake_respond, .arg = fake });
	snprintf(fake->uri, sizeof(fake->uri), "mongodb://127.0.0.1:%d/",
	    fake->peer->port);
	fake->options = (struct evkv_mongodb_options){
		.uri = fake->uri,
		.lanes = 1,
		.no_create_index = true,
		.server_selection_timeout_ms = 1000,
	};
}

void fake_store(struct fake *fake)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	fake->store = evkv_mongodb_new(fake->rig.loop, &fake->options, &error);
	check_str(error.message, "");
}

void fake_open(struct fake *fake)
{
	fake_begin(fake);
	fake_store(fake);
}

void fake_close(struct fake *fake)
{
	struct answer closed = ANSWER_INIT;

	fake->peer->plan.hold = false;
	fake->peer->plan.silent = false;
	peer_release(fake->peer);
	if (fake->store != NULL) {
		evkv_store_close(fake->store, 0, answer_cb, &closed);
		rig_wait(&fake->rig, &closed.calls);
		evkv_store_unref(fake->store);
	}
	peer_close(fake->peer);
	rig_close(&fake->rig);
	for (unsigned i = 0; i < FAKE_OPS; i++) {
		check(fake->answers[i].calls <= 1);
		answer_free(&fake->answers[i]);
	}
	answer_free(&closed);
	opdoc_free(&fake->out);
}

static void fake_submit(struct fake *fake, unsigned i, enum evkv_kind kind)
{
	char name[16];
	struct evkv_slice key;
	struct evkv_slice value = EVKV_LIT("value");

	snprintf(name, sizeof(name), "k%u", i);
	key = evkv_str(name);
	check(evkv_submit(fake->store,
		  &(struct evkv_request){ .kind = kind,
		      .flags = EVKV_FLAG_SINGLE,
		      .collection = EVKV_LIT("c"),
		      .count = 1,
		      .keys = &key,
		      .values = kind == EVKV_OP_PUT ? &value : NULL },
		  answer_cb, &fake->answers[i]) != 0);
}

void fake_get(struct fake *fake, unsigned i)
{
	fake_submit(fake, i, EVKV_OP_GET);
}

void fake_put(struct fake *fake, unsigned i)
{
	fake_submit(fake, i, EVKV_OP_PUT);
}

void fake_wait(struct fake *fake, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		rig_wait(&fake->rig, &fake->answers[i].calls);
}

void fake_put_four(struct fake *fake,
    void (*say)(struct fake *fake, struct opdoc *out))
{
	fake_get(fake, 0);
	fake_wait(fake, 1);
	fake->finds = 0;
	fake->say = say;
	for (unsigned i = 1; i < 5; i++)
		fake_put(fake, i);
	fake_wait(fake, 5);
}

struct answer *fake_do(struct fake *fake, enum evkv_kind kind,
    enum evkv_condition condition, int64_t timeout_ms)
{
	struct answer *answer = &fake->answers[0];
	struct evkv_slice key = EVKV_LIT("k0"), value = EVKV_LIT("5");
	static const struct evkv_version version;

	answer_reset(answer);
	answer->calls = 0;
	check(evkv_submit(fake->store,
		  &(struct evkv_request){ .kind = kind,
		      .flags = EVKV_FLAG_SINGLE,
		      .collection = EVKV_LIT("c"),
		      .count = 1,
		      .keys = &key,
		      .values = kind == EVKV_OP_PUT ? &value : NULL,
		      .condition = condition,
		      .versions = condition == EVKV_IF_VERSION ? &version
							       : NULL,
		      .timeout_ms = timeout_ms },
		  answer_cb, answer) != 0);
	rig_wait(&fake->rig, &answer->calls);
	return answer;
}
