/*
 * The glob matcher: by examples, against a plain matcher, and at its bounds.
 */
#include <stdlib.h>
#include <string.h>

#include "base/match.h"
#include "evkv/driver.h"
#include "lib/faults.h"
#include "lib/test.h"

static bool glob(const char *pattern, const char *name)
{
	return evkv_match(evkv_str(""), evkv_str(pattern), evkv_str(name));
}

struct match_row {
	const char *pattern;
	const char *name;
	bool matches;
};

static void check_rows(const struct match_row *rows, size_t count)
{
	const char *why;
	size_t i;

	for (i = 0; i < count; i++) {
		check(evkv_pattern_check(evkv_str(rows[i].pattern), &why));
		if (glob(rows[i].pattern, rows[i].name) != rows[i].matches)
			fail_test("'%s' and '%s': not %d", rows[i].pattern,
			    rows[i].name, rows[i].matches);
	}
}

#define CHECK_ROWS(rows_) check_rows(rows_, sizeof(rows_) / sizeof(rows_[0]))

EVKV_TEST(unit_match, empty_pattern_matches_everything)
{
	check(glob("", ""));
	check(glob("", "anything"));
}

EVKV_TEST(unit_match, literals)
{
	static const struct match_row rows[] = {
		{ "abc", "abc", true },
		{ "abc", "abd", false },
		{ "abc", "ab", false },
		{ "abc", "abcd", false },
		{ "abc", "ABC", false },
		{ "a.c", "abc", false },
		{ "a]c", "a]c", true },
		{ "a-c", "a-c", true },
		{ "!a", "!a", true },
	};

	CHECK_ROWS(rows);
}

EVKV_TEST(unit_match, stars)
{
	static const struct match_row rows[] = {
		{ "*", "", true },
		{ "*", "abc", true },
		{ "**", "", true },
		{ "a*", "a", true },
		{ "a*", "abc", true },
		{ "a*", "ba", false },
		{ "*a", "a", true },
		{ "*a", "bba", true },
		{ "*a", "ab", false },
		{ "a*b", "ab", true },
		{ "a*b", "aXb", true },
		{ "a*b", "a", false },
		{ "a*a", "a", false },
		{ "a*a", "aa", true },
		{ "*ab*", "xxabyy", true },
		{ "*ab*", "xxaby", true },
		{ "*ab*", "xxayb", false },
		{ "*a*b*c*", "abc", true },
		{ "*a*b*c*", "acb", false },
		{ "a*bc*d", "abcbcd", true },
		{ "*aab", "aaaab", true },
		{ "*?a", "a", false },
		{ "*?a", "ba", true },
		{ "ab*ab", "ab", false },
		{ "ab*ab", "abab", true },
		{ "ab*ba", "aba", false },
	};

	CHECK_ROWS(rows);
}

EVKV_TEST(unit_match, question_mark_takes_one_byte)
{
	static const struct match_row rows[] = {
		{ "?", "", false }, { "?", "a", true }, { "?", "ab", false },
		{ "a?c", "abc", true }, { "a?c", "ac", false },
		{ "??", "\xc3\xa4", true }, /* bytes, not characters */
	};

	CHECK_ROWS(rows);
}

EVKV_TEST(unit_match, sets)
{
	static const struct match_row rows[] = {
		{ "[abc]", "b", true },
		{ "[abc]", "d", false },
		{ "[abc]", "", false },
		{ "[a-c]x", "bx", true },
		{ "[a-c]x", "dx", false },
		{ "[!a-c]", "d", true },
		{ "[!a-c]", "b", false },
		{ "[^a-c]", "d", true },
		{ "[^a-c]", "a", false },
		{ "[!a]", "", false },
		{ "[a!]", "!", true },
		{ "[a^]", "^", true },
		{ "[]]", "]", true },
		{ "[]a]", "a", true },
		{ "[!]]", "]", false },
		{ "[!]]", "a", true },
		{ "[a-]", "-", true },
		{ "[-a]", "-", true },
		{ "[a-]", "b", false },
		{ "[*]", "*", true },
		{ "[*]", "a", false },
		{ "[?]", "?", true },
		{ "[[]", "[", true },
		{ "[a-a]", "a", true },
		{ "[a-cx-z]", "y", true },
		{ "[a-cx-z]", "m", false },
		{ "[\\]]", "]", true },
		{ "[\\]a]", "a", true },
		{ "[\\\\]", "\\", true },
		{ "[\\a-\\c]", "b", true },
		{ "[\\!a]", "!", true },
		{ "[a\\-c]", "b", false },
		{ "[a\\-c]", "-", true },
		{ "[\x80-\xff]", "\xc3", true },
		{ "[\x80-\xff]", "a", false },
		{ "x[ab]*[cd]y", "xa--dy", true },
	};

	CHECK_ROWS(rows);
}

EVKV_TEST(unit_match, backslash_takes_the_meaning_away)
{
	static const struct match_row rows[] = {
		{ "\\*", "*", true },
		{ "\\*", "a", false },
		{ "\\?", "?", true },
		{ "\\?", "a", false },
		{ "\\[a]", "[a]", true },
		{ "\\\\", "\\", true },
		{ "\\a", "a", true },
		{ "a\\*b*", "a*bc", true },
		{ "*\\*", "ab*", true },
		{ "*\\**", "a*b", true },
		{ "*\\**", "ab", false },
	};

	CHECK_ROWS(rows);
}

EVKV_TEST(unit_match, bytes_of_any_value)
{
	check(evkv_match(EVKV_LIT(""), EVKV_LIT("a\0*"), EVKV_LIT("a\0b")));
	check(!evkv_match(EVKV_LIT(""), EVKV_LIT("a\0b"), EVKV_LIT("a\0c")));
	check(evkv_match(EVKV_LIT(""), EVKV_LIT("[\0-\x01]"), EVKV_LIT("\0")));
	check(evkv_match(EVKV_LIT(""), EVKV_LIT("*\0*\0"), EVKV_LIT("\0\0")));
}

EVKV_TEST(unit_match, prefix_is_literal)
{
	check(evkv_match(EVKV_LIT("a*"), EVKV_LIT(""), EVKV_LIT("a*b")));
	check(!evkv_match(EVKV_LIT("a*"), EVKV_LIT(""), EVKV_LIT("axb")));
	check(!evkv_match(EVKV_LIT("ab"), EVKV_LIT("*"), EVKV_LIT("a")));
	/* The pattern is about the whole name, its prefix included. */
	check(evkv_match(EVKV_LIT("ab"), EVKV_LIT("*c"), EVKV_LIT("abc")));
	check(!evkv_match(EVKV_LIT("ab"), EVKV_LIT("c"), EVKV_LIT("abc")));
	check(evkv_match(EVKV_LIT(""), EVKV_LIT("*"), evkv_bytes(NULL, 0)));
}

EVKV_TEST(unit_match, malformed_patterns_are_named_and_match_nothing)
{
	static const struct {
		const char *pattern;
		const char *why;
	} rows[] = {
		{ "[", "']'" },
		{ "[]", "']'" },
		{ "[!", "']'" },
		{ "[!]", "']'" },
		{ "[a", "']'" },
		{ "[a-", "']'" },
		{ "[a\\]", "']'" },
		{ "[a-\\", "']'" },
		{ "a*[b", "']'" },
		{ "[c-a]", "range" },
		{ "x*[ab-a]", "range" },
		{ "\\", "backslash" },
		{ "a*b\\", "backslash" },
	};
	const char *why;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(!evkv_pattern_check(evkv_str(rows[i].pattern), &why));
		check_contains(why, rows[i].why);
		check(!evkv_pattern_check(evkv_str(rows[i].pattern), NULL));
		check(!glob(rows[i].pattern, rows[i].pattern));
		check(!glob(rows[i].pattern, "a"));
	}
}

EVKV_TEST(unit_match, a_pattern_has_a_longest_size)
{
	char *pattern = malloc(EVKV_PATTERN_MAX + 1);
	const char *why;

	memset(pattern, '?', EVKV_PATTERN_MAX + 1);
	check(evkv_pattern_check(evkv_bytes(pattern, EVKV_PATTERN_MAX), &why));
	check(!evkv_pattern_check(evkv_bytes(pattern, EVKV_PATTERN_MAX + 1),
	    &why));
	check_contains(why, "4096");
	free(pattern);
}

/* Tries everything: slow, and plainly right. */
static bool slow_set(const char **pattern, char c)
{
	const char *p = *pattern + 1;
	bool negate = *p == '!', in = false;

	p += negate;
	do {
		char low = *p++;
		char high = low;

		if (*p == '-' && p[1] != ']') {
			high = p[1];
			p += 2;
		}
		in |= low <= c && c <= high;
	} while (*p != ']');
	*pattern = p + 1;
	return in != negate;
}

static bool slow_match(const char *pattern, const char *name)
{
	switch (*pattern) {
	case '\0': return *name == '\0';
	case '*':
		return slow_match(pattern + 1, name) ||
		    (*name != '\0' && slow_match(pattern, name + 1));
	case '?': return *name != '\0' && slow_match(pattern + 1, name + 1);
	case '[':
		return *name != '\0' && slow_set(&pattern, *name) &&
		    slow_match(pattern, name + 1);
	default: return *name == *pattern && slow_match(pattern + 1, name + 1);
	}
}

EVKV_TEST(unit_match, agrees_with_a_plain_matcher)
{
	static const char *const pieces[] = { "*", "*", "?", "a", "b", "ab",
		"[ab]", "[!a]", "[a-b]", "c", "aa", "ba" };
	uint32_t random = 12345, length, matched = 0;
	char pattern[64], name[16];
	int round;

	for (round = 0; round < 200000; round++) {
		pattern[0] = '\0';
		random = random * 1664525 + 1013904223;
		for (length = 1 + (random >> 16) % 7; length > 0; length--) {
			random = random * 1664525 + 1013904223;
			strcat(pattern, pieces[(random >> 16) % 12]);
		}
		random = random * 1664525 + 1013904223;
		length = (random >> 16) % 10;
		name[length] = '\0';
		while (length > 0) {
			random = random * 1664525 + 1013904223;
			name[--length] = (char)('a' + (random >> 16) % 3);
		}
		matched += slow_match(pattern, name);
		if (glob(pattern, name) != slow_match(pattern, name))
			fail_test("'%s' and '%s'", pattern, name);
	}
	/* Neither all nor next to none: the comparison is worth something. */
	check_between(matched, 10000, 190000);
}

/* What takes a matcher that tries again longer than anybody waits. */
EVKV_TEST(unit_match, time_does_not_explode)
{
	char *name = malloc(EVKV_KEY_MAX), pattern[EVKV_PATTERN_MAX];
	size_t i;

	memset(name, 'a', EVKV_KEY_MAX);
	for (i = 0; i + 4 <= sizeof(pattern); i += 4)
		memcpy(pattern + i, "*aa?", 4);
	pattern[sizeof(pattern) - 1] = 'b';
	check(!evkv_match(EVKV_LIT(""), evkv_bytes(pattern, sizeof(pattern)),
	    evkv_bytes(name, EVKV_KEY_MAX)));
	name[EVKV_KEY_MAX - 1] = 'b';
	check(evkv_match(EVKV_LIT(""), evkv_bytes(pattern, sizeof(pattern)),
	    evkv_bytes(name, EVKV_KEY_MAX)));
	free(name);
}

#ifdef EVKV_DEBUG
/* "*[xxx...xa]Z*": one element that takes long to read. */
static struct evkv_slice wide_pattern(char buffer[EVKV_PATTERN_MAX])
{
	memset(buffer, 'x', EVKV_PATTERN_MAX);
	memcpy(buffer, "*[", 2);
	memcpy(buffer + EVKV_PATTERN_MAX - 4, "a]Z*", 4);
	return evkv_bytes(buffer, EVKV_PATTERN_MAX);
}

static size_t match_reads(struct evkv_slice pattern, struct evkv_slice name)
{
	evkv__match_reads = 0;
	check(!evkv_match(EVKV_LIT(""), pattern, name));
	return evkv__match_reads;
}

/* Not once for each place in the name. */
EVKV_TEST(unit_match, a_pattern_is_read_a_few_times)
{
	static const size_t sizes[] = { 600, 6000, EVKV_KEY_MAX };
	char *name = malloc(EVKV_KEY_MAX), buffer[EVKV_PATTERN_MAX];
	struct evkv_slice pattern = wide_pattern(buffer);
	size_t once = match_reads(pattern, EVKV_LIT("a")), i;

	check(once >= EVKV_PATTERN_MAX / 2);
	memset(name, 'a', EVKV_KEY_MAX);
	for (i = 0; i < 3; i++)
		check(match_reads(pattern, evkv_bytes(name, sizes[i])) <
		    (30 + sizes[i] / 100) * once + 2 * sizes[i]);
	free(name);
}
#endif

/* Where a segment fits first, at the edges of what is tried at a time. */
EVKV_TEST(unit_match, the_leftmost_place_is_taken)
{
	char name[2001];
	size_t i;

	for (i = 0; i + 3 <= 2000; i += i < 40 ? 1 : 13) {
		memset(name, 'a', 2000);
		name[2000] = '\0';
		memcpy(name + i, "b1c", 3);
		check(glob("*b[0-9]c*", name));
		check(!glob("*b[0-9]d*", name));
		check(glob("*b[0-9]*c*", name));
		check(!glob("*b[0-9]?*c*", name));
		name[i + 2] = 'b';
		if (i + 6 <= 2000)
			memcpy(name + i + 3, "2b3", 3);
		check(glob("*[b][0-9]*", name));
		check(i + 6 > 2000 || glob("*b[1]*b[2]*b[3]*", name));
		check(!glob("*b[1]*b[1]*", name));
	}
}

/*
 * Long names and segments, which are looked for in another way: a run of a's
 * with one b, and a segment that ends with it.
 */
static bool long_match(size_t length, size_t b_at, size_t name_size)
{
	char *name = malloc(name_size), *pattern = malloc(length + 4);
	size_t i;
	bool matches;

	memset(name, 'a', name_size);
	if (b_at < name_size)
		name[b_at] = 'b';
	pattern[0] = '*';
	for (i = 1; i < length; i++)
		pattern[i] = i % 2 != 0 ? '?' : 'a';
	/* length elements in all, the last being [b]. */
	memcpy(pattern + length, "[b]*", 4);
	matches = evkv_match(EVKV_LIT(""), evkv_bytes(pattern, length + 4),
	    evkv_bytes(name, name_size));
	free(pattern);
	free(name);
	return matches;
}

static void check_long_matches(void)
{
	static const size_t lengths[] = { 2, 3, 63, 64, 65, 127, 128, 129, 2000,
		4000 };
	size_t i, length;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		length = lengths[i];
		check(long_match(length, 40000, 50000));
		check(long_match(length, length - 1, 50000));
		check(!long_match(length, length - 2, 50000));
		check(long_match(length, 49999, 50000));
		check(!long_match(length, 50000, 50000));
	}
}

EVKV_TEST(unit_match, long_names_and_segments)
{
	check_long_matches();
}

EVKV_TEST(unit_match, long_segments_without_memory)
{
	check(long_match(300, 2000, 3000));
	faults_fail_from(1);
	check(long_match(300, 2000, 3000));
	check(!long_match(300, 3000, 3000));
	check_int(faults_fired(), 2);
	faults_off();
}

static struct evkv_slice head(const char *prefix, const char *pattern,
    char *buffer)
{
	return evkv_match_head(
	    &(struct evkv_match){
		.prefix = evkv_str(prefix),
		.pattern = evkv_str(pattern),
	    },
	    buffer);
}

EVKV_TEST(unit_match, request_head)
{
	char buffer[EVKV_PATTERN_MAX];

	check_slice(head("", "", buffer), "");
	check_slice(head("", "*", buffer), "");
	check_slice(head("", "abc", buffer), "abc");
	check_slice(head("", "abc*d", buffer), "abc");
	check_slice(head("", "ab?", buffer), "ab");
	check_slice(head("", "ab[c]", buffer), "ab");
	check_slice(head("", "a\\*b\\[c*", buffer), "a*b[c");
	check_slice(head("a", "abc*", buffer), "abc");
	check_slice(head("abc", "a*", buffer), "abc");
	check_slice(head("xyz", "", buffer), "xyz");
}

EVKV_TEST(unit_match, request_head_of_the_longest_pattern)
{
	char buffer[EVKV_PATTERN_MAX], pattern[EVKV_PATTERN_MAX];
	struct evkv_request request = { .kind = EVKV_OP_KEYS };

	memset(pattern, 'p', sizeof(pattern));
	request.match.pattern = evkv_bytes(pattern, sizeof(pattern));
	check_bytes(evkv_match_head(&request.match, buffer),
	    request.match.pattern);
}
