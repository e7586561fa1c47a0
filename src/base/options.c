/*
 * Options structs of callers that were compiled against other headers than
 * ours: older ones are shorter, newer ones longer.
 */
#include "evkv/driver.h"

#include <string.h>

bool evkv_options_read(void *options, size_t size, const void *given,
    size_t given_size, struct evkv_error *error)
{
	const unsigned char *bytes = given;
	size_t i;

	memset(options, 0, size);
	if (given == NULL)
		return true;

	/* Zero in a field of a newer caller asks for what we do anyway. */
	for (i = size; i < given_size; i++) {
		if (bytes[i] == 0)
			continue;
		evkv_error_set(error, EVKV_INVALID,
		    "options: a field at byte %zu is set that this version "
		    "of evkv (%s) does not know",
		    i, evkv_version());
		return false;
	}

	memcpy(options, given, given_size < size ? given_size : size);
	return true;
}
