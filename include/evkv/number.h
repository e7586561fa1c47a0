/**
 * @file
 * What INCR and versions mean, for authors of stores: once for all of them.
 *
 *     status = evkv_incr_apply(request, i, old, &number);
 *     if (status == EVKV_OK)
 *         value = evkv_value_new(evkv_number_write(number, buffer));
 *
 * A number is decimal text as Redis writes it: an optional '-', no leading
 * zero, no '+', no blank, "0" but not "-0", and within 64 bits. All calls here
 * may be made on any thread.
 */
#ifndef EVKV_NUMBER_H
#define EVKV_NUMBER_H

#include "evkv/request.h"

EVKV_BEGIN_DECLS

/** Room for the text of any number, in bytes. */
#define EVKV_NUMBER_MAX 20

/**
 * Read a number from its text.
 * @param text    the bytes of a value
 * @param number  set to the number
 * @return false where the text is not that of a number
 */
EVKV_API bool evkv_number_read(struct evkv_slice text, int64_t *number);

/**
 * Write a number as text.
 * @param number  the number
 * @param buffer  EVKV_NUMBER_MAX bytes
 * @return the text, in the buffer, without a NUL
 */
EVKV_API struct evkv_slice evkv_number_write(int64_t number, char *buffer);

/**
 * What an INCR makes of an entry.
 * @param request  the INCR
 * @param i        which of its keys
 * @param old      the bytes that the entry has; NULL = there is no entry
 * @param number   set to the sum, where the status is OK
 * @return OK, or INVALID where the value is no number or the sum does not fit
 */
EVKV_API enum evkv_status evkv_incr_apply(const struct evkv_request *request,
    size_t i, const struct evkv_slice *old, int64_t *number);

/** What to tell with an INVALID of evkv_incr_apply(), in static storage. */
#define EVKV_INCR_REFUSED                                                      \
	"the value is not a number, or the sum does not fit into 64 bits"

/**
 * The version of a store that counts: its instance, which is random and kept
 * with its entries, and a counter that each change of any entry counts up.
 */
static inline struct evkv_version evkv_version_counted(uint64_t instance,
    uint64_t counter)
{
	struct evkv_version version;
	int i;

	for (i = 0; i < 8; i++) {
		version.bytes[i] = (unsigned char)(instance >> 8 * i);
		version.bytes[8 + i] = (unsigned char)(counter >> 8 * i);
	}
	return version;
}

/**
 * The version of a store with EVKV_STORE_VERSION_BY_CONTENT that can read its
 * values whole: the first half of the SHA-256 of the value's bytes.
 */
EVKV_API struct evkv_version evkv_version_of_value(struct evkv_slice value);

/** Whether two versions are the same. */
static inline bool evkv_version_equal(const struct evkv_version *a,
    const struct evkv_version *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/**
 * Whether the condition of a PUT, DELETE or TOUCH holds.
 * @param request  the request
 * @param i        which of its keys
 * @param present  the version of the entry; NULL = there is none
 * @return OK, or EXISTS, NOT_FOUND or CONFLICT, which is the entry's status. A
 *         DELETE or TOUCH of what is not there is NOT_FOUND.
 */
EVKV_API enum evkv_status evkv_condition_check(const struct evkv_request
						   *request,
    size_t i, const struct evkv_version *present);

EVKV_END_DECLS

#endif
