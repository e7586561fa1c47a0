#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_command {
	size_t count;
	struct evkv_slice words[FAKE_WORDS];
};

/* ---- Reading commands ------------------------------------------------ */

/* `<mark><number>\r\n`; how many bytes, 0 = not there yet. */
static size_t fake_head(const char *data, size_t size, char mark,
    size_t *number)
{
	const char *end = memchr(data, '\n', size);

	if (end == NULL)
		return 0;
	check_int(data[0], mark);
	*number = (size_t)strtoul(data + 1, NULL, 10);
	return (size_t)(end + 1 - data);
}

static size_t fake_read(const char *data, size_t size,
    struct fake_command *command)
{
	size_t at = fake_head(data, size, '*', &command->count);

	if (at == 0)
		return 0;
	check(command->count <= FAKE_WORDS);
	for (size_t i = 0; i < command->count; i++) {
		size_t length, head;

		if (at == size)
			return 0;
		head = fake_head(data + at, size - at, '$', &length);
		if (head == 0 || size - at - head < length + 2)
			return 0;
		command->words[i] = evkv_bytes(data + at + head, length);
		at += head + length + 2;
	}
	return at;
}

static bool fake_is(const struct fake_command *command, const char *name)
{
	return evkv_slice_equal(command->words[0], evkv_str(name));
}

/* ---- Answering ------------------------------------------------------- */

static void fake_say(struct peer_conn *conn, const char *text)
{
	peer_say(conn, text, strlen(text));
}

static bool fake_missing(struct evkv_slice name)
{
	return memmem(name.data, name.size, ":no", 3) != NULL;
}

/* The value of `c:k7` is `v-k7`. */
static void fake_say_value(struct peer_conn *conn, struct evkv_slice name)
{
	const char *key = memchr(name.data, ':', name.size);
	char text[128];
	int size;

	if (fake_missing(name) || key == NULL) {
		fake_say(conn, "$-1\r\n");
		return;
	}
	size = (int)(name.size - (size_t)(key + 1 - (const char *)name.data));
	snprintf(text, sizeof(text), "$%d\r\nv-%.*s\r\n", size + 2, size,
	    key + 1);
	fake_say(conn, text);
}

static void fake_say_values(struct peer_conn *conn,
    const struct fake_command *command)
{
	char head[32];

	snprintf(head, sizeof(head), "*%zu\r\n", command->count - 1);
	fake_say(conn, head);
	for (size_t i = 1; i < command->count; i++)
		fake_say_value(conn, command->words[i]);
}

static void fake_say_names(struct fake *fake, struct peer_conn *conn,
    struct evkv_slice cursor)
{
	size_t size = strlen(fake->cursors);

	snprintf(fake->cursors + size, sizeof(fake->cursors) - size, "%.*s ",
	    (int)cursor.size, (const char *)cursor.data);
	fake_say(conn,
	    fake->to_scan != NULL ? fake->to_scan
				  : "*2\r\n$1\r\n0\r\n*2\r\n$3\r\nc:a\r\n"
				    "$4\r\nc:bb\r\n");
	fake->to_scan = fake->to_next_scan;
	fake->to_next_scan = NULL;
}

/* MULTI, PTTL, GET, EXEC of one key. */
static void fake_say_exec(struct peer_conn *conn)
{
	fake_say(conn, "*2\r\n:1234\r\n$2\r\nvt\r\n");
}

static void fake_say_number(struct peer_conn *conn,
    const struct fake_command *command)
{
	fake_say(conn, fake_missing(command->words[1]) ? ":0\r\n" : ":1\r\n");
}

static void fake_answer(struct fake *fake, struct peer_conn *conn,
    const struct fake_command *command, bool in_multi)
{
	fake->commands++;
	if (command->count > fake->most_words)
		fake->most_words = command->count;
	if (fake->script != NULL && *fake->script != NULL) {
		fake_say(conn, *fake->script++);
		return;
	}
	if (fake->to_all != NULL) {
		fake_say(conn, fake->to_all);
		if (fake->errors > 0 && --fake->errors == 0)
			fake->to_all = NULL;
		return;
	}
	if (fake_is(command, "MULTI"))
		fake_say(conn, "+OK\r\n");
	else if (fake_is(command, "EXEC"))
		fake_say_exec(conn);
	else if (in_multi)
		fake_say(conn, "+QUEUED\r\n");
	else if (fake_is(command, "GET"))
		fake_say_value(conn, command->words[1]);
	else if (fake_is(command, "MGET"))
		fake_say_values(conn, command);
	else if (fake_is(command, "SCAN"))
		fake_say_names(fake, conn, command->words[1]);
	else if (fake_is(command, "SET") || fake_is(command, "MSET")) {
		fake->sets++;
		fake_say(conn,
		    fake_missing(command->words[1]) ? "$-1\r\n" : "+OK\r\n");
	} else if (fake_is(command, "PING"))
		fake_say(conn, "+PONG\r\n");
	else
		fake_say_number(conn, command);
}

/* What belongs to a handshake; false: it is something else. */
static bool fake_greet(struct fake *fake, struct peer_conn *conn,
    const struct fake_command *command)
{
	const char *text = NULL;

	if (fake_is(command, "AUTH"))
		text = fake->to_auth;
	else if (fake_is(command, "SELECT"))
		text = fake->to_select;
	else if (fake_is(command, "PING"))
		text = fake->to_ping;
	else if (!fake_is(command, "CLIENT"))
		return false;
	if (fake_is(command, "PING"))
		fake->ready = text == NULL;
	fake_say(conn, text != NULL ? text : "+OK\r\n");
	return true;
}

static size_t fake_respond(struct peer_conn *conn, const char *data,
    size_t size, void *arg)
{
	struct fake *fake = arg;
	struct fake_command command;
	size_t used = fake_read(data, size, &command);
	static bool in_multi;

	if (used == 0)
		return 0;
	/* The first PING of a connection ends its handshake. */
	if (peer_taken(conn) == size)
		in_multi = false;
	if (fake_is(&command, "MULTI"))
		in_multi = true;
	if (fake->greeted != fake->peer->accepted) {
		if (fake_greet(fake, conn, &command)) {
			if (fake->ready && fake_is(&command, "PING"))
				fake->greeted = fake->peer->accepted;
			return used;
		}
	}
	fake_answer(fake, conn, &command,
	    in_multi && !fake_is(&command, "MULTI"));
	if (fake_is(&command, "EXEC"))
		in_multi = false;
	return used;
}

/* ---- The scene ------------------------------------------------------- */

static void fake_log(enum evkv_log_level level, const char *message, void *arg)
{
	struct fake *fake = arg;
	size_t size = strlen(fake->log);

	snprintf(fake->log + size, sizeof(fake->log) - size, "%d %s\n",
	    (int)level, message);
}

void fake_begin(struct fake *fake)
{
	memset(fake, 0, sizeof(*fake));
	rig_open(&fake->rig);
	evkv_loop_set_log(fake->rig.loop, fake_log, fake);
	fake->peer = peer_open(fake->rig.base,
	    &(struct peer_options){ .respond = fake_respond, .arg = fake });
	fake->options.host = "127.0.0.1";
	fake->options.port = fake->peer->port;
}

void fake_store(struct fake *fake)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	fake->store = evkv_redis_new(fake->rig.loop, &fake->options, &error);
	check_str(error.message, "");
	check(fake->store != NULL);
}

void fake_until_ready(struct fake *fake)
{
	rig_until(&fake->rig,
	    evkv_store_state(fake->store) == EVKV_STATE_READY);
}

void fake_open(struct fake *fake)
{
	fake_begin(fake);
	fake_store(fake);
	fake_until_ready(fake);
}

void fake_close(struct fake *fake)
{
	struct answer closed = ANSWER_INIT;

	evkv_store_close(fake->store, 0, answer_cb, &closed);
	rig_wait(&fake->rig, &closed.calls);
	evkv_store_unref(fake->store);
	rig_turn(&fake->rig);
	peer_close(fake->peer);
	rig_close(&fake->rig);
	for (unsigned i = 0; i < FAKE_OPS; i++) {
		check(fake->answers[i].calls <= 1);
		answer_free(&fake->answers[i]);
	}
}

void fake_get(struct fake *fake, unsigned i)
{
	char key[16];

	snprintf(key, sizeof(key), "k%u", i);
	check(evkv_get(fake->store, EVKV_LIT("c"), evkv_str(key), answer_cb,
		  &fake->answers[i]) != 0);
}

void fake_put(struct fake *fake, unsigned i)
{
	char key[16];

	snprintf(key, sizeof(key), "k%u", i);
	check(evkv_put(fake->store, EVKV_LIT("c"), evkv_str(key),
		  EVKV_LIT("value"), 5000, answer_cb, &fake->answers[i]) != 0);
}

void fake_wait(struct fake *fake, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		rig_wait(&fake->rig, &fake->answers[i].calls);
}

void fake_check_done(const struct fake *fake, unsigned i)
{
	const struct answer *answer = &fake->answers[i];
	char expected[16];

	check_status(answer->status, EVKV_OK);
	snprintf(expected, sizeof(expected), "v-k%u", i);
	if (i % 2 == 0)
		check_bytes(answer->entries[0].bytes, evkv_str(expected));
}

void fake_check_recovered(struct fake *fake)
{
	struct answer again = ANSWER_INIT;

	fake->peer->plan.cut_in = fake->peer->plan.cut_out = PEER_NEVER;
	fake->to_all = NULL;
	/* What is sent before the end is seen would be cut off too. */
	if (fake->peer->cuts > 0)
		rig_until(&fake->rig,
		    evkv_store_state(fake->store) == EVKV_STATE_DOWN);
	evkv_get(fake->store, EVKV_LIT("c"), EVKV_LIT("again"), answer_cb,
	    &again);
	rig_advance(&fake->rig, 4000);
	rig_wait(&fake->rig, &again.calls);
	check_status(again.status, EVKV_OK);
	check_slice(again.entries[0].bytes, "v-again");
	answer_free(&again);
}
