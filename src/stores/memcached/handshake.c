/*
 * The handshake of a connection.
 *
 * When the transport is up all goes out at once: a login where a password is
 * given, then `version`, which must be 1.6 or newer, `stats`, for the server's
 * clock and identity, and `stats settings`, for the size of items. The last
 * line makes the connection ready. A server may refuse to tell statistics; it
 * may not refuse the login or be too old.
 *
 * The login is a `set` of "user password". At a server that asks for none it
 * would be an entry, so it has a TTL that is over.
 */
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

#define HANDSHAKE_WORDS 160

/* ---- Asking ----------------------------------------------------------- */

static bool greeting_encode(struct memcached_connection *connection,
    struct memcached_part *part)
{
	const struct evkv_memcached_options *options = &connection->store
							    ->options;
	struct evkv_slice user = evkv_str(options->user);
	struct evkv_slice password = evkv_str(options->password);
	char *room = evkv_pipeline_reserve(connection->pipeline,
	    HANDSHAKE_WORDS + user.size + password.size);
	char *at = room;

	if (room == NULL)
		return false;
	part->asked = 1;
	if (options->password != NULL) {
		at = wire_raw(at, "set login 0 -1 ", 15);
		at = decimal_write(at, user.size + 1 + password.size);
		at = wire_raw(at, "\r\n", 2);
		at = wire_raw(at, user.data, user.size);
		*at++ = ' ';
		at = wire_raw(at, password.data, password.size);
		at = wire_raw(at, "\r\n", 2);
	}
	at = wire_raw(at, "version\r\nstats\r\nstats settings\r\n", 32);
	evkv_pipeline_commit(connection->pipeline, (size_t)(at - room));
	return true;
}

const struct memcached_command evkv__memcached_greeting = {
	.encode = greeting_encode,
};

void evkv__memcached_handshake(struct memcached_connection *connection)
{
	struct memcached_part *greeting = &connection->greeting;
	const struct evkv_slot_end *why;

	connection->step = connection->store->options.password != NULL
	    ? MEMCACHED_GREETING_LOGIN
	    : MEMCACHED_GREETING_VERSION;
	connection->time_s = 0;
	connection->started_s = 0;
	connection->pid = 0;
	connection->max_item = 0;
	memset(greeting, 0, sizeof(*greeting));
	greeting->base.slot.flags = EVKV_SLOT_HANDSHAKE | EVKV_SLOT_KEPT;
	greeting->command = &evkv__memcached_greeting;
	greeting->connection = connection;
	why = evkv_pipeline_submit(connection->pipeline, &greeting->base.slot);
	if (why != NULL)
		evkv_pipeline_fail(connection->pipeline, why->status,
		    why->cause, why->sys_error, why->message);
}

/* ---- Refusals --------------------------------------------------------- */

static bool line_holds(struct evkv_slice line, const char *word)
{
	return memmem(line.data, line.size, word, strlen(word)) != NULL;
}

static bool fail_words(struct memcached_connection *connection,
    enum evkv_status status, enum evkv_cause cause, const char *ours,
    struct evkv_slice line)
{
	struct evkv_slice password = evkv_str(connection->store->options
						  .password);
	char message[HANDSHAKE_WORDS + 80];
	int size = line.size < HANDSHAKE_WORDS ? (int)line.size
					       : HANDSHAKE_WORDS;

	/* What is no memcached may quote what it has been sent. */
	if (password.size > 0 &&
	    memmem(line.data, line.size, password.data, password.size) != NULL)
		size = 0;
	snprintf(message, sizeof(message), "%s%.*s", ours, size,
	    (const char *)line.data);
	return evkv__memcached_connection_fail(connection, status, cause,
	    message);
}

bool evkv__memcached_refused(struct memcached_connection *connection,
    struct evkv_slice line)
{
	if (line_holds(line, "authent"))
		return fail_words(connection, EVKV_REFUSED, EVKV_CAUSE_AUTH, "",
		    line);
	if (line_holds(line, "Too many open connections"))
		return fail_words(connection, EVKV_UNAVAILABLE,
		    EVKV_CAUSE_SERVER, "", line);
	return fail_words(connection, EVKV_SERVER, EVKV_CAUSE_SERVER, "", line);
}

static bool greeting_foreign(struct memcached_connection *connection,
    struct evkv_slice line)
{
	if (evkv__memcached_line_is(line, "ERROR") ||
	    evkv__memcached_line_is(line, "CLIENT_ERROR") ||
	    evkv__memcached_line_is(line, "SERVER_ERROR"))
		return evkv__memcached_refused(connection, line);
	return fail_words(connection, EVKV_CORRUPT, EVKV_CAUSE_PROTOCOL,
	    "this is no memcached: ", line);
}

/* ---- Answers ---------------------------------------------------------- */

/* VERSION 1.6.18 */
static bool greeting_version(struct memcached_connection *connection,
    struct evkv_slice line)
{
	unsigned major = 0, minor = 0;
	char text[32];

	if (!evkv__memcached_line_is(line, "VERSION"))
		return greeting_foreign(connection, line);
	snprintf(text, sizeof(text), "%.*s",
	    line.size < sizeof(text) ? (int)line.size : 31,
	    (const char *)line.data);
	if (sscanf(text, "VERSION %3u.%3u", &major, &minor) == 2 &&
	    (major > 1 || (major == 1 && minor >= 6)))
		return true;
	return fail_words(connection, EVKV_REFUSED, EVKV_CAUSE_SERVER,
	    "memcached 1.6 or newer is needed, for the meta protocol; this "
	    "is ",
	    line);
}

/* The number of "STAT name number"; 0 where it is another's. */
static uint64_t stat_number(const char *text, const char *name)
{
	size_t size = strlen(name);

	if (strncmp(text, "STAT ", 5) != 0 ||
	    strncmp(text + 5, name, size) != 0 || text[5 + size] != ' ')
		return 0;
	return strtoull(text + 6 + size, NULL, 10);
}

static void greeting_stat(struct memcached_connection *connection,
    struct evkv_slice line)
{
	uint64_t number;
	char text[64];

	if (line.size >= sizeof(text))
		return;
	snprintf(text, sizeof(text), "%.*s", (int)line.size,
	    (const char *)line.data);
	if ((number = stat_number(text, "pid")) != 0)
		connection->pid = number;
	if ((number = stat_number(text, "uptime")) != 0)
		connection->started_s -= (int64_t)number;
	if ((number = stat_number(text, "time")) != 0) {
		connection->started_s += (int64_t)number;
		connection->time_s = (int64_t)number;
		connection->when_us = evkv_loop_now_us(connection->store->loop);
	}
	if ((number = stat_number(text, "item_size_max")) != 0)
		connection->max_item = (size_t)number;
}

/* Statistics, line by line, or an error instead of them. */
static bool greeting_stats(struct memcached_connection *connection,
    struct evkv_slice line)
{
	if (evkv__memcached_line_is(line, "STAT"))
		greeting_stat(connection, line);
	else if (evkv__memcached_line_is(line, "END") ||
	    evkv__memcached_line_is(line, "ERROR") ||
	    evkv__memcached_line_is(line, "SERVER_ERROR"))
		connection->step++;
	else
		return greeting_foreign(connection, line);
	return true;
}

bool evkv__memcached_greeted(struct memcached_connection *connection,
    struct evkv_slice line)
{
	switch (connection->step) {
	case MEMCACHED_GREETING_LOGIN:
		if (!evkv__memcached_line_is(line, "STORED"))
			return greeting_foreign(connection, line);
		connection->step++;
		break;
	case MEMCACHED_GREETING_VERSION:
		if (!greeting_version(connection, line))
			return false;
		connection->step++;
		break;
	default:
		if (!greeting_stats(connection, line))
			return false;
		break;
	}
	if (connection->step == MEMCACHED_GREETING_DONE)
		connection->greeting.answered = 1;
	return true;
}
