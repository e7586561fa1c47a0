#include "engines/files/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool evkv__file_fail(struct file_failure *failure, enum evkv_status status,
    int sys_error, const char *format, ...)
{
	size_t used;
	va_list args;

	failure->status = status;
	failure->sys_error = sys_error;
	va_start(args, format);
	vsnprintf(failure->message, sizeof(failure->message), format, args);
	va_end(args);
	used = strlen(failure->message);
	if (sys_error != 0)
		snprintf(failure->message + used,
		    sizeof(failure->message) - used, ": %s",
		    strerror(sys_error));
	return false;
}

enum evkv_status evkv__file_errno_status(int sys_error)
{
	switch (sys_error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return EVKV_NOSPACE;
	case EACCES:
	case EPERM:
	case EROFS: return EVKV_REFUSED;
	case ENOMEM: return EVKV_NOMEM;
	case ECANCELED: return EVKV_CANCELED;
	default: return EVKV_IO;
	}
}
