/*
 * Writes numbered entries, durably, until it is killed, and reports each
 * acknowledgement on its standard output as four bytes.
 *
 *     crash_writer <url> <first number> <compact every n, 0 = never>
 *
 * CRASH_HEADER and CRASH_REGISTER are those of the store.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crash_entry.h"
#include "evkv/evkv.h"
#include CRASH_HEADER

#define OUTSTANDING 64

static struct evkv_store *store;
static uint32_t next_number;
static uint32_t compact_every;

static void report(uint32_t what)
{
	if (write(STDOUT_FILENO, &what, sizeof(what)) != sizeof(what))
		exit(EXIT_FAILURE);
}

static void must(const struct evkv_result *result)
{
	if (result->status == EVKV_OK)
		return;
	fprintf(stderr, "crash_writer: %s: %s\n",
	    evkv_status_name(result->status), result->message);
	exit(EXIT_FAILURE);
}

static void on_compact(const struct evkv_result *result, void *arg)
{
	(void)arg;
	must(result);
	report(CRASH_COMPACTED);
}

static void on_counter(const struct evkv_result *result, void *arg)
{
	must(result);
	report((uint32_t)(uintptr_t)arg | CRASH_COUNTER);
}

static void put_next(void);

static void on_put(const struct evkv_result *result, void *arg)
{
	uint32_t n = (uint32_t)(uintptr_t)arg;

	must(result);
	report(n);
	if (n % 16 == 0)
		evkv_put(store, CRASH_COLLECTION, EVKV_LIT("counter"),
		    evkv_bytes(&n, sizeof(n)), EVKV_TTL_NONE, on_counter, arg);
	if (compact_every != 0 && n % compact_every == 0)
		evkv_compact(store, on_compact, NULL);
	put_next();
}

static void put_next(void)
{
	static char key[CRASH_KEY_MAX], value[CRASH_VALUE_MAX];
	uint32_t n = next_number++;

	evkv_put(store, CRASH_COLLECTION, crash_key(n, key),
	    crash_value(n, value), crash_ttl_ms(n), on_put,
	    (void *)(uintptr_t)n);
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_error error = EVKV_ERROR_INIT;
	int i;

	if (argc != 4)
		return EXIT_FAILURE;
	CRASH_REGISTER(loop);
	store = evkv_open(loop, argv[1], &error);
	if (store == NULL) {
		fprintf(stderr, "crash_writer: %s\n", error.message);
		return EXIT_FAILURE;
	}
	next_number = (uint32_t)strtoul(argv[2], NULL, 10);
	compact_every = (uint32_t)strtoul(argv[3], NULL, 10);
	for (i = 0; i < OUTSTANDING; i++)
		put_next();
	event_base_dispatch(base);
	return EXIT_FAILURE;
}
