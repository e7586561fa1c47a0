/*
 * base/number.c - numbers as text, and what INCR and conditions do with an
 * entry.
 */
#include "evkv/number.h"

#include <string.h>

#include "base/sha256.h"

/* One digit more; false where the number would be over INT64_MIN's size. */
static bool add_digit(uint64_t *size, char digit)
{
	unsigned value = (unsigned)digit - '0';

	if (value > 9 || *size > (UINT64_MAX - value) / 10)
		return false;
	*size = *size * 10 + value;
	return true;
}

bool evkv_number_read(struct evkv_slice text, int64_t *number)
{
	const char *at = text.data, *end;
	bool negative = text.size > 0 && *at == '-';
	uint64_t size = 0;

	if (text.size > EVKV_NUMBER_MAX || text.size == (negative ? 1u : 0u))
		return false;
	end = at + text.size;
	at += negative;
	if (*at == '0' && text.size > 1)
		return false;
	while (at < end) {
		if (!add_digit(&size, *at++))
			return false;
	}
	if (size > (uint64_t)INT64_MAX + negative)
		return false;
	*number = negative ? -(int64_t)(size - 1) - 1 : (int64_t)size;
	return true;
}

struct evkv_slice evkv_number_write(int64_t number, char *buffer)
{
	uint64_t size = number < 0 ? ~(uint64_t)number + 1 : (uint64_t)number;
	char *at = buffer + EVKV_NUMBER_MAX;

	do {
		*--at = (char)('0' + size % 10);
		size /= 10;
	} while (size > 0);
	if (number < 0)
		*--at = '-';
	return evkv_bytes(at, (size_t)(buffer + EVKV_NUMBER_MAX - at));
}

enum evkv_status evkv_incr_apply(const struct evkv_request *request, size_t i,
    const struct evkv_slice *old, int64_t *number)
{
	int64_t delta = request->deltas != NULL ? request->deltas[i]
						: request->delta;
	int64_t from = request->initial;

	if (old != NULL && !evkv_number_read(*old, &from))
		return EVKV_INVALID;
	return __builtin_add_overflow(from, delta, number) ? EVKV_INVALID
							   : EVKV_OK;
}

enum evkv_status evkv_condition_check(const struct evkv_request *request,
    size_t i, const struct evkv_version *present)
{
	if (request->condition == EVKV_IF_ABSENT)
		return present != NULL ? EVKV_EXISTS : EVKV_OK;
	if (present == NULL)
		return request->kind == EVKV_OP_PUT &&
			request->condition == EVKV_IF_ANY
		    ? EVKV_OK
		    : EVKV_NOT_FOUND;
	if (request->condition == EVKV_IF_VERSION &&
	    !evkv_version_equal(present, &request->versions[i]))
		return EVKV_CONFLICT;
	return EVKV_OK;
}

struct evkv_version evkv_version_of_value(struct evkv_slice value)
{
	uint8_t digest[EVKV__SHA256_SIZE];
	struct evkv_version version;

	evkv__sha256(value.data, value.size, digest);
	memcpy(version.bytes, digest, sizeof(version.bytes));
	return version;
}
