/**
 * @file
 * Names and patterns: which names of a page are meant.
 *
 *     evkv_keys(store, EVKV_LIT("users"), EVKV_LIT("2026-*"),
 *         EVKV_LIT(""), 0, on_keys, NULL);
 *
 * docs/patterns.md has the grammar of patterns.
 */
#ifndef EVKV_MATCH_H
#define EVKV_MATCH_H

#include <stdbool.h>

#include "evkv/export.h"
#include "evkv/slice.h"

EVKV_BEGIN_DECLS

/** The longest pattern, in bytes. */
#define EVKV_PATTERN_MAX 4096

/** Which names are meant, and which page of them. Zero means all. */
struct evkv_match {
	/** Only names that begin with these bytes (0 to 65535), literally. */
	struct evkv_slice prefix;
	/** Only names that match this glob pattern; empty = all. */
	struct evkv_slice pattern;
	/** Where the page before ended; empty = from the start. */
	struct evkv_slice cursor;
	/** Names per page, a hint; 0 = the default, 1000. */
	size_t limit;
};

/**
 * Whether a name begins with `prefix` and matches `pattern`. Any thread.
 * @param prefix   literal bytes; empty = any
 * @param pattern  a well-formed glob pattern; empty = any
 * @param name     the name in question
 */
EVKV_API bool evkv_match(struct evkv_slice prefix, struct evkv_slice pattern,
    struct evkv_slice name);

/**
 * Whether a glob pattern is well-formed. Any thread.
 * @param pattern  the pattern
 * @param why      if it is not, set to what is wrong, in static storage;
 *                 may be NULL
 */
EVKV_API bool evkv_pattern_check(struct evkv_slice pattern, const char **why);

/**
 * The literal bytes with which all names that match must begin: the prefix or
 * the pattern's literal head, whichever is longer. Any thread.
 * @param match   prefix and pattern
 * @param buffer  EVKV_PATTERN_MAX bytes, for a head with escapes
 * @return a slice of the prefix, the pattern or the buffer
 */
EVKV_API struct evkv_slice evkv_match_head(const struct evkv_match *match,
    void *buffer);

EVKV_END_DECLS

#endif
