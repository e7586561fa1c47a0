/*
 * evkv/error.h - why a constructor returned NULL.
 *
 *     struct evkv_error error = EVKV_ERROR_INIT;
 *     struct evkv_store *store = evkv_memory_new(loop, NULL, &error);
 *     if (store == NULL)
 *         fprintf(stderr, "%s\n", error.message);
 *
 * Constructors that are chained keep the first error: a filled error is never
 * overwritten. Clear it before it is used for another chain. To all of them a
 * loop, or a store, that is NULL is INVALID; `error` itself may be NULL.
 */
#ifndef EVKV_ERROR_H
#define EVKV_ERROR_H

#include <stddef.h>

#include "evkv/status.h"

EVKV_BEGIN_DECLS

struct evkv_error {
	enum evkv_status status; /* EVKV_OK: nothing has failed */
	char message[256]; /* one line, NUL-terminated, never a password */
};

#define EVKV_ERROR_INIT                                                        \
	{                                                                      \
		EVKV_OK, ""                                                    \
	}

/* Make the error empty again. NULL is ignored. Any thread. */
static inline void evkv_error_clear(struct evkv_error *error)
{
	if (error != NULL) {
		error->status = EVKV_OK;
		error->message[0] = '\0';
	}
}

/*
 * Fill an error, for authors of stores and wrappers; does nothing where
 * `error` is NULL or filled already. `format` is printf's; a text that is too
 * long is cut. Any thread.
 */
EVKV_API void evkv_error_set(struct evkv_error *error, enum evkv_status status,
    const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

EVKV_END_DECLS

#endif
