/*
 * Filling struct evkv_error: the first error of a chain stays.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/line.h"
#include "evkv/error.h"

void evkv__one_line(char *message)
{
	for (; *message != '\0'; message++) {
		if ((unsigned char)*message < ' ' || *message == 0x7f)
			*message = '?';
	}
}

void evkv_error_set(struct evkv_error *error, enum evkv_status status,
    const char *format, ...)
{
	va_list args;
	int length;

	if (error == NULL || error->status != EVKV_OK)
		return;

	error->status = status;
	va_start(args, format);
	length = vsnprintf(error->message, sizeof(error->message), format,
	    args);
	va_end(args);
	if (length < 0)
		error->message[0] = '\0';
	evkv__one_line(error->message);
}
