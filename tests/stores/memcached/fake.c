#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_WORDS 16

/* A line, as words; of an ms the value, too. */
struct fake_command {
	char line[512];
	char *words[FAKE_WORDS];
	size_t count;
};

/* ---- Reading requests ------------------------------------------------- */

/* How many bytes the request takes; 0 = it is not there yet. */
static size_t fake_read(const char *data, size_t size,
    struct fake_command *command)
{
	const char *end = memchr(data, '\n', size);
	size_t used, value = 0;
	char *save = NULL, *word;

	if (end == NULL)
		return 0;
	used = (size_t)(end + 1 - data);
	check(used < sizeof(command->line) && used >= 2 && end[-1] == '\r');
	memcpy(command->line, data, used - 2);
	command->line[used - 2] = '\0';
	command->count = 0;
	for (word = strtok_r(command->line, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save)) {
		check(command->count < FAKE_WORDS);
		command->words[command->count++] = word;
	}
	if (strcmp(command->words[0], "ms") == 0)
		value = strtoul(command->words[2], NULL, 10) + 2;
	else if (strcmp(command->words[0], "set") == 0)
		value = strtoul(command->words[4], NULL, 10) + 2;
	return size - used < value ? 0 : used + value;
}

static bool fake_is(const struct fake_command *command, const char *name)
{
	return strcmp(command->words[0], name) == 0;
}

/* The argument of a flag, or NULL. */
static const char *fake_flag(const struct fake_command *command, char flag)
{
	for (size_t i = 2; i < command->count; i++) {
		if (command->words[i][0] == flag)
			return command->words[i] + 1;
	}
	return NULL;
}

/* ---- Answering -------------------------------------------------------- */

static void fake_say(struct peer_conn *conn, const char *text)
{
	peer_say(conn, text, strlen(text));
}

static bool fake_missing(const struct fake_command *command)
{
	return strstr(command->words[1], ":no") != NULL &&
	    strstr(command->words[1], ":number") == NULL;
}

/* `code`, and the request's opaque. */
static void fake_say_code(struct fake *fake, struct peer_conn *conn,
    const struct fake_command *command, const char *code)
{
	const char *opaque = fake_flag(command, 'O');
	char text[128];

	check(opaque != NULL);
	if (fake->legacy && strcmp(code, "HD") != 0)
		snprintf(text, sizeof(text), "%s\r\n", code);
	else
		snprintf(text, sizeof(text), "%s c77 O%s\r\n", code, opaque);
	fake_say(conn, text);
}

/* The value of `c:k7` is `v-k7`. */
static void fake_say_value(struct fake *fake, struct peer_conn *conn,
    const struct fake_command *command)
{
	const char *key = strchr(command->words[1], ':') + 1;
	char value[64], text[256];

	if (strcmp(key, "number") == 0)
		snprintf(value, sizeof(value), "%s", fake->number);
	else
		snprintf(value, sizeof(value), "v-%s", key);
	snprintf(text, sizeof(text), "VA %zu t9 c77 O%s\r\n%s\r\n",
	    strlen(value), fake_flag(command, 'O'), value);
	fake_say(conn, text);
}

static void fake_answer(struct fake *fake, struct peer_conn *conn,
    const struct fake_command *command)
{
	const char *mode = fake_flag(command, 'M');

	fake->commands++;
	if (fake_is(command, "ms"))
		fake->sets++;
	if (fake->to_next != NULL) {
		fake_say(conn, fake->to_next);
		fake->to_next = NULL;
	} else if (fake->to_all != NULL) {
		fake_say(conn, fake->to_all);
	} else if (fake_is(command, "mn")) {
		fake_say(conn, "MN\r\n");
	} else if (fake_is(command, "mg")) {
		if (fake_missing(command))
			fake_say_code(fake, conn, command, "EN");
		else if (fake_flag(command, 'v') == NULL)
			fake_say_code(fake, conn, command, "HD");
		else
			fake_say_value(fake, conn, command);
	} else if (fake->to_change != NULL && fake_flag(command, 'C') != NULL) {
		fake_say(conn, fake->to_change);
	} else if (fake->changes > 0 && fake_flag(command, 'C') != NULL) {
		fake->changes--;
		fake_say_code(fake, conn, command, "EX");
	} else if (fake_is(command, "md")) {
		fake_say_code(fake, conn, command,
		    fake_missing(command) ? "NF" : "HD");
	} else {
		/* Those that begin with `no` are missing, others are there. */
		bool stored = mode == NULL ||
		    (*mode == 'E') == fake_missing(command);

		fake_say_code(fake, conn, command, stored ? "HD" : "NS");
	}
}

/* What belongs to a handshake; false: it is something else. */
static bool fake_greet(struct fake *fake, struct peer_conn *conn,
    const struct fake_command *command)
{
	static const char stats[] = "STAT pid 7\r\nSTAT uptime 10\r\n"
				    "STAT time 1800000000\r\nEND\r\n";

	if (fake_is(command, "set"))
		fake_say(conn,
		    fake->to_login != NULL ? fake->to_login : "STORED\r\n");
	else if (fake_is(command, "version"))
		fake_say(conn,
		    fake->to_version != NULL ? fake->to_version
					     : "VERSION 1.6.18\r\n");
	else if (!fake_is(command, "stats"))
		return false;
	else if (fake->to_stats != NULL)
		fake_say(conn, fake->to_stats);
	else if (command->count == 1)
		fake_say(conn, stats);
	else
		fake_say(conn, "STAT item_size_max 20000\r\nEND\r\n");
	return true;
}

static size_t fake_respond(struct peer_conn *conn, const char *data,
    size_t size, void *arg)
{
	struct fake_command command;
	struct fake *fake = arg;
	size_t used = fake_read(data, size, &command);

	if (used > 0 && !fake_greet(fake, conn, &command))
		fake_answer(fake, conn, &command);
	return used;
}

/* ---- The scene -------------------------------------------------------- */

void fake_begin(struct fake *fake)
{
	memset(fake, 0, sizeof(*fake));
	rig_open(&fake->rig);
	fake->peer = peer_open(fake->rig.base,
	    &(struct peer_options){ .respond = fake_respond, .arg = fake });
	fake->number = "5";
	fake->where.host = "127.0.0.1";
	fake->where.port = fake->peer->port;
	fake->options.servers = &fake->where;
	fake->options.server_count = 1;
}

void fake_store(struct fake *fake)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	fake->store = evkv_memcached_new(fake->rig.loop, &fake->options,
	    &error);
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
	fake->to_all = fake->to_next = NULL;
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
