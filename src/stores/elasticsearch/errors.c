/*
 * stores/elasticsearch/errors.c - what a server's code and words mean.
 */
#include <stdio.h>

#include "stores/elasticsearch/store.h"

void evkv__es_failure_set(struct es_failure *failure, enum evkv_status status,
    enum evkv_cause cause, const char *message)
{
	failure->status = status;
	failure->cause = cause;
	failure->sys_error = 0;
	(void)snprintf(failure->message, sizeof(failure->message), "%s",
	    message);
}

bool evkv__es_no_index(const char *type)
{
	return strcmp(type, "index_not_found_exception") == 0;
}

/* The status of a failing code; of an item without one it is 0. */
static enum evkv_status errors_status(bool write, int code, const char *reason)
{
	switch (code) {
	case 401: return EVKV_REFUSED;
	case 403:
	case 429:
		/* The disk is full: the server lets nobody write any more. */
		if (strstr(reason, "flood-stage") != NULL ||
		    strstr(reason, "read-only / allow delete") != NULL)
			return EVKV_NOSPACE;
		return code == 403 ? EVKV_REFUSED : EVKV_BUSY;
	case 413: return EVKV_TOO_LARGE;
	case 408:
	case 502:
	case 503:
	case 504: return write ? EVKV_UNKNOWN_OUTCOME : EVKV_UNAVAILABLE;
	default:
		return write && (code == 0 || code >= 500)
		    ? EVKV_UNKNOWN_OUTCOME
		    : EVKV_SERVER;
	}
}

void evkv__es_failure_read(struct es_failure *failure, bool write, int code,
    const char *type, const char *reason, const char *from)
{
	char *at;

	failure->status = errors_status(write, code, reason);
	failure->cause = code == 401 ? EVKV_CAUSE_AUTH : EVKV_CAUSE_SERVER;
	if (failure->status == EVKV_BUSY)
		failure->cause = EVKV_CAUSE_OVERLOAD;
	failure->sys_error = 0;
	(void)snprintf(failure->message, sizeof(failure->message),
	    "%s: %d%s%s%s%s", from, code, type[0] != '\0' ? " " : "", type,
	    reason[0] != '\0' ? ": " : "", reason);
	for (at = failure->message; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
}
