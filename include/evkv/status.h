/**
 * @file
 * How an operation ended (the status) and why (the cause).
 *
 *     if (evkv_failed(result->status))
 *         fprintf(stderr, "%s: %s\n", evkv_status_name(result->status),
 *             result->message);
 *
 * The status tells the effect, the cause tells the reason. A put that was cut
 * off by its deadline has the status TIMEOUT when it surely had no effect and
 * UNKNOWN_OUTCOME when it may have had one; the cause is TIMEOUT in both cases.
 * docs/service.md has a table of what to do about each status.
 */
#ifndef EVKV_STATUS_H
#define EVKV_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "evkv/export.h"

EVKV_BEGIN_DECLS

/** X(name, text) for every status; the first four are answers, not failures. */
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

/**
 * How an operation, or one of its entries, ended.
 *
 * | status          | what it says                                            |
 * |-----------------|---------------------------------------------------------|
 * | OK              | done                                                    |
 * | NOT_FOUND       | there is no such entry                                  |
 * | EXISTS          | the entry exists already (IF_ABSENT)                    |
 * | CONFLICT        | the entry has another version (IF_VERSION)              |
 * | INVALID         | an argument is not valid; nothing was done              |
 * | UNSUPPORTED     | the store can't do this; nothing was done               |
 * | BUSY            | a bound on pending work was reached; nothing was done   |
 * | LOCKED          | another process or store holds the files              |
 * | TIMEOUT         | the deadline passed, without effect                     |
 * | CANCELED        | canceled, without effect                                |
 * | CLOSED          | the store is closed; nothing was done                   |
 * | UNAVAILABLE     | the server can't be reached; nothing was done           |
 * | UNKNOWN_OUTCOME | a write was cut off after it was sent, and may happen   |
 * | REFUSED         | not allowed: login, permissions, a read-only store      |
 * | TOO_LARGE       | larger than the store takes                             |
 * | NOSPACE         | no space is left in the store                           |
 * | SERVER          | the server answered with an error                       |
 * | CORRUPT         | the stored or received bytes are damaged                |
 * | IO              | an input or output error                                |
 * | NOMEM           | out of memory                                           |
 * | MISSING         | a required entry is missing                             |
 */
enum evkv_status {
/** @cond internal */
#define EVKV_X(name, text) EVKV_##name,
	EVKV_STATUS_TABLE(EVKV_X)
#undef EVKV_X
	/** @endcond */
	/** how many there are */
	EVKV_STATUS_COUNT
};

/** The bit of a status in a set of statuses. */
#define EVKV_STATUS_BIT(status) (UINT32_C(1) << (status))

/** X(name, text) for every cause. */
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
	X(STALL, "the server stopped answering")                               \
	X(PROTOCOL, "the server broke the protocol")                           \
	X(SERVER, "the server said so")                                        \
	X(IO, "an input or output error")                                      \
	X(NOMEM, "out of memory")                                              \
	X(FORK, "the loop belongs to the parent process")                      \
	X(TOO_LARGE, "the server took the value for too large")

/**
 * Why an operation failed.
 *
 * | cause    | what it says                                |
 * |----------|---------------------------------------------|
 * | NONE     | there is no more to say than the status     |
 * | TIMEOUT  | the operation's deadline passed             |
 * | CANCELED | the caller canceled                         |
 * | CLOSED   | the store was closed                        |
 * | OVERLOAD | a bound on pending work was reached         |
 * | OFFLINE  | it waited too long for a connection         |
 * | RESOLVE  | the host name could not be resolved         |
 * | CONNECT  | the connection could not be made            |
 * | TLS      | the TLS handshake or the certificate failed |
 * | AUTH     | the server did not accept the credentials   |
 * | RESET    | the connection was lost                     |
 * | STALL    | the server stopped answering                |
 * | PROTOCOL | the server broke the protocol               |
 * | SERVER   | the server said so; the message has its text |
 * | IO       | an input or output error; sys_error has errno |
 * | NOMEM    | out of memory                               |
 * | FORK     | the loop was made before this process was forked |
 * | TOO_LARGE | the server took the value for too large |
 */
enum evkv_cause {
/** @cond internal */
#define EVKV_X(name, text) EVKV_CAUSE_##name,
	EVKV_CAUSE_TABLE(EVKV_X)
#undef EVKV_X
	/** @endcond */
	/** how many there are */
	EVKV_CAUSE_COUNT
};

/** "NOT_FOUND"; "?" for a number that is none. Any thread; static storage. */
EVKV_API const char *evkv_status_name(enum evkv_status status);
/** One sentence about a status. As evkv_status_name(). */
EVKV_API const char *evkv_status_text(enum evkv_status status);
/** "RESET"; "?" for a number that is none. Any thread; static storage. */
EVKV_API const char *evkv_cause_name(enum evkv_cause cause);
/** One sentence about a cause. As evkv_cause_name(). */
EVKV_API const char *evkv_cause_text(enum evkv_cause cause);

/**
 * The HTTP status code that says the same: 200, 404, 503, ...; 500 for a number
 * that is none. docs/service.md has the table. Any thread.
 */
EVKV_API int evkv_status_http(enum evkv_status status);
/**
 * The errno that says the same: 0 for OK, ENOENT, EEXIST, EAGAIN, ...; EIO for
 * a number that is none. Any thread. What the system itself said is sys_error
 * in the result.
 */
EVKV_API int evkv_status_errno(enum evkv_status status);

/**
 * Whether a status is a failure; OK, NOT_FOUND, EXISTS and CONFLICT are not.
 */
static inline bool evkv_failed(enum evkv_status status)
{
	return status > EVKV_CONFLICT;
}

EVKV_END_DECLS

#endif
