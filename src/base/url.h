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

#endif
