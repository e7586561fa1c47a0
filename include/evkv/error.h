/**
 * @file
 * Why a constructor returned NULL.
 *
 *     struct evkv_error error = EVKV_ERROR_INIT;
 *     struct evkv_store *store = evkv_memory_new(loop, NULL, &error);
 *     if (store == NULL)
 *         fprintf(stderr, "%s\n", error.message);
 *
 * Constructors that are chained keep the first error: an error that is filled
 * is never overwritten. Clear it before you use it for another chain. A loop or
 * a store that is NULL is INVALID to every constructor. Where a constructor
 * takes an error, `error` may be NULL.
 */
#ifndef EVKV_ERROR_H
#define EVKV_ERROR_H

#include <stddef.h>

#include "evkv/status.h"

EVKV_BEGIN_DECLS

/** Why something failed. Begin with EVKV_ERROR_INIT. */
struct evkv_error {
	/** EVKV_OK: nothing has failed */
	enum evkv_status status;
	/** one line, NUL-terminated; never holds a password */
	char message[256];
};

/** An error in which nothing has failed. */
#define EVKV_ERROR_INIT                                                        \
	{                                                                      \
		EVKV_OK, ""                                                    \
	}

/** Make the error empty again. NULL is ignored. Any thread. */
static inline void evkv_error_clear(struct evkv_error *error)
{
	if (error != NULL) {
		error->status = EVKV_OK;
		error->message[0] = '\0';
	}
}

/**
 * Fill an error, for authors of stores and wrappers. Any thread.
 * @param error   does nothing where it is NULL or filled already
 * @param status  a failure
 * @param format  printf's; a text that is too long is cut
 */
EVKV_API void evkv_error_set(struct evkv_error *error, enum evkv_status status,
    const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

EVKV_END_DECLS

#endif
