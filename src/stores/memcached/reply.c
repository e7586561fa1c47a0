/*
 * Replies of the meta protocol: a code of two letters, of a value its size,
 * then flags of a letter and an argument each, and the bytes of a value in
 * lines of their own. Errors are lines of words.
 *
 * Nothing of the server's is trusted: sizes are bounded by what has arrived,
 * and a line has a longest length. Flags that were not asked for are passed
 * over; what is malformed is no reply.
 */
#include "reply.h"

#include <string.h>

enum memcached_read evkv__memcached_line(const char *data, size_t size,
    struct evkv_slice *line, size_t *used)
{
	size_t most = size < MEMCACHED_LINE_MAX ? size : MEMCACHED_LINE_MAX;
	const char *end = size > 0 ? memchr(data, '\n', most) : NULL;

	if (end == NULL)
		return size < MEMCACHED_LINE_MAX ? MEMCACHED_READ_MORE
						 : MEMCACHED_READ_BAD;
	if (end == data || end[-1] != '\r')
		return MEMCACHED_READ_BAD;
	*line = evkv_bytes(data, (size_t)(end - 1 - data));
	*used = line->size + 2;
	return MEMCACHED_READ_DONE;
}

bool evkv__memcached_line_is(struct evkv_slice line, const char *word)
{
	size_t size = strlen(word);

	return line.size >= size && memcmp(line.data, word, size) == 0 &&
	    (line.size == size || ((const char *)line.data)[size] == ' ');
}

/* ---- Numbers ---------------------------------------------------------- */

/* Digits from *at on, at least one. */
static bool read_number(const char **at, const char *end, uint64_t *number)
{
	const char *next = *at;

	*number = 0;
	for (; next < end && *next >= '0' && *next <= '9'; next++) {
		uint64_t digit = (uint64_t)(*next - '0');

		if (*number > (UINT64_MAX - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	if (next == *at)
		return false;
	*at = next;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_opaque(const char **at, const char *end, uint32_t *opaque)
{
	const char *next = *at;

	*opaque = 0;
	for (; next < end && hex_value(*next) >= 0; next++) {
		if (next - *at == 8)
			return false;
		*opaque = *opaque << 4 | (uint32_t)hex_value(*next);
	}
	if (next == *at)
		return false;
	*at = next;
	return true;
}

static bool read_ttl(const char **at, const char *end, int64_t *ttl_s)
{
	uint64_t number;

	if (end - *at >= 2 && memcmp(*at, "-1", 2) == 0) {
		*at += 2;
		*ttl_s = -1;
		return true;
	}
	if (!read_number(at, end, &number) || number > UINT32_MAX)
		return false;
	*ttl_s = (int64_t)number;
	return true;
}

/* ---- Flags ------------------------------------------------------------ */

/* One flag, whose letter has been passed. */
static bool read_flag(char flag, const char **at, const char *end,
    struct memcached_reply *reply)
{
	switch (flag) {
	case 'O':
		reply->has_opaque = true;
		return read_opaque(at, end, &reply->opaque);
	case 'c': return read_number(at, end, &reply->cas);
	case 't':
		reply->has_ttl = true;
		return read_ttl(at, end, &reply->ttl_s);
	default:
		while (*at < end && **at != ' ')
			(*at)++;
		return true;
	}
}

/* A blank and a flag, and so on to the end. */
static bool read_flags(const char *at, const char *end,
    struct memcached_reply *reply)
{
	char flag;

	while (at < end) {
		if (*at++ != ' ')
			return false;
		/* Some answers have a blank at their end. */
		if (at == end)
			return true;
		flag = *at++;
		if (!read_flag(flag, &at, end, reply))
			return false;
	}
	return true;
}

/* ---- Whole replies ---------------------------------------------------- */

/* The size that stands in the line, and the bytes behind it. */
static enum memcached_read read_value(const char *at, struct evkv_slice line,
    const char *data, size_t size, struct memcached_reply *reply, size_t *used)
{
	const char *end = (const char *)line.data + line.size;
	const char *value = data + line.size + 2;
	size_t left = size - line.size - 2;
	uint64_t bytes;

	if (at == end || *at++ != ' ' || !read_number(&at, end, &bytes) ||
	    bytes > INT64_MAX || !read_flags(at, end, reply))
		return MEMCACHED_READ_BAD;
	if (left < bytes || left - bytes < 2)
		return MEMCACHED_READ_MORE;
	if (memcmp(value + bytes, "\r\n", 2) != 0)
		return MEMCACHED_READ_BAD;
	reply->bytes = evkv_bytes(value, (size_t)bytes);
	*used += (size_t)bytes + 2;
	return MEMCACHED_READ_DONE;
}

static bool read_error(struct evkv_slice line, struct memcached_reply *reply)
{
	if (evkv__memcached_line_is(line, "SERVER_ERROR"))
		reply->code = MEMCACHED_SERVER_ERROR;
	else if (evkv__memcached_line_is(line, "CLIENT_ERROR") ||
	    evkv__memcached_line_is(line, "ERROR"))
		reply->code = MEMCACHED_ERROR;
	else
		return false;
	reply->bytes = line;
	return true;
}

/* The code that a line begins with; false: none. */
static bool read_code(struct evkv_slice line, enum memcached_code *code)
{
	static const char codes[][3] = {
		[MEMCACHED_HD] = "HD",
		[MEMCACHED_VA] = "VA",
		[MEMCACHED_EN] = "EN",
		[MEMCACHED_NF] = "NF",
		[MEMCACHED_NS] = "NS",
		[MEMCACHED_EX] = "EX",
		[MEMCACHED_MN] = "MN",
		[MEMCACHED_OK] = "OK",
	};
	const char *at = line.data;

	if (line.size < 2 || (line.size > 2 && at[2] != ' '))
		return false;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (at[0] == codes[i][0] && at[1] == codes[i][1]) {
			*code = (enum memcached_code)i;
			return true;
		}
	}
	return false;
}

enum memcached_read evkv__memcached_reply(const char *data, size_t size,
    struct memcached_reply *reply, size_t *used)
{
	struct evkv_slice line;
	enum memcached_read read;
	const char *at;

	read = evkv__memcached_line(data, size, &line, used);
	if (read != MEMCACHED_READ_DONE)
		return read;
	*reply = (struct memcached_reply){ .code = MEMCACHED_HD };
	if (!read_code(line, &reply->code))
		return read_error(line, reply) ? MEMCACHED_READ_DONE
					       : MEMCACHED_READ_BAD;
	at = (const char *)line.data + 2;
	if (reply->code == MEMCACHED_VA)
		return read_value(at, line, data, size, reply, used);
	return read_flags(at, (const char *)line.data + line.size, reply)
	    ? MEMCACHED_READ_DONE
	    : MEMCACHED_READ_BAD;
}
