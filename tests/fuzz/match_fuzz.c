/*
 * The glob matcher on any bytes: two lengths, the prefix, the pattern and the
 * name. It must agree with itself about the prefix, the literal head and what
 * is well-formed.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first `count` bytes of what is left, in memory of just that size. */
static struct evkv_slice take(const uint8_t **data, size_t *size, size_t count)
{
	struct evkv_slice slice;
	void *copy;

	if (count > *size)
		count = *size;
	copy = malloc(count);
	if (count > 0)
		memcpy(copy, *data, count);
	slice = evkv_bytes(copy, count);
	*data += count;
	*size -= count;
	return slice;
}

static void release(struct evkv_slice slice)
{
	free((void *)(uintptr_t)slice.data);
}

static void try_match(struct evkv_slice prefix, struct evkv_slice pattern,
    struct evkv_slice name)
{
	struct evkv_request request = { .kind = EVKV_OP_KEYS,
		.match.prefix = prefix,
		.match.pattern = pattern };
	static char buffer[EVKV_PATTERN_MAX];
	struct evkv_slice head, none = { NULL, 0 };
	const char *why;
	bool formed = evkv_pattern_check(pattern, &why);
	bool matches = evkv_match(prefix, pattern, name);

	if (formed != (why[0] == '\0'))
		abort();
	if (matches && pattern.size > 0 && !formed)
		abort();
	if (matches !=
	    (evkv_match(prefix, none, name) && evkv_match(none, pattern, name)))
		abort();
	head = evkv_match_head(&request.match, buffer);
	if (matches && !evkv_match(head, none, name))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct evkv_slice prefix, pattern, name;
	size_t prefix_size, pattern_size;

	if (size < 2)
		return 0;
	prefix_size = data[0] % 8;
	pattern_size = data[1];
	data += 2;
	size -= 2;
	prefix = take(&data, &size, prefix_size);
	pattern = take(&data, &size, pattern_size);
	name = take(&data, &size, size);
	try_match(prefix, pattern, name);
	release(prefix);
	release(pattern);
	release(name);
	return 0;
}
