/*
 * Glob patterns over bytes; docs/patterns.md has the grammar.
 *
 * Every element of a pattern but '*' matches exactly one byte, so the text
 * between two stars (a segment) has a fixed length. The first segment must
 * match at the start of the name, the last at its end, and each of the others
 * may take the leftmost place where it fits: if any choice works, that one
 * does. So nothing is ever tried again and there is no recursion.
 *
 * A segment is searched for in windows of places: each element is read once for
 * a window, and rules out the places where it does not fit. In the worst case
 * that takes the product of the segment's length and the name's. Where that is
 * much, all places are tried at once, 64 elements at a time (in windows, when
 * out of memory). So no name takes more than about its length times the
 * pattern's, divided by 64.
 */
#include "base/match.h"

#include <string.h>

#include "evkv/driver.h"

#define MATCH_BAD SIZE_MAX
#define MATCH_SCAN_FROM 65536 /* places times elements */
#define MATCH_WINDOW_FIRST 16 /* places; the windows double */
#define MATCH_WINDOW_MOST 512

/* A run of elements without a star: pattern[start, end). */
struct match_segment {
	size_t start;
	size_t end;
	size_t length; /* of elements, and so of the bytes that it matches */
	bool literal;  /* each element is the byte itself */
};

#ifdef EVKV_DEBUG
_Thread_local size_t evkv__match_reads;
#endif

static unsigned char match_byte(struct evkv_slice slice, size_t i)
{
#ifdef EVKV_DEBUG
	evkv__match_reads++;
#endif
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

/* The bytes that an element matches, one bit each. */
struct match_map {
	uint64_t bits[4];
};

static bool match_map_has(const struct match_map *map, unsigned char byte)
{
	return (map->bits[byte / 64] >> byte % 64 & 1) != 0;
}

static void match_map_add(struct match_map *map, unsigned char low,
    unsigned char high)
{
	size_t first = low / 64, last = high / 64, i;
	uint64_t bits;

	for (i = first; i <= last; i++) {
		bits = UINT64_MAX;
		if (i == first)
			bits &= UINT64_MAX << low % 64;
		if (i == last)
			bits &= UINT64_MAX >> (63 - high % 64);
		map->bits[i] |= bits;
	}
}

static void match_map_invert(struct match_map *map)
{
	size_t i;

	for (i = 0; i < 4; i++)
		map->bits[i] = ~map->bits[i];
}

/*
 * The set whose '[' is at `at`. Returns where the pattern goes on, or MATCH_BAD
 * with *why set.
 */
static size_t match_set(struct evkv_slice pattern, size_t at,
    struct match_map *map, const char **why)
{
	unsigned char low, high;
	bool negate = false, first = true;

	*map = (struct match_map){ { 0 } };
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
		match_map_add(map, low, high);
	}
	if (negate)
		match_map_invert(map);
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
	struct match_map map;

	switch (match_byte(pattern, at)) {
	case '?': *hit = true; return at + 1;
	case '[':
		at = match_set(pattern, at, &map, why);
		*hit = at != MATCH_BAD && match_map_has(&map, byte);
		return at;
	default:
		*why = "a backslash with nothing after it";
		if (!match_escaped(pattern, &at, &literal))
			return MATCH_BAD;
		*hit = literal == byte;
		return at;
	}
}

/* The same as a map, of an element that is known to be well-formed. */
static size_t match_map_read(struct evkv_slice pattern, size_t at,
    struct match_map *map)
{
	unsigned char literal = 0;
	const char *why;

	if (match_byte(pattern, at) == '[')
		return match_set(pattern, at, map, &why);
	*map = (struct match_map){ { 0 } };
	if (match_byte(pattern, at) == '?') {
		match_map_invert(map);
		return at + 1;
	}
	match_escaped(pattern, &at, &literal);
	match_map_add(map, literal, literal);
	return at;
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

/* The leftmost of `count` places from `from` on where the segment fits. */
static size_t match_window_find(struct evkv_slice pattern,
    const struct match_segment *segment, struct evkv_slice name, size_t from,
    size_t count)
{
	uint16_t places[MATCH_WINDOW_MOST];
	size_t at = segment->start, element = from, kept, i;
	struct match_map map;

	for (i = 0; i < count; i++)
		places[i] = (uint16_t)i;
	for (; at < segment->end && count > 0; element++, count = kept) {
		at = match_map_read(pattern, at, &map);
		kept = 0;
		for (i = 0; i < count; i++) {
			places[kept] = places[i];
			kept += match_map_has(&map,
			    match_byte(name, element + places[i]));
		}
	}
	return count > 0 ? from + places[0] : MATCH_BAD;
}

static size_t match_windows_find(struct evkv_slice pattern,
    const struct match_segment *segment, struct evkv_slice name, size_t from,
    size_t places)
{
	size_t count = MATCH_WINDOW_FIRST, found;

	while (places > 0) {
		if (count > places)
			count = places;
		found = match_window_find(pattern, segment, name, from, count);
		if (found != MATCH_BAD)
			return found;
		from += count;
		places -= count;
		if (count < MATCH_WINDOW_MOST)
			count *= 2;
	}
	return MATCH_BAD;
}

/*
 * All places at once, for segments that would take long otherwise: bit i of
 * `state` tells that the segment's first i + 1 elements match the bytes just
 * read; `masks` has, for each byte value, the elements that match it.
 */
struct match_scan {
	size_t words;
	uint64_t *state;
	uint64_t *masks;
};

/* Write element i into the masks of those bytes which are fewer. */
static void match_scan_add(struct match_scan *scan, size_t i,
    struct match_map *map, uint64_t *mostly)
{
	uint64_t bit = UINT64_C(1) << i % 64, bits;
	int count = 0;
	size_t byte, j;

	for (j = 0; j < 4; j++)
		count += __builtin_popcountll(map->bits[j]);
	if (count > 128) {
		mostly[i / 64] |= bit;
		match_map_invert(map);
	}
	for (j = 0; j < 4; j++) {
		for (bits = map->bits[j]; bits != 0; bits &= bits - 1) {
			byte = 64 * j + (size_t)__builtin_ctzll(bits);
			scan->masks[byte * scan->words + i / 64] |= bit;
		}
	}
}

/* The masks of a segment; false = no memory. */
static bool match_scan_init(struct match_scan *scan, struct evkv_slice pattern,
    const struct match_segment *segment)
{
	size_t at = segment->start, i;
	struct match_map map;
	uint64_t *mostly;

	scan->words = (segment->length + 63) / 64;
	scan->state = evkv_calloc(258, scan->words * sizeof(uint64_t));
	if (scan->state == NULL)
		return false;
	mostly = scan->state + scan->words;
	scan->masks = mostly + scan->words;
	for (i = 0; i < segment->length; i++) {
		at = match_map_read(pattern, at, &map);
		match_scan_add(scan, i, &map, mostly);
	}
	for (i = 0; i < 256 * scan->words; i++)
		scan->masks[i] ^= mostly[i % scan->words];
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

/* Literal text: the C library searches for it in linear time. */
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
	size_t places;
	struct match_scan scan;

	if (segment->length == 0)
		return from;
	if (to - from < segment->length)
		return MATCH_BAD;
	if (segment->literal)
		return match_literal_find(pattern, segment, name, from, to);
	places = to - from - segment->length + 1;
	if (places * segment->length <= MATCH_SCAN_FROM ||
	    !match_scan_init(&scan, pattern, segment))
		return match_windows_find(pattern, segment, name, from, places);
	from = match_scan_find(&scan, segment->length, name, from, to);
	evkv_free(scan.state);
	return from;
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
	const char *unused;

	if (why == NULL)
		why = &unused;
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

struct evkv_slice evkv_match_head(const struct evkv_match *match, void *buffer)
{
	struct evkv_slice pattern = match->pattern;
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
	if (match->prefix.size >= size)
		return match->prefix;
	return evkv_bytes(buffer, size);
}
