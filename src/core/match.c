/*
 * Glob patterns over bytes; docs/patterns.md has the grammar.
 *
 * Every element of a pattern but '*' matches exactly one byte, so the text
 * between two stars (a segment) has a fixed length. The first segment must
 * match at the start of the name, the last at its end, and each of the others
 * may take the leftmost place where it fits: if any choice works, that one
 * does. So nothing is ever tried again and there is no recursion.
 *
 * A segment is looked for place by place, which in the worst case takes the
 * product of its length and the name's. Where that is much, all places are
 * tried at once, 64 elements at a time; without memory for it, place by place.
 */
#include "evkv/driver.h"

#include <string.h>

#define MATCH_BAD SIZE_MAX
#define MATCH_SCAN_FROM 65536 /* name times segment, in bytes */

/* A run of elements without a star: pattern[start, end). */
struct match_segment {
	size_t start;
	size_t end;
	size_t length; /* of elements, and so of the bytes that it matches */
	bool literal;  /* each element is the byte itself */
};

static unsigned char match_byte(struct evkv_slice slice, size_t i)
{
	return ((const unsigned char *)slice.data)[i];
}

/* The byte at *at, which a backslash may escape; *at moves on. */
static bool match_escaped(struct evkv_slice pattern, size_t *at,
    unsigned char *byte)
{
	if (*at < pattern.size && match_byte(pattern, *at) == '\\')
		(*at)++;
	if (*at >= pattern.size)
		return false;
	*byte = match_byte(pattern, (*at)++);
	return true;
}

/*
 * The set whose '[' is at `at`: *hit tells whether it has `byte`. Returns where
 * the pattern goes on, or MATCH_BAD with *why set.
 */
static size_t match_set(struct evkv_slice pattern, size_t at,
    unsigned char byte, bool *hit, const char **why)
{
	unsigned char low, high;
	bool negate = false, first = true, in = false;

	at++;
	if (at < pattern.size &&
	    (match_byte(pattern, at) == '!' ||
		match_byte(pattern, at) == '^')) {
		negate = true;
		at++;
	}
	for (;; first = false) {
		*why = "'[' without its ']'";
		if (at >= pattern.size)
			return MATCH_BAD;
		/* As the first member, ']' stands for itself. */
		if (match_byte(pattern, at) == ']' && !first)
			break;
		if (!match_escaped(pattern, &at, &low))
			return MATCH_BAD;
		high = low;
		/* A '-' before the closing ']' stands for itself. */
		if (at + 1 < pattern.size && match_byte(pattern, at) == '-' &&
		    match_byte(pattern, at + 1) != ']') {
			at++;
			if (!match_escaped(pattern, &at, &high))
				return MATCH_BAD;
		}
		*why = "a range in '[...]' whose end is before its start";
		if (high < low)
			return MATCH_BAD;
		in |= low <= byte && byte <= high;
	}
	*hit = in != negate;
	return at + 1;
}

/*
 * The element at `at`, which is no '*': *hit tells whether it matches `byte`.
 * Returns where the pattern goes on, or MATCH_BAD with *why set.
 */
static size_t match_element(struct evkv_slice pattern, size_t at,
    unsigned char byte, bool *hit, const char **why)
{
	unsigned char literal;

	switch (match_byte(pattern, at)) {
	case '?': *hit = true; return at + 1;
	case '[': return match_set(pattern, at, byte, hit, why);
	default:
		*why = "a backslash with nothing after it";
		if (!match_escaped(pattern, &at, &literal))
			return MATCH_BAD;
		*hit = literal == byte;
		return at;
	}
}

/* The segment that begins at `at`; false, with *why set, if it is malformed. */
static bool match_segment_read(struct evkv_slice pattern, size_t at,
    struct match_segment *segment, const char **why)
{
	unsigned char byte;
	bool hit;

	*segment = (struct match_segment){ .start = at, .literal = true };
	while (at < pattern.size && (byte = match_byte(pattern, at)) != '*') {
		if (byte == '?' || byte == '[' || byte == '\\')
			segment->literal = false;
		at = match_element(pattern, at, 0, &hit, why);
		if (at == MATCH_BAD)
			return false;
		segment->length++;
	}
	segment->end = at;
	return true;
}

/* Whether the segment matches the name from `at` on; it is long enough. */
static bool match_segment_at(struct evkv_slice pattern,
    const struct match_segment *segment, struct evkv_slice name, size_t at)
{
	size_t i = segment->start;
	const char *why;
	bool hit;

	while (i < segment->end) {
		i = match_element(pattern, i, match_byte(name, at++), &hit,
		    &why);
		if (!hit)
			return false;
	}
	return true;
}

/*
 * All places at once, for what trying one after the other takes long: bit i of
 * `state` tells that the segment's first i + 1 elements match the bytes just
 * read; `masks` has, for each byte value, the elements that match it.
 */
struct match_scan {
	size_t words;
	uint64_t *state;
	uint64_t *masks;
};

/* The masks of a segment; false = no memory. */
static bool match_scan_init(struct match_scan *scan, struct evkv_slice pattern,
    const struct match_segment *segment)
{
	size_t at = segment->start, next = at, i;
	const char *why;
	unsigned byte;
	bool hit = false;

	scan->words = (segment->length + 63) / 64;
	scan->state = evkv_calloc(257, scan->words * sizeof(uint64_t));
	if (scan->state == NULL)
		return false;
	scan->masks = scan->state + scan->words;
	for (i = 0; i < segment->length; i++, at = next) {
		for (byte = 0; byte < 256; byte++) {
			next = match_element(pattern, at, (unsigned char)byte,
			    &hit, &why);
			if (hit)
				scan->masks[byte * scan->words +
				    i / 64] |= UINT64_C(1) << i % 64;
		}
	}
	return true;
}

/* Read one more byte. */
static void match_scan_step(struct match_scan *scan, unsigned char byte)
{
	const uint64_t *mask = scan->masks + byte * scan->words;
	uint64_t carry = 1, state;
	size_t i;

	for (i = 0; i < scan->words; i++) {
		state = scan->state[i];
		scan->state[i] = (state << 1 | carry) & mask[i];
		carry = state >> 63;
	}
}

static size_t match_scan_find(struct match_scan *scan, size_t length,
    struct evkv_slice name, size_t from, size_t to)
{
	const uint64_t *last = &scan->state[scan->words - 1];
	uint64_t whole = UINT64_C(1) << (length - 1) % 64;

	for (; from < to; from++) {
		match_scan_step(scan, match_byte(name, from));
		if ((*last & whole) != 0)
			return from + 1 - length;
	}
	return MATCH_BAD;
}

/* Literal text: what the C library searches in linear time. */
static size_t match_literal_find(struct evkv_slice pattern,
    const struct match_segment *segment, struct evkv_slice name, size_t from,
    size_t to)
{
	const char *bytes = name.data, *found;

	found = memmem(bytes + from, to - from,
	    (const char *)pattern.data + segment->start, segment->length);
	return found != NULL ? (size_t)(found - bytes) : MATCH_BAD;
}

/* The leftmost place in name[from, to) where the segment fits, or MATCH_BAD. */
static size_t match_segment_find(struct evkv_slice pattern,
    const struct match_segment *segment, struct evkv_slice name, size_t from,
    size_t to)
{
	struct match_scan scan;

	if (segment->length == 0)
		return from;
	if (to - from < segment->length)
		return MATCH_BAD;
	if (segment->literal)
		return match_literal_find(pattern, segment, name, from, to);
	if ((to - from) * segment->length > MATCH_SCAN_FROM &&
	    match_scan_init(&scan, pattern, segment)) {
		from = match_scan_find(&scan, segment->length, name, from, to);
		evkv_free(scan.state);
		return from;
	}
	for (; from + segment->length <= to; from++) {
		if (match_segment_at(pattern, segment, name, from))
			return from;
	}
	return MATCH_BAD;
}

static bool match_glob(struct evkv_slice pattern, struct evkv_slice name)
{
	struct match_segment segment;
	size_t at = 0, found;
	const char *why;

	if (!match_segment_read(pattern, 0, &segment, &why) ||
	    segment.length > name.size ||
	    !match_segment_at(pattern, &segment, name, 0))
		return false;
	if (segment.end == pattern.size)
		return segment.length == name.size;

	at = segment.length;
	for (;;) {
		if (!match_segment_read(pattern, segment.end + 1, &segment,
			&why))
			return false;
		if (segment.end == pattern.size)
			break;
		found = match_segment_find(pattern, &segment, name, at,
		    name.size);
		if (found == MATCH_BAD)
			return false;
		at = found + segment.length;
	}
	return name.size - at >= segment.length &&
	    match_segment_at(pattern, &segment, name,
		name.size - segment.length);
}

bool evkv_match(struct evkv_slice prefix, struct evkv_slice pattern,
    struct evkv_slice name)
{
	if (prefix.size > name.size ||
	    (prefix.size > 0 &&
		memcmp(prefix.data, name.data, prefix.size) != 0))
		return false;
	return pattern.size == 0 || match_glob(pattern, name);
}

bool evkv_pattern_check(struct evkv_slice pattern, const char **why)
{
	struct match_segment segment = { .end = SIZE_MAX };

	*why = "";
	if (pattern.size > EVKV_PATTERN_MAX) {
		*why = "longer than 4096 bytes";
		return false;
	}
	do {
		if (!match_segment_read(pattern, segment.end + 1, &segment,
			why))
			return false;
	} while (segment.end < pattern.size);
	*why = "";
	return true;
}

struct evkv_slice evkv_request_head(const struct evkv_request *request,
    void *buffer)
{
	struct evkv_slice pattern = request->pattern;
	unsigned char *head = buffer, byte;
	size_t at = 0, size = 0;

	while (at < pattern.size && size < EVKV_PATTERN_MAX) {
		byte = match_byte(pattern, at);
		if (byte == '*' || byte == '?' || byte == '[' ||
		    !match_escaped(pattern, &at, &head[size]))
			break;
		size++;
	}
	/* Both hold, so the longer one implies the other or nothing matches. */
	if (request->match_prefix.size >= size)
		return request->match_prefix;
	return evkv_bytes(buffer, size);
}
