/*
 * stores/mongodb/errors.c - what errors of the server and of libmongoc mean.
 *
 * libmongoc does not tell how far a command has got when the connection breaks.
 * So a write is of unknown outcome wherever it may have been sent, also after
 * libmongoc has repeated it, and without effect only where no server was found
 * or none could be connected to.
 */
#include <stdio.h>
#include <string.h>

#include "stores/mongodb/worker.h"

struct code_row {
	int code;
	enum evkv_status read, write;
	enum evkv_cause cause;
};

/* By MongoDB's list of codes. What is not here is SERVER. */
static const struct code_row code_rows[] = {
	/* HostUnreachable, HostNotFound, NetworkTimeout, of a mongos */
	{ 6, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_CONNECT },
	{ 7, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_CONNECT },
	{ 89, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_STALL },
	/* Unauthorized, AuthenticationFailed */
	{ 13, EVKV_REFUSED, EVKV_REFUSED, EVKV_CAUSE_SERVER },
	{ 18, EVKV_REFUSED, EVKV_REFUSED, EVKV_CAUSE_AUTH },
	/* MaxTimeMSExpired, ExceededTimeLimit */
	{ 50, EVKV_TIMEOUT, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_TIMEOUT },
	{ 262, EVKV_TIMEOUT, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_TIMEOUT },
	/* WriteConcernFailed, UnsatisfiableWriteConcern */
	{ 64, EVKV_SERVER, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
	{ 100, EVKV_SERVER, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
	/* ShutdownInProgress, PrimarySteppedDown, InterruptedAtShutdown,
	   InterruptedDueToReplStateChange, NotPrimaryOrSecondary */
	{ 91, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
	{ 189, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
	{ 11600, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
	{ 11602, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
	{ 13436, EVKV_UNAVAILABLE, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
	/* LegacyNotPrimary, NotWritablePrimary, NotPrimaryNoSecondaryOk: they
	   are said before anything is done */
	{ 10058, EVKV_UNAVAILABLE, EVKV_UNAVAILABLE, EVKV_CAUSE_SERVER },
	{ 10107, EVKV_UNAVAILABLE, EVKV_UNAVAILABLE, EVKV_CAUSE_SERVER },
	{ 13435, EVKV_UNAVAILABLE, EVKV_UNAVAILABLE, EVKV_CAUSE_SERVER },
	/* BSONObjectTooLarge, of a document and of a whole message */
	{ 10334, EVKV_TOO_LARGE, EVKV_TOO_LARGE, EVKV_CAUSE_SERVER },
	{ 17280, EVKV_TOO_LARGE, EVKV_TOO_LARGE, EVKV_CAUSE_SERVER },
	/* DuplicateKey */
	{ 11000, EVKV_SERVER, EVKV_EXISTS, EVKV_CAUSE_NONE },
	{ 11001, EVKV_SERVER, EVKV_EXISTS, EVKV_CAUSE_NONE },
	/* OutOfDiskSpace */
	{ 14031, EVKV_SERVER, EVKV_NOSPACE, EVKV_CAUSE_SERVER },
};

void evkv__mongodb_scrub(char *text, const char *secret)
{
	size_t size = secret != NULL ? strlen(secret) : 0;
	char *at;

	while (size > 0 && (at = strstr(text, secret)) != NULL) {
		memset(at, '*', size < 3 ? size : 3);
		if (size > 3)
			memmove(at + 3, at + size, strlen(at + size) + 1);
	}
}

static void error_set(struct mongodb_server *server, enum evkv_status status,
    enum evkv_cause cause, const char *words, struct mongodb_failure *failure)
{
	failure->status = status;
	failure->cause = cause;
	snprintf(failure->message, sizeof(failure->message), "mongodb: %.240s",
	    words);
	evkv__mongodb_scrub(failure->message, server->secret);
	evkv__mongodb_scrub(failure->message, server->plain_secret);
}

void evkv__mongodb_error_code(struct mongodb_server *server, int code,
    const char *words, bool write, struct mongodb_failure *failure)
{
	const size_t count = sizeof(code_rows) / sizeof(code_rows[0]);
	char text[240];
	size_t i = 0;

	while (i < count && code_rows[i].code != code)
		i++;
	snprintf(text, sizeof(text), "%.220s (%d)", words, code);
	if (i < count)
		error_set(server,
		    write ? code_rows[i].write : code_rows[i].read,
		    code_rows[i].cause, text, failure);
	else
		error_set(server, EVKV_SERVER, EVKV_CAUSE_SERVER, text,
		    failure);
}

/* What goes on between libmongoc and the server. */
static enum evkv_cause error_stream_cause(uint32_t code)
{
	switch (code) {
	case MONGOC_ERROR_STREAM_NAME_RESOLUTION: return EVKV_CAUSE_RESOLVE;
	case MONGOC_ERROR_STREAM_CONNECT:
	case MONGOC_ERROR_STREAM_NOT_ESTABLISHED: return EVKV_CAUSE_CONNECT;
	default: return EVKV_CAUSE_RESET;
	}
}

/* Words that tell of a login which was refused, in a longer sentence. */
static bool error_of_login(const bson_error_t *error)
{
	return strstr(error->message, "uthentication fail") != NULL ||
	    strstr(error->message, "uthentication error") != NULL;
}

static void error_of_stream(struct mongodb_server *server,
    const bson_error_t *error, bool write, struct mongodb_failure *failure)
{
	enum evkv_cause cause = error_stream_cause(error->code);
	bool sent = cause == EVKV_CAUSE_RESET;

	if (strstr(error->message, "TLS") != NULL)
		cause = EVKV_CAUSE_TLS;
	error_set(server,
	    sent && write ? EVKV_UNKNOWN_OUTCOME : EVKV_UNAVAILABLE, cause,
	    error->message, failure);
}

/* What libmongoc itself reports, other than by the server and the stream. */
static const struct {
	uint32_t domain, code; /* code 0 = any */
	enum evkv_status read, write;
	enum evkv_cause cause;
} domain_rows[] = {
	{ MONGOC_ERROR_SERVER_SELECTION, 0, EVKV_UNAVAILABLE, EVKV_UNAVAILABLE,
	    EVKV_CAUSE_CONNECT },
	{ MONGOC_ERROR_POOL, 0, EVKV_UNAVAILABLE, EVKV_UNAVAILABLE,
	    EVKV_CAUSE_OFFLINE },
	{ MONGOC_ERROR_WRITE_CONCERN, 0, EVKV_UNKNOWN_OUTCOME,
	    EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
	{ MONGOC_ERROR_SASL, 0, EVKV_REFUSED, EVKV_REFUSED, EVKV_CAUSE_AUTH },
	{ MONGOC_ERROR_SCRAM, 0, EVKV_REFUSED, EVKV_REFUSED, EVKV_CAUSE_AUTH },
	{ MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE, EVKV_REFUSED,
	    EVKV_REFUSED, EVKV_CAUSE_AUTH },
	{ MONGOC_ERROR_CLIENT, 0, EVKV_UNAVAILABLE, EVKV_UNAVAILABLE,
	    EVKV_CAUSE_CONNECT },
	{ MONGOC_ERROR_PROTOCOL, 0, EVKV_CORRUPT, EVKV_UNKNOWN_OUTCOME,
	    EVKV_CAUSE_PROTOCOL },
	{ MONGOC_ERROR_BSON, 0, EVKV_CORRUPT, EVKV_UNKNOWN_OUTCOME,
	    EVKV_CAUSE_PROTOCOL },
	/* It names no cause: a write may have been sent. */
	{ 0, 0, EVKV_SERVER, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_SERVER },
};

static void error_of_domain(struct mongodb_server *server,
    const bson_error_t *error, bool write, struct mongodb_failure *failure)
{
	enum evkv_cause cause;
	size_t i = 0;

	while (domain_rows[i].domain != 0 &&
	    (domain_rows[i].domain != error->domain ||
		(domain_rows[i].code != 0 &&
		    domain_rows[i].code != error->code)))
		i++;
	cause = domain_rows[i].cause;
	if (cause == EVKV_CAUSE_CONNECT &&
	    strstr(error->message, "TLS") != NULL)
		cause = EVKV_CAUSE_TLS;
	error_set(server, write ? domain_rows[i].write : domain_rows[i].read,
	    cause, error->message, failure);
}

void evkv__mongodb_error(struct mongodb_server *server,
    const bson_error_t *error, bool write, struct mongodb_failure *failure)
{
	if (error_of_login(error))
		error_set(server, EVKV_REFUSED, EVKV_CAUSE_AUTH, error->message,
		    failure);
	else if (error->domain == MONGOC_ERROR_SERVER)
		evkv__mongodb_error_code(server, (int)error->code,
		    error->message, write, failure);
	else if (error->domain == MONGOC_ERROR_STREAM)
		error_of_stream(server, error, write, failure);
	else
		error_of_domain(server, error, write, failure);
}

void evkv__mongodb_error_damaged(struct mongodb_server *server,
    struct mongodb_failure *failure)
{
	error_set(server, EVKV_UNKNOWN_OUTCOME, EVKV_CAUSE_PROTOCOL,
	    "the answer does not tell what was done", failure);
}

enum mongodb_contact evkv__mongodb_error_contact(const struct mongodb_failure
	*failure)
{
	switch (failure->cause) {
	case EVKV_CAUSE_CONNECT:
	case EVKV_CAUSE_RESOLVE:
	case EVKV_CAUSE_RESET:
	case EVKV_CAUSE_STALL:
	case EVKV_CAUSE_TLS:
	case EVKV_CAUSE_AUTH:
	case EVKV_CAUSE_OFFLINE: return MONGODB_UNREACHED;
	default: return MONGODB_REACHED;
	}
}
