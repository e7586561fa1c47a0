/*
 * base/url.h - from text to struct evkv_url.
 */
#ifndef EVKV_BASE_URL_H
#define EVKV_BASE_URL_H

#include "evkv/driver.h"

/* The longest URL that is read, in bytes. */
#define EVKV__URL_MAX 65536

/*
 * Parse a URL (NUL-terminated; NULL is an error like any other). NULL with a
 * filled error, which names the part and what is allowed there and quotes
 * nothing that may be a password: INVALID or NOMEM. The URL is one piece of
 * memory, to be given to evkv__url_free(), which ignores NULL.
 */
struct evkv_url *evkv__url_parse(const char *text, struct evkv_error *error);
void evkv__url_free(struct evkv_url *url);

/* Whether a URL can have it as its scheme. NULL can't be one. */
bool evkv__url_is_scheme(const char *name);

/*
 * Append a name and what ends it to a list "a, b" in `list`, a string in `size`
 * bytes (at least 8): "..." instead where it does not fit, and then false.
 */
bool evkv__list_add(char *list, size_t size, const char *name, const char *end);

/*
 * Such a list of all the names that `name` tells (NULL after the last), those
 * most like `wanted` first.
 */
void evkv__list_nearest(char *list, size_t size, const char *wanted,
    const char *(*name)(const void *from, size_t i), const void *from,
    const char *end);
/* Of the options of a table; "none" where there are none. */
void evkv__url_options_list(char *list, size_t size, const char *wanted,
    const struct evkv_url_option *table, size_t count);

/* Whether an option has this name, or this other one. */
bool evkv__url_option_is(const struct evkv_url_option *row, const char *name);

/* As evkv_url_options(), of the options whose names begin with `prefix`. */
bool evkv__url_options_prefixed(const struct evkv_url *url, const char *prefix,
    const struct evkv_url_option *table, size_t table_count, void *options,
    struct evkv_error *error);

/* Write one option into a struct by its row; false with a filled error. */
bool evkv__url_option_write(const struct evkv_url_pair *pair,
    const struct evkv_url_option *row, void *options, struct evkv_error *error);

#endif
