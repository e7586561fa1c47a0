/*
 * engines/files/failure.h - why something on the disk failed, as a worker tells
 * it to the loop.
 */
#ifndef EVKV_ENGINES_FILES_FAILURE_H
#define EVKV_ENGINES_FILES_FAILURE_H

#include <errno.h>
#include <stdbool.h>

#include "evkv/status.h"

/* Why something failed, for a result. */
struct file_failure {
	enum evkv_status status;
	int sys_error;
	char message[320];
};

/* Fill it, always returning false. `sys_error` 0 = none; its text is added. */
bool evkv__file_fail(struct file_failure *failure, enum evkv_status status,
    int sys_error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The status that fits an errno. */
enum evkv_status evkv__file_errno_status(int sys_error);

static inline enum evkv_cause file_cause(const struct file_failure *failure)
{
	switch (failure->status) {
	case EVKV_NOMEM: return EVKV_CAUSE_NOMEM;
	case EVKV_INVALID: return EVKV_CAUSE_NONE;
	case EVKV_CANCELED: return EVKV_CAUSE_CANCELED;
	default: return EVKV_CAUSE_IO;
	}
}

/* Whether the system has no room, or lets the file grow no further. */
static inline bool file_errno_is_full(int sys_error)
{
	return sys_error == ENOSPC || sys_error == EDQUOT || sys_error == EFBIG;
}

#endif
