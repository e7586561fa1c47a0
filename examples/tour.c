/*
 * tour.c - what `make run` runs: one event loop works a chain of stores.
 *
 *     tour [directory]
 *
 *     prefix_keys -> passthrough_cache -> primary
 *                          |
 *                        memory
 *
 * The primary is a disk store in the directory, where one is given and the
 * disk store was built, else a memory store. Each step prints one line. The
 * exit status is 0 only if everything was as it should be.
 *
 *     $ tour
 *     chain      prefix_keys("tour:") -> passthrough_cache(memory) -> memory
 *     ...
 *     put        users/ada = "Lovelace": OK
 *     get        users/ada: "Lovelace"
 *     hit        users/ada again, while the primary sleeps: OK, from the cache
 *     ...
 *     deadline   users/edsger within 20 ms, while the primary sleeps: TIMEOUT
 *     ...
 *     all as it should be
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "evkv/evkv.h"
#ifdef TOUR_HAS_DISK
#include "evkv/stores/disk.h"
#endif
#include "slow_store.h"

#define TOUR_SESSIONS 10 /* entries that are enumerated, page by page */
#define TOUR_PAGE 4

struct tour {
	struct event_base *base;
	struct evkv_loop *loop;
	struct evkv_store *store; /* the outermost of the chain */
	struct event *timer;
	int64_t primary_delay_ms; /* how late the primary answers */
	bool persistent;          /* the primary keeps what a run has written */
	size_t step;              /* the next of tour_steps */
	int wrong;     /* how many things were not as they should be */
	unsigned seen; /* bits of the sessions that pages have named */
	int page;
};

static void tour_next(struct tour *tour);

/* Print one line, marked where it is not as it should be, and go on. */
static void tour_line(struct tour *tour, bool as_it_should, const char *what,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
static void tour_line(struct tour *tour, bool as_it_should, const char *what,
    const char *format, ...)
{
	va_list args;

	printf("%-10s ", what);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("%s\n", as_it_should ? "" : "   <- NOT AS IT SHOULD BE");
	if (!as_it_should)
		tour->wrong++;
}

/* A step ends with that status, and nothing else is to be said of it. */
static void tour_end(struct tour *tour, const struct evkv_result *result,
    enum evkv_status expected, const char *what, const char *text)
{
	tour_line(tour, result->status == expected, what, "%s: %s", text,
	    evkv_status_name(result->status));
	tour_next(tour);
}

/* For printf's "%.*s". */
#define TOUR_TEXT(slice) (int)(slice).size, (const char *)(slice).data

static bool tour_is(const struct evkv_result *result, size_t i,
    const char *text)
{
	return i < result->count &&
	    evkv_result_entry(result, i)->status == EVKV_OK &&
	    evkv_slice_equal(evkv_result_entry(result, i)->bytes,
		evkv_str(text));
}

/* ---- Is there something from an earlier run? --------------------------- */

static void tour_counted(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;

	if (result->status != EVKV_OK)
		tour_line(tour, false, "runs", "could not be counted: %s",
		    result->message);
	tour_next(tour);
}

static void tour_on_runs(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;
	long runs = 0;
	char text[32] = "";

	if (result->status == EVKV_OK) {
		struct evkv_slice bytes = evkv_result_entry(result, 0)->bytes;

		snprintf(text, sizeof(text), "%.*s", TOUR_TEXT(bytes));
		runs = strtol(text, NULL, 10);
	}
	if (result->status == EVKV_OK)
		tour_line(tour, tour->persistent && runs > 0, "runs",
		    "this store remembers %ld earlier run%s", runs,
		    runs == 1 ? "" : "s");
	else
		tour_line(tour, result->status == EVKV_NOT_FOUND, "runs",
		    "this store is new to the tour%s",
		    tour->persistent ? "; run it again to be remembered" : "");
	snprintf(text, sizeof(text), "%ld", runs + 1);
	evkv_put(tour->store, EVKV_LIT("tour"), EVKV_LIT("runs"),
	    evkv_str(text), EVKV_TTL_NONE, tour_counted, tour);
}

static void tour_runs(struct tour *tour)
{
	evkv_get(tour->store, EVKV_LIT("tour"), EVKV_LIT("runs"), tour_on_runs,
	    tour);
}

static void tour_on_clear(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;

	tour_line(tour, result->status == EVKV_OK, "clear",
	    "users: what an earlier run may have left is gone");
	tour_next(tour);
}

static void tour_clear(struct tour *tour)
{
	evkv_clear(tour->store, EVKV_LIT("users"), EVKV_LIT(""), tour_on_clear,
	    tour);
}

/* ---- One entry --------------------------------------------------------- */

static void tour_on_put(const struct evkv_result *result, void *arg)
{
	tour_end(arg, result, EVKV_OK, "put", "users/ada = \"Lovelace\"");
}

static void tour_put(struct tour *tour)
{
	evkv_put(tour->store, EVKV_LIT("users"), EVKV_LIT("ada"),
	    EVKV_LIT("Lovelace"), EVKV_TTL_NONE, tour_on_put, tour);
}

static void tour_on_get(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;

	if (result->status == EVKV_OK)
		tour_line(tour, tour_is(result, 0, "Lovelace"), "get",
		    "users/ada: \"%.*s\"",
		    TOUR_TEXT(evkv_result_entry(result, 0)->bytes));
	else
		tour_line(tour, false, "get", "users/ada: %s", result->message);
	tour_next(tour);
}

static void tour_get(struct tour *tour)
{
	evkv_get(tour->store, EVKV_LIT("users"), EVKV_LIT("ada"), tour_on_get,
	    tour);
}

/* A get with a deadline of its own. */
static void tour_get_within(struct tour *tour, struct evkv_slice key,
    int64_t timeout_ms, evkv_cb cb)
{
	evkv_submit(tour->store,
	    &(struct evkv_request){
		.kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("users"),
		.count = 1,
		.keys = &key,
		.timeout_ms = timeout_ms,
	    },
	    cb, tour);
}

/* The primary now takes a minute: only the cache can answer in time. */
static void tour_on_hit(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;

	tour->primary_delay_ms = 0;
	tour_line(tour, tour_is(result, 0, "Lovelace"), "hit",
	    "users/ada again, while the primary sleeps: %s, from the cache",
	    evkv_status_name(result->status));
	tour_next(tour);
}

static void tour_hit(struct tour *tour)
{
	tour->primary_delay_ms = 60000;
	tour_get_within(tour, EVKV_LIT("ada"), 2000, tour_on_hit);
}

static void tour_on_absent(const struct evkv_result *result, void *arg)
{
	tour_end(arg, result, EVKV_EXISTS, "if absent", "users/ada = \"King\"");
}

static void tour_absent(struct tour *tour)
{
	evkv_put_if_absent(tour->store, EVKV_LIT("users"), EVKV_LIT("ada"),
	    EVKV_LIT("King"), EVKV_TTL_NONE, tour_on_absent, tour);
}

static void tour_on_miss(const struct evkv_result *result, void *arg)
{
	tour_end(arg, result, EVKV_NOT_FOUND, "miss", "users/nobody");
}

static void tour_miss(struct tour *tour)
{
	evkv_get(tour->store, EVKV_LIT("users"), EVKV_LIT("nobody"),
	    tour_on_miss, tour);
}

static void tour_on_empty(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;

	tour_line(tour, result->status == EVKV_INVALID, "bad key",
	    "users/(empty): %s, %s", evkv_status_name(result->status),
	    result->message);
	tour_next(tour);
}

static void tour_empty(struct tour *tour)
{
	evkv_get(tour->store, EVKV_LIT("users"), EVKV_LIT(""), tour_on_empty,
	    tour);
}

/* ---- Batches ----------------------------------------------------------- */

static void tour_on_put_many(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;

	tour_line(tour, result->status == EVKV_OK && result->count == 2,
	    "put many", "users/grace, users/edsger: %s",
	    evkv_status_name(result->status));
	tour_next(tour);
}

static void tour_put_many(struct tour *tour)
{
	const struct evkv_slice keys[] = {
		EVKV_LIT("grace"),
		EVKV_LIT("edsger"),
	};
	const struct evkv_slice values[] = {
		EVKV_LIT("Hopper"),
		EVKV_LIT("Dijkstra"),
	};

	evkv_put_many(tour->store, EVKV_LIT("users"), keys, values, 2,
	    EVKV_TTL_NONE, tour_on_put_many, tour);
}

static void tour_on_get_many(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;
	bool right = result->count == 3 && tour_is(result, 0, "Hopper") &&
	    evkv_result_entry(result, 1)->status == EVKV_NOT_FOUND &&
	    tour_is(result, 2, "Lovelace");

	if (right)
		tour_line(tour, true, "get many",
		    "users/grace, nobody, ada: \"%.*s\", %s, \"%.*s\"",
		    TOUR_TEXT(evkv_result_entry(result, 0)->bytes),
		    evkv_status_name(evkv_result_entry(result, 1)->status),
		    TOUR_TEXT(evkv_result_entry(result, 2)->bytes));
	else
		tour_line(tour, false, "get many", "%s", result->message);
	tour_next(tour);
}

static void tour_get_many(struct tour *tour)
{
	const struct evkv_slice keys[] = {
		EVKV_LIT("grace"),
		EVKV_LIT("nobody"),
		EVKV_LIT("ada"),
	};

	evkv_get_many(tour->store, EVKV_LIT("users"), keys, 3, tour_on_get_many,
	    tour);
}

/* ---- Expiry ------------------------------------------------------------ */

static void tour_on_expired(const struct evkv_result *result, void *arg)
{
	tour_end(arg, result, EVKV_NOT_FOUND, "expired",
	    "users/guest, 300 ms later");
}

static void tour_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct tour *tour = arg;

	(void)fd;
	(void)what;
	evkv_get(tour->store, EVKV_LIT("users"), EVKV_LIT("guest"),
	    tour_on_expired, tour);
}

static void tour_on_ttl(const struct evkv_result *result, void *arg)
{
	static const struct timeval later = { .tv_usec = 300 * 1000 };
	struct tour *tour = arg;
	int64_t ttl_ms = result->count == 1
	    ? evkv_result_entry(result, 0)->ttl_ms
	    : -1;

	tour_line(tour,
	    result->status == EVKV_OK && ttl_ms >= 1 && ttl_ms <= 200, "ttl",
	    "users/guest lives for %" PRId64 " ms more", ttl_ms);
	if (evtimer_add(tour->timer, &later) != 0) {
		tour_line(tour, false, "timer", "could not be set");
		tour_next(tour);
	}
}

static void tour_expiry(struct tour *tour)
{
	evkv_put(tour->store, EVKV_LIT("users"), EVKV_LIT("guest"),
	    EVKV_LIT("a guest"), 200, NULL, NULL);
	evkv_ttl(tour->store, EVKV_LIT("users"), EVKV_LIT("guest"), tour_on_ttl,
	    tour);
}

/* ---- Enumeration ------------------------------------------------------- */

static void tour_on_page(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;
	char names[256] = "";
	size_t length = 0;

	for (size_t i = 0; i < result->count; i++) {
		struct evkv_slice name = evkv_result_entry(result, i)->name;
		char number[8] = "";

		length += (size_t)snprintf(names + length,
		    sizeof(names) - length, " %.*s", TOUR_TEXT(name));
		if (length >= sizeof(names))
			break;
		if (name.size == 3)
			memcpy(number, (const char *)name.data + 1, 2);
		tour->seen |= 1u << (strtoul(number, NULL, 10) & 31);
	}
	tour_line(tour, result->status == EVKV_OK && length < sizeof(names),
	    "keys", "sessions/s*, page %d:%s", ++tour->page, names);
	if (result->status == EVKV_OK && result->cursor.size > 0) {
		evkv_keys(tour->store, EVKV_LIT("sessions"), EVKV_LIT("s*"),
		    result->cursor, TOUR_PAGE, tour_on_page, tour);
		return;
	}
	tour_line(tour, tour->seen == (1u << TOUR_SESSIONS) - 1, "keys",
	    "all %d sessions were on those pages", TOUR_SESSIONS);
	tour_next(tour);
}

static void tour_on_sessions(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;

	tour_line(tour, result->status == EVKV_OK, "put many",
	    "sessions/s00 to s09, for a minute: %s",
	    evkv_status_name(result->status));
	evkv_keys(tour->store, EVKV_LIT("sessions"), EVKV_LIT("s*"),
	    EVKV_LIT(""), TOUR_PAGE, tour_on_page, tour);
}

static void tour_enumerate(struct tour *tour)
{
	char names[TOUR_SESSIONS][16];
	struct evkv_slice keys[TOUR_SESSIONS], values[TOUR_SESSIONS];

	for (unsigned i = 0; i < TOUR_SESSIONS; i++) {
		snprintf(names[i], sizeof(names[i]), "s%02u", i);
		keys[i] = evkv_str(names[i]);
		values[i] = EVKV_LIT("a session");
	}
	evkv_put_many(tour->store, EVKV_LIT("sessions"), keys, values,
	    TOUR_SESSIONS, 60000, tour_on_sessions, tour);
}

/* ---- Giving up --------------------------------------------------------- */

static void tour_on_canceled(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;

	tour->primary_delay_ms = 0;
	tour_end(tour, result, EVKV_CANCELED, "cancel",
	    "users/edsger, while the primary sleeps");
}

static void tour_cancel(struct tour *tour)
{
	evkv_ticket ticket;

	tour->primary_delay_ms = 100;
	ticket = evkv_get(tour->store, EVKV_LIT("users"), EVKV_LIT("edsger"),
	    tour_on_canceled, tour);
	evkv_cancel(tour->loop, ticket);
}

static void tour_on_deadline(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;

	tour->primary_delay_ms = 0;
	tour_end(tour, result, EVKV_TIMEOUT, "deadline",
	    "users/edsger within 20 ms, while the primary sleeps");
}

static void tour_deadline(struct tour *tour)
{
	tour->primary_delay_ms = 200;
	tour_get_within(tour, EVKV_LIT("edsger"), 20, tour_on_deadline);
}

/* ---- The end ----------------------------------------------------------- */

static void tour_on_delete(const struct evkv_result *result, void *arg)
{
	struct tour *tour = arg;

	tour_line(tour, result->status == EVKV_OK && result->affected == 1,
	    "delete", "users/grace: %s, %" PRId64 " entry removed",
	    evkv_status_name(result->status), result->affected);
	tour_next(tour);
}

static void tour_delete(struct tour *tour)
{
	evkv_delete(tour->store, EVKV_LIT("users"), EVKV_LIT("grace"),
	    tour_on_delete, tour);
}

static void tour_on_closed(const struct evkv_result *result, void *arg)
{
	tour_end(arg, result, EVKV_OK, "close", "drained");
}

static void tour_close(struct tour *tour)
{
	evkv_store_close(tour->store, 5000, tour_on_closed, tour);
}

static void (*const tour_steps[])(struct tour *tour) = {
	tour_runs,
	tour_clear,
	tour_put,
	tour_get,
	tour_hit,
	tour_absent,
	tour_miss,
	tour_empty,
	tour_put_many,
	tour_get_many,
	tour_expiry,
	tour_enumerate,
	tour_cancel,
	tour_deadline,
	tour_delete,
	tour_close,
};
#define TOUR_STEPS (sizeof(tour_steps) / sizeof(tour_steps[0]))

static void tour_next(struct tour *tour)
{
	if (tour->step < TOUR_STEPS)
		tour_steps[tour->step++](tour);
	else
		tour->step = TOUR_STEPS + 1;
}

/* The chain, from the inside out; NULL and a filled error where it fails. */
static struct evkv_store *tour_chain(struct tour *tour, const char *directory,
    struct evkv_error *error)
{
	struct evkv_store *store;

#ifdef TOUR_HAS_DISK
	if (directory != NULL) {
		tour->persistent = true;
		store = evkv_disk_new(tour->loop,
		    &(struct evkv_disk_options){
			.path = directory, .max_bytes = (size_t)1 << 30 },
		    error);
	} else
#endif
		store = evkv_memory_new(tour->loop, NULL, error);
	(void)directory;
	printf(
	    "%-10s prefix_keys(\"tour:\") -> passthrough_cache(memory) -> %s\n",
	    "chain", store != NULL ? evkv_store_name(store) : "?");

	store = slow_store_new(store, &tour->primary_delay_ms, error);
	store = evkv_passthrough_cache_new(store,
	    evkv_memory_new(tour->loop,
		&(struct evkv_memory_options){ .max_entries = 1000 }, error),
	    NULL, error);
	return evkv_prefix_keys_new(store, EVKV_LIT("tour:"), error);
}

int main(int argc, char **argv)
{
	struct tour tour = { .base = event_base_new() };
	struct evkv_error error = EVKV_ERROR_INIT;

	if (tour.base != NULL)
		tour.loop = evkv_loop_new(tour.base);
	if (tour.loop != NULL)
		tour.timer = evtimer_new(tour.base, tour_on_timer, &tour);
	if (tour.timer == NULL) {
		fprintf(stderr, "tour: no memory for an event loop\n");
		return EXIT_FAILURE;
	}
	tour.store = tour_chain(&tour, argc > 1 ? argv[1] : NULL, &error);
	if (tour.store == NULL) {
		fprintf(stderr, "tour: %s\n", error.message);
		tour.wrong++;
	} else {
		tour_next(&tour);
		event_base_dispatch(tour.base);
		if (tour.step != TOUR_STEPS + 1)
			tour_line(&tour, false, "end", "a callback is missing");
	}
	evkv_store_unref(tour.store);
	event_free(tour.timer);
	evkv_loop_free(tour.loop);
	event_base_free(tour.base);
	printf("%s\n",
	    tour.wrong == 0 ? "all as it should be"
			    : "something was not as it should be");
	return tour.wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
