/*
 * evkv/status.h - how an operation ended (the status) and why (the cause).
 *
 *     if (evkv_failed(result->status))
 *         fprintf(stderr, "%s: %s\n", evkv_status_name(result->status),
 *             result->message);
 *
 * The status tells the effect, the cause tells the reason. A put that was cut
 * off by its deadline has the status TIMEOUT when it surely had no effect and
 * UNKNOWN_OUTCOME when it may have had one; the cause is TIMEOUT in both.
 */
#ifndef EVKV_STATUS_H
#define EVKV_STATUS_H

#include <stdbool.h>

#include "evkv/export.h"

EVKV_BEGIN_DECLS

/* X(name, text) for every status; the first four are answers, not failures. */
#define EVKV_STATUS_TABLE(X)                                                   \
	X(OK, "done")                                                          \
	X(NOT_FOUND, "no such entry")                                          \
	X(EXISTS, "the entry exists already")                                  \
	X(CONFLICT, "the entry has changed meanwhile")                         \
	X(INVALID, "an argument is not valid")                                 \
	X(UNSUPPORTED, "the store cannot do this")                             \
	X(BUSY, "too much is pending")                                         \
	X(TIMEOUT, "the deadline passed, without effect")                      \
	X(CANCELED, "canceled, without effect")                                \
	X(CLOSED, "the store is closed")                                       \
	X(UNAVAILABLE, "the server cannot be reached, without effect")         \
	X(UNKNOWN_OUTCOME, "cut off after sending: it may have taken effect")  \
	X(REFUSED, "not allowed")                                              \
	X(TOO_LARGE, "larger than the store takes")                            \
	X(NOSPACE, "no space left in the store")                               \
	X(SERVER, "the server answered with an error")                         \
	X(CORRUPT, "the stored or received bytes are damaged")                 \
	X(IO, "an input or output error")                                      \
	X(NOMEM, "out of memory")                                              \
	X(MISSING, "a required entry is missing")                              \
	X(LOCKED, "another holds the lock of the store")

enum evkv_status {
#define EVKV_X(name, text) EVKV_##name,
	EVKV_STATUS_TABLE(EVKV_X)
#undef EVKV_X
	    EVKV_STATUS_COUNT
};

/* X(name, text) for every cause. */
#define EVKV_CAUSE_TABLE(X)                                                    \
	X(NONE, "none")                                                        \
	X(TIMEOUT, "the operation's deadline passed")                          \
	X(CANCELED, "the caller canceled")                                     \
	X(CLOSED, "the store was closed")                                      \
	X(OVERLOAD, "a limit on pending work was reached")                     \
	X(OFFLINE, "waited too long for a connection")                         \
	X(RESOLVE, "the host name could not be resolved")                      \
	X(CONNECT, "the connection could not be made")                         \
	X(TLS, "the TLS handshake or the certificate failed")                  \
	X(AUTH, "the server did not accept the credentials")                   \
	X(RESET, "the connection was lost")                                    \
	X(STALL, "the server fell silent")                                     \
	X(PROTOCOL, "the server broke the protocol")                           \
	X(SERVER, "the server said so")                                        \
	X(IO, "an input or output error")                                      \
	X(NOMEM, "out of memory")

enum evkv_cause {
#define EVKV_X(name, text) EVKV_CAUSE_##name,
	EVKV_CAUSE_TABLE(EVKV_X)
#undef EVKV_X
	    EVKV_CAUSE_COUNT
};

/*
 * The name of a status ("NOT_FOUND") or a cause ("RESET"), and one sentence
 * about it. A number that is none gives "?". Any thread; static storage.
 */
EVKV_API const char *evkv_status_name(enum evkv_status status);
EVKV_API const char *evkv_status_text(enum evkv_status status);
EVKV_API const char *evkv_cause_name(enum evkv_cause cause);
EVKV_API const char *evkv_cause_text(enum evkv_cause cause);

/* Whether a status is a failure; OK, NOT_FOUND, EXISTS and CONFLICT are not. */
static inline bool evkv_failed(enum evkv_status status)
{
	return status > EVKV_CONFLICT;
}

EVKV_END_DECLS

#endif
