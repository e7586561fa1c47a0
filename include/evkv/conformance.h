/**
 * @file
 * What every store promises, as a program that checks it.
 *
 *     static struct evkv_store *open_mine(struct evkv_conformance *run,
 *         struct evkv_loop *loop, struct evkv_error *error)
 *     {
 *         return mine_new(evkv_conformance_delay(run,
 *             evkv_memory_new(loop, NULL, error), error), error);
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         return evkv_conformance_main(argc, argv,
 *             &(struct evkv_conformance_suite){
 *                 .size = sizeof(struct evkv_conformance_suite),
 *                 .name = "mine", .open = open_mine });
 *     }
 *
 * For authors of stores and wrappers; a library of its own,
 * libevkv-conformance.
 * The program writes TAP (Test Anything Protocol) and takes options, see
 * evkv_conformance_main().
 *
 * A case learns from the store's capabilities and the suite's quirks what
 * applies to it. What a store does not claim it must answer with UNSUPPORTED,
 * and what it claims it must do.
 */
#ifndef EVKV_CONFORMANCE_H
#define EVKV_CONFORMANCE_H

#include "evkv/error.h"
#include "evkv/loop.h"
#include "evkv/request.h"
#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** One run of one case. Passed to every function of a suite. */
struct evkv_conformance;

/** What is special about a store and can't be learned from its capabilities. */
enum evkv_conformance_quirk {
	/** Keeps nothing: puts succeed and every look-up misses. */
	EVKV_CONFORMANCE_FORGETS = 1 << 0,
	/** What was put is there when the store is opened again in one run. */
	EVKV_CONFORMANCE_PERSISTS = 1 << 1,
	/** Each operation is costly: fewer and smaller rounds. */
	EVKV_CONFORMANCE_SLOW = 1 << 2,
	/**
	 * Time is the system's (a server's): TTLs are waited for, and the loop
	 * has the system's clock. Otherwise the clock is injected.
	 */
	EVKV_CONFORMANCE_REAL_TIME = 1 << 3,
	/** Has so low a bound that it may evict or refuse: no large sets. */
	EVKV_CONFORMANCE_SMALL = 1 << 4,
	/** The loop needs the system's clock, though TTLs need no waiting. */
	EVKV_CONFORMANCE_REAL_LOOP = 1 << 5,
};

/**
 * A case whose expectations the purpose of a wrapper changes: read_only refuses
 * puts, a default value answers look-ups of what is not there.
 *
 * The case is run as it is written. It must not pass, and an operation of
 * `kind` in it must have been answered with `status`; so an exception that is
 * no longer true fails. With `skipped` the case is not run at all.
 */
struct evkv_conformance_exception {
	/** The name of the case, as --list prints it; NULL ends the list. */
	const char *name;
	/** Why, in a few words; written into the TAP output. May be NULL. */
	const char *reason;
	/** Whether the case is left out instead of run. */
	bool skipped;
	/** The kind of the operation that is answered otherwise. */
	enum evkv_kind kind;
	/** What it is answered with. */
	enum evkv_status status;
};

/** How to make the store, and what to expect of it. */
struct evkv_conformance_suite {
	/** sizeof(struct evkv_conformance_suite). */
	size_t size;
	/** Named in what is printed. Not NULL. */
	const char *name;
	/**
	 * Make the store on `loop`, empty unless it is opened again in the same
	 * run. NULL with a filled error fails the case, but for NOMEM while
	 * allocations are being refused. The reference is the suite's. A
	 * wrapper has its inner stores passed through
	 * evkv_conformance_delay(). Not NULL.
	 */
	struct evkv_store *(*open)(struct evkv_conformance *run,
	    struct evkv_loop *loop, struct evkv_error *error);
	/**
	 * Before the loop is made: folders, servers. May call
	 * evkv_conformance_skip(), and evkv_conformance_set_data(). NULL =
	 * nothing.
	 */
	void (*setup)(struct evkv_conformance *run);
	/** After the loop is gone, also where a case failed. NULL = nothing. */
	void (*teardown)(struct evkv_conformance *run);
	/** For open, setup and teardown: evkv_conformance_arg(). */
	void *arg;
	/** EVKV_CONFORMANCE_* of enum evkv_conformance_quirk. */
	uint32_t quirks;
	/**
	 * REAL_TIME: what cases take as one unit of time, in milliseconds; 0 =
	 * 200. A TTL of one unit is waited for.
	 */
	int64_t unit_ms;
	/**
	 * REAL_TIME: by how much a remaining TTL may be less than reckoned, in
	 * milliseconds; 0 = 2000.
	 */
	int64_t slack_ms;
	/** Ended by a row whose name is NULL. NULL = none. */
	const struct evkv_conformance_exception *exceptions;
};

/**
 * Run the suite and write TAP to the standard output.
 *
 * Sets evkv's allocator, so it comes before any other call of evkv. Options:
 *
 *     --cases        the cases: what each kind does, names, TTLs, pages, bad
 *                    input, order, limits, the ways to close
 *     --sweep        every case again with the 1st, 2nd, ... allocation of evkv
 *                    failing, alone and with all after it
 *     --model        random operations against a reference; a history that
 *                    fails is shortened and printed
 *     --delayed      all this over a store that delays, reorders and refuses at
 *                    random: see evkv_conformance_delay()
 *     --seed=N       another order of random things
 *     --ops=N        another length of the model's history
 *     --list         print the names of the cases and do nothing
 *     --verbose      print how far each sweep went
 *     <pattern>...   only the cases whose names match, as file names do
 *
 * With none of --cases, --sweep and --model all three run.
 *
 * @param argc, argv  those of main()
 * @param suite       valid until the call returns
 * @return            for main(): 0 all passed, 77 all were skipped, 2 bad
 *                    options, else 1
 */
EVKV_API int evkv_conformance_main(int argc, char **argv,
    const struct evkv_conformance_suite *suite);

/**
 * Put the delaying store over `inner`, when the suite runs --delayed; otherwise
 * return `inner` itself.
 *
 * The delaying store is transparent, takes some turns of the loop for each
 * operation, and lets operations on different keys, and reads of one key,
 * overtake each other. It runs the cases once like this; once refusing some
 * operations with BUSY or UNAVAILABLE before they have any effect, which a
 * wrapper of the suite's own tries again above the store under test; and the
 * model also with refusals that nobody hides. A suite that never calls this in
 * open() gets it over its store instead.
 *
 * @param run    the run that open() was given
 * @param inner  consumed, also on failure; NULL gives NULL
 * @param error  filled where NULL is returned for a store that is not NULL
 * @return       one reference, the caller's
 */
EVKV_API struct evkv_store *evkv_conformance_delay(struct evkv_conformance *run,
    struct evkv_store *inner, struct evkv_error *error);

/** What evkv_conformance_set_data() has set in this run; NULL before. */
EVKV_API void *evkv_conformance_data(const struct evkv_conformance *run);

/** Keep a pointer for open() and teardown() of this run. It is not owned. */
EVKV_API void evkv_conformance_set_data(struct evkv_conformance *run,
    void *data);

/** The suite's arg. */
EVKV_API void *evkv_conformance_arg(const struct evkv_conformance *run);

/**
 * Whether allocations are being refused in this run: a store may then choose
 * shorter pauses between its tries.
 */
EVKV_API bool evkv_conformance_sweeping(const struct evkv_conformance *run);

/**
 * Memory, zeroed, that is freed after teardown(). Not from evkv's allocator;
 * never NULL.
 */
EVKV_API void *evkv_conformance_alloc(struct evkv_conformance *run,
    size_t size);

#if defined(__GNUC__)
#define EVKV_CONFORMANCE_LEAVES_ __attribute__((noreturn, format(printf, 2, 3)))
#else
#define EVKV_CONFORMANCE_LEAVES_
#endif

/**
 * End the run as skipped, with a reason in the manner of printf(). In setup()
 * and open(); does not return, and teardown() is not called where setup() did
 * this.
 */
EVKV_API void evkv_conformance_skip(struct evkv_conformance *run,
    const char *format, ...) EVKV_CONFORMANCE_LEAVES_;

/** End the run as failed, likewise. */
EVKV_API void evkv_conformance_fail(struct evkv_conformance *run,
    const char *format, ...) EVKV_CONFORMANCE_LEAVES_;

EVKV_END_DECLS

#endif
