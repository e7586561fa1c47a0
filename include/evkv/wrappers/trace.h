/**
 * @file
 * Hooks where an operation begins and where it ends, for tracers.
 *
 *     static void *my_trace_begin(const struct evkv_request *request,
 *         const char *name, void *arg)
 *     {
 *         return my_span_new(request->trace, evkv_kind_name(request->kind));
 *     }
 *
 *     static void my_trace_end(void *span, const struct evkv_trace_end *end,
 *         void *arg)
 *     {
 *         my_span_end(span, evkv_status_name(end->status));
 *     }
 *
 *     static const struct evkv_trace_hooks my_trace_hooks = {
 *         .size = sizeof(my_trace_hooks),
 *         .begin = my_trace_begin, .end = my_trace_end,
 *     };
 *
 *     store = evkv_trace_new(store,
 *         &(struct evkv_trace_options){ .hooks = &my_trace_hooks }, &error);
 *
 * What begin() returns is the `trace` of the operation's request from here
 * down: another `trace` wrapper below finds it there, as the parent of its own,
 * and the operations that a store makes for this one (tries of `retry`, walks)
 * inherit it. A store that can carry it to its server may do so.
 *
 * One wrapper outermost traces what users see; one more over a store traces
 * what is asked of that.
 */
#ifndef EVKV_WRAPPERS_TRACE_H
#define EVKV_WRAPPERS_TRACE_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** How an operation ended. */
struct evkv_trace_end {
	/** sizeof(struct evkv_trace_end), set by the library */
	size_t size;
	/** its kind */
	enum evkv_kind kind;
	/** as it was reported upwards */
	enum evkv_status status;
	/** why, where the status is a failure */
	enum evkv_cause cause;
	/** one line about a failure, never NULL */
	const char *message;
	/**
	 * the answer; NULL where the operation was cut off (deadline, cancel,
	 * close) and goes on below without a waiter
	 */
	const struct evkv_result *result;
};

/** The hooks; both are required. They run on the loop's thread, and must not
 * submit to the store that they belong to. */
struct evkv_trace_hooks {
	/** sizeof(struct evkv_trace_hooks) */
	size_t size;
	/**
	 * An operation begins.
	 * @param request  lives for the call; its `trace` is the parent, or
	 *                 NULL
	 * @param name     of the wrapper's options, or the kind of the store
	 *                 below
	 * @param arg      as given
	 * @return its trace; NULL: this one is not traced, end() is not called,
	 *         and the parent's is handed on
	 */
	void *(*begin)(const struct evkv_request *request, const char *name,
	    void *arg);
	/**
	 * It has ended: once for each begin() that returned something. What it
	 * made below may end later.
	 * @param trace  what begin() returned
	 * @param end    lives for the call
	 * @param arg    as given
	 */
	void (*end)(void *trace, const struct evkv_trace_end *end, void *arg);
	/** for both */
	void *arg;
};

/** Zero in a field is its default. */
struct evkv_trace_options {
	/** copied; NULL = those of evkv_loop_set_trace(), or none */
	const struct evkv_trace_hooks *hooks;
	/** handed to begin(), copied; NULL = the kind of the inner store */
	const char *name;
};

/** evkv_trace_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_trace_new_sized(struct evkv_store *inner,
    const struct evkv_trace_options *options, size_t size,
    struct evkv_error *error);

/**
 * Trace what passes to and from a store. Transparent: every kind, condition and
 * flag goes through. May be called in a callback. While there are hooks each
 * inline get is an operation of its own, which costs some 50 ns more.
 * @param inner    consumed, also on failure; NULL is passed through
 * @param options  copied; NULL = defaults
 * @param error    filled where NULL is returned: INVALID or NOMEM
 * @return the caller's reference
 */
static inline struct evkv_store *evkv_trace_new(struct evkv_store *inner,
    const struct evkv_trace_options *options, struct evkv_error *error)
{
	return evkv_trace_new_sized(inner, options, sizeof(*options), error);
}

/**
 * Set the hooks of those `trace` wrappers of a loop that are made later and
 * have none of their own, as in chains: "redis://localhost | trace(redis)".
 * @param loop   the loop
 * @param hooks  copied; NULL = none from now on
 * @return false when out of memory, or where `loop` or a hook is NULL
 */
EVKV_API bool evkv_loop_set_trace(struct evkv_loop *loop,
    const struct evkv_trace_hooks *hooks);

EVKV_END_DECLS

#endif
