/**
 * @file
 * Cursors as text, for a link or a JSON member: the place of the next page.
 *
 *     char *next = evkv_cursor_text(result->cursor);
 *     evkv_free(next);
 *
 *     // when the next page is asked for
 *     if (evkv_cursor_from_text(evkv_str(after), &cursor))
 *         evkv_keys(store, users, all, evkv_value_bytes(cursor), 100, cb,
 *             NULL);
 *     evkv_value_unref(cursor);
 *
 * The text is base64 for URLs (RFC 4648, section 5) without padding: letters,
 * digits, '-' and '_'. It is not signed: who can send a cursor can choose where
 * a page begins. Any thread.
 */
#ifndef EVKV_CURSOR_H
#define EVKV_CURSOR_H

#include <stdbool.h>

#include "evkv/value.h"

EVKV_BEGIN_DECLS

/**
 * A cursor as text, terminated by a NUL.
 * @param cursor  of a result; the text of an empty one is ""
 * @return to be freed by evkv_free(); NULL when out of memory
 */
EVKV_API char *evkv_cursor_text(struct evkv_slice cursor);

/**
 * A cursor from its text. Whether it is one of this query the store finds out:
 * else the operation is INVALID.
 * @param text    from outside: anything
 * @param cursor  set to the cursor, whose reference is the caller's; NULL where
 *                false is returned
 * @return false where it is not what evkv_cursor_text() writes, or when out of
 *         memory
 */
EVKV_API bool evkv_cursor_from_text(struct evkv_slice text,
    struct evkv_value **cursor);

EVKV_END_DECLS

#endif
