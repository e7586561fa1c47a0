/**
 * @file
 * What a store or a wrapper is called and which options it has, in one table.
 *
 *     static const struct evkv_url_option my_options_table[] = {
 *         { .name = "max_keys", .type = EVKV_URL_SIZE,
 *             .offset = offsetof(struct my_wrapper_options, max_keys),
 *             .summary = "keys in one operation", .standard = "100" },
 *     };
 *     static const struct evkv_type my_type = {
 *         .size = sizeof(struct evkv_type),
 *         .name = "my_wrapper",
 *         .summary = "bounds the keys of one operation",
 *         .options = my_options_table, .option_count = 1,
 *         .options_size = sizeof(struct my_wrapper_options),
 *         .wrapper = &my_hooks,
 *     };
 *     evkv_loop_register(loop, &my_type);
 *
 * The table serves the constructor, which checks options by it; evkv_open(),
 * which reads them from text; evkv_store_describe(), which writes them; and
 * docs/reference.md, which is generated from it. evkv/wrapper.h says what
 * `wrapper` is; a type without one gives `make`.
 */
#ifndef EVKV_REGISTRY_H
#define EVKV_REGISTRY_H

#include "evkv/store.h"
#include "evkv/url.h"

EVKV_BEGIN_DECLS

struct evkv_type;
struct evkv_wrapper;

/** What a store is to be made of. */
struct evkv_making {
	/** the loop */
	struct evkv_loop *loop;
	/** stores: the URL, for the parts of it that are no options */
	const struct evkv_url *url;
	/**
	 * wrappers: the stores that they are put over, the one that stands
	 * before them in the text first. To be consumed, also on failure.
	 */
	struct evkv_store *const *inner;
	/** how many these are */
	size_t inner_count;
	/**
	 * the options, a struct of type->options_size bytes; strings in it live
	 * for the call
	 */
	const void *options;
};

/** A kind of store or wrapper. Tables are static const. */
struct evkv_type {
	/** sizeof(struct evkv_type) */
	size_t size;
	/** its name, [a-z0-9_]; a store's is its scheme */
	const char *name;
	/** more names for the same, separated by spaces; NULL = none */
	const char *also;
	/** what it does, one line without a full stop */
	const char *summary;
	/** its options; NULL = none */
	const struct evkv_url_option *options;
	/** how many these are */
	size_t option_count;
	/** sizeof its options struct; 0 = it has none */
	size_t options_size;
	/** the option that a value without a name is; NULL = none */
	const char *argument;
	/**
	 * stores: the parts of a URL that they use, EVKV_URL_USER,
	 * HOST or HOSTS, and PATH
	 */
	uint32_t url_parts;
	/**
	 * wrappers: the fewest stores that they are put over; those after the
	 * first stand in the parentheses. 0 = a store, or, with `wrapper`, one.
	 */
	unsigned inner_min;
	/** wrappers: the most stores that they are put over */
	unsigned inner_max;
	/** a wrapper made of hooks */
	const struct evkv_wrapper *wrapper;
	/** makes one; NULL = evkv_wrapper_create() with `wrapper` */
	struct evkv_store *(*make)(const struct evkv_type *type,
	    const struct evkv_making *making, struct evkv_error *error);
};

/**
 * Make a type known to evkv_open() on a loop. A name that is known already gets
 * the new meaning. The table must live as long as the loop.
 * @return false where a name is not [a-z][a-z0-9_]* (a store's may be any that
 *         evkv_loop_register_scheme() takes), where one of
 *         the two is NULL, or out of memory
 */
EVKV_API bool evkv_loop_register(struct evkv_loop *loop,
    const struct evkv_type *type);

/**
 * The types of the core library, which evkv_open() always knows. Any thread.
 * @param i  0 and on
 * @return NULL after the last
 */
EVKV_API const struct evkv_type *evkv_core_type(size_t i);

/**
 * The types that a loop knows, those of the core library once something has
 * been opened on it by text.
 * @param i  0 and on
 * @return NULL after the last
 */
EVKV_API const struct evkv_type *evkv_loop_type(struct evkv_loop *loop,
    size_t i);

/**
 * Check numbers and choices of an options struct against the bounds of a table;
 * 0 is always taken, for the default. Any thread.
 * @param type     names the store in errors, and has the table
 * @param options  a struct of type->options_size bytes
 * @param error    filled with the option and what is allowed
 * @return false where `error` was filled
 */
EVKV_API bool evkv_type_check(const struct evkv_type *type, const void *options,
    struct evkv_error *error);

/* ---- Description --------------------------------------------------------- */

/** Text that is being written, for the vtable's describe(). */
struct evkv_text;

/** Append to it, as printf does; nothing in it is quoted. */
EVKV_API void evkv_text_add(struct evkv_text *text, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/**
 * Append a string as a part of a URL: what is not allowed there is written as
 * %XX.
 */
EVKV_API void evkv_text_encoded(struct evkv_text *text, const char *string);

/**
 * Append the options that are not at their default, by a table:
 * "max_bytes=64m". A secret is written as ***. Stores write them behind a
 * question mark, wrappers in parentheses; this call does that too.
 * @param type     the table
 * @param options  a struct of type->options_size bytes
 */
EVKV_API void evkv_text_options(struct evkv_text *text,
    const struct evkv_type *type, const void *options);

EVKV_END_DECLS

#endif
