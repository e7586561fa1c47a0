/*
 * base/json_read.c - the reader of JSON (RFC 8259).
 *
 * One token at a time. Whatever a token needs to be checked (UTF-8, escapes,
 * the grammar of numbers) is looked at when its text is complete and in one
 * piece: that which was fed, or, where a piece ended in the middle of it, a
 * copy that grows until the end has come.
 */
#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"
#include "evkv/alloc.h"
#include "evkv/json.h"

#define DEPTH_DEFAULT 32

/* What the grammar takes next. */
enum {
	EXPECT_VALUE,
	EXPECT_VALUE_OR_END, /* after "[" */
	EXPECT_NAME,         /* after "," in an object */
	EXPECT_NAME_OR_END,  /* after "{" */
	EXPECT_COLON,
	EXPECT_COMMA_OR_END,
	EXPECT_NOTHING, /* the document is complete */
	EXPECT_FAILED,
};

void evkv_json_reader_init(struct evkv_json_reader *reader,
    const struct evkv_json_limits *limits)
{
	memset(reader, 0, sizeof(*reader));
	if (limits != NULL)
		reader->limits = *limits;
	if (reader->limits.max_depth == 0)
		reader->limits.max_depth = DEPTH_DEFAULT;
	if (reader->limits.max_depth > EVKV_JSON_DEPTH_MAX)
		reader->limits.max_depth = EVKV_JSON_DEPTH_MAX;
	reader->why = "";
}

void evkv_json_reader_clear(struct evkv_json_reader *reader)
{
	evkv_free(reader->held);
	reader->held = NULL;
	reader->held_size = reader->held_room = reader->given = 0;
}

void evkv_json_feed(struct evkv_json_reader *reader, struct evkv_slice bytes,
    bool last)
{
	reader->input = bytes;
	reader->last = last;
}

static enum evkv_json_kind fail(struct evkv_json_reader *reader,
    uint64_t offset, const char *why)
{
	reader->expects = EXPECT_FAILED;
	reader->why = why;
	reader->offset = offset;
	return EVKV_JSON_ERROR;
}

/* ---- Input --------------------------------------------------------------- */

static void skip(struct evkv_json_reader *reader, size_t size)
{
	if (size == 0)
		return;
	reader->input.data = (const char *)reader->input.data + size;
	reader->input.size -= size;
	reader->before += size;
}

/* The next byte that is not white space; -1 = there is none yet. */
static int peek_byte(struct evkv_json_reader *reader)
{
	const char *bytes = reader->input.data;
	size_t i = 0;

	while (i < reader->input.size &&
	    (bytes[i] == ' ' || bytes[i] == '\n' || bytes[i] == '\r' ||
		bytes[i] == '\t'))
		i++;
	if (i > 0)
		skip(reader, i);
	return reader->input.size > 0 ? (unsigned char)bytes[i] : -1;
}

static bool hold(struct evkv_json_reader *reader, const char *bytes,
    size_t size)
{
	size_t need = reader->held_size + size, room;
	char *held;

	if (need > reader->held_room) {
		room = need < 128 ? 256 : need * 2;
		held = evkv_malloc(room);
		if (held == NULL)
			return false;
		if (reader->held_size > 0)
			memcpy(held, reader->held, reader->held_size);
		evkv_free(reader->held);
		reader->held = held;
		reader->held_room = room;
	}
	if (size > 0)
		memcpy(reader->held + reader->held_size, bytes, size);
	reader->held_size = need;
	return true;
}

/*
 * `size` more bytes of the token are here; they are the last ones of it where
 * `done`. Its text is set then, and is in one piece.
 */
static enum evkv_json_kind take(struct evkv_json_reader *reader, size_t size,
    bool done)
{
	const char *bytes = reader->input.data;
	size_t max = reader->limits.max_token;

	if (reader->limits.parts && reader->token.kind == EVKV_JSON_STRING)
		max = 0;
	if (max != 0 && (size > max || reader->held_size > max - size))
		return fail(reader, reader->token.offset,
		    "a string or a number that is too long");
	if (done && reader->held_size == 0) {
		reader->token.text = evkv_bytes(bytes, size);
		skip(reader, size);
		return reader->token.kind;
	}
	if (!hold(reader, bytes, size))
		return fail(reader, reader->token.offset, "out of memory");
	skip(reader, size);
	reader->token.text = evkv_bytes(reader->held, reader->held_size);
	if (done)
		reader->held_size = 0;
	return done ? reader->token.kind : EVKV_JSON_MORE;
}

/* ---- Checks of complete tokens ------------------------------------------ */

/* Whether eight bytes are ASCII. */
static bool word_is_ascii(const unsigned char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool evkv_utf8_check(struct evkv_slice bytes)
{
	const unsigned char *at = bytes.data;
	size_t left = bytes.size, size;

	for (; left > 0; left -= size, at += size) {
		if (left >= 8 && word_is_ascii(at))
			size = 8;
		else
			size = utf8_sequence(at, left);
		if (size == 0)
			return false;
	}
	return true;
}

/* Four hex digits; -1 = there are none. */
static long hex_read(const char *at, size_t left)
{
	long code = 0;
	int i, digit;

	if (left < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		digit = hex_digit(at[i]);
		if (digit < 0)
			return -1;
		code = code << 4 | digit;
	}
	return code;
}

/*
 * The escape sequence after a backslash: its length in bytes, 0 = none, and
 * what it stands for.
 */
static size_t escape_read(const char *at, size_t left, uint32_t *code)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	const char *letter;
	long high, low;

	*code = 0;
	if (left == 0)
		return 0;
	if (at[0] != 'u') {
		letter = at[0] != '\0' ? strchr(letters, at[0]) : NULL;
		if (letter == NULL)
			return 0;
		*code = (unsigned char)meant[letter - letters];
		return 1;
	}
	high = hex_read(at + 1, left - 1);
	if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
		return 0;
	*code = (uint32_t)high;
	if (high < 0xd800 || high > 0xdbff)
		return 5;
	if (left < 11 || at[5] != '\\' || at[6] != 'u')
		return 0;
	low = hex_read(at + 7, left - 7);
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	*code = 0x10000 + ((uint32_t)(high - 0xd800) << 10) +
	    (uint32_t)(low - 0xdc00);
	return 11;
}

static bool escapes_ok(struct evkv_slice text)
{
	const char *at = text.data;
	size_t i, size;
	uint32_t code;

	for (i = 0; i < text.size; i++) {
		if (at[i] != '\\')
			continue;
		size = escape_read(at + i + 1, text.size - i - 1, &code);
		if (size == 0)
			return false;
		i += size;
	}
	return true;
}

static size_t digits(const char *at, size_t size, size_t i)
{
	while (i < size && at[i] >= '0' && at[i] <= '9')
		i++;
	return i;
}

/* [ "-" ] int [ frac ] [ exp ] */
static bool number_ok(struct evkv_slice text)
{
	const char *at = text.data;
	size_t size = text.size, i = 0, from;

	if (i < size && at[i] == '-')
		i++;
	from = i;
	i = digits(at, size, i);
	if (i == from || (at[from] == '0' && i > from + 1))
		return false;
	if (i < size && at[i] == '.') {
		from = ++i;
		i = digits(at, size, i);
		if (i == from)
			return false;
	}
	if (i < size && (at[i] == 'e' || at[i] == 'E')) {
		i++;
		if (i < size && (at[i] == '+' || at[i] == '-'))
			i++;
		from = i;
		i = digits(at, size, i);
		if (i == from)
			return false;
	}
	return i == size;
}

/* ---- Tokens -------------------------------------------------------------- */

static enum evkv_json_kind string_done(struct evkv_json_reader *reader)
{
	struct evkv_json_token *token = &reader->token;

	skip(reader, 1); /* the closing quote */
	reader->inside = false;
	if (token->escaped && !escapes_ok(token->text))
		return fail(reader, token->offset,
		    "an escape sequence that JSON does not have");
	if (!evkv_utf8_check(token->text))
		return fail(reader, token->offset, "invalid UTF-8");
	if (token->kind == EVKV_JSON_NAME)
		reader->expects = EXPECT_COLON;
	else
		reader->expects = EXPECT_COMMA_OR_END;
	return token->kind;
}

/*
 * How many bytes at the start of a string's text are whole characters: all but
 * an escape sequence or a character that ends later, or is wrong.
 */
static size_t whole_characters(struct evkv_slice text, bool escaped)
{
	const char *at = text.data;
	size_t i = 0, size;
	uint32_t code;

	/* Without escapes only the last character can be unfinished. */
	if (!escaped && text.size > 3)
		i = text.size - 3;
	while (i > 0 && ((unsigned char)at[i] & 0xc0) == 0x80)
		i--;
	while (i < text.size) {
		if (at[i] == '\\') {
			size = escape_read(at + i + 1, text.size - i - 1,
			    &code);
			size += size > 0;
		} else {
			size = utf8_sequence((const unsigned char *)at + i,
			    text.size - i);
		}
		if (size == 0)
			break;
		i += size;
	}
	return i;
}

/* All that was fed is in the string; give what is whole of it. */
static enum evkv_json_kind string_part(struct evkv_json_reader *reader)
{
	struct evkv_json_token *token = &reader->token;
	struct evkv_slice text = reader->input;
	size_t whole;

	if (reader->held_size > 0) {
		if (!hold(reader, text.data, text.size))
			return fail(reader, token->offset, "out of memory");
		text = evkv_bytes(reader->held, reader->held_size);
	}
	whole = whole_characters(text, token->escaped);
	/* What is longer than any character is not an unfinished one. */
	if (text.size - whole > 12)
		return fail(reader, token->offset, "a character that is none");
	if (reader->held_size > 0)
		reader->given = whole;
	else if (!hold(reader, (const char *)text.data + whole,
		     text.size - whole))
		return fail(reader, token->offset, "out of memory");
	skip(reader, reader->input.size);
	token->text = evkv_bytes(text.data, whole);
	if (!evkv_utf8_check(token->text))
		return fail(reader, token->offset, "invalid UTF-8");
	return whole > 0 ? EVKV_JSON_PART : EVKV_JSON_MORE;
}

/* The part given last is done with. */
static void drop_given(struct evkv_json_reader *reader)
{
	reader->held_size -= reader->given;
	memmove(reader->held, reader->held + reader->given, reader->held_size);
	reader->given = 0;
}

/*
 * The highest bit of the first of eight bytes that is a quote, a backslash or a
 * control character; bits behind it say nothing, for it borrows from the next.
 */
static uint64_t find_special(const unsigned char *at)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t word, quote, backslash, found;

	memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	quote = word ^ ones * '"';
	backslash = word ^ ones * '\\';
	found = (word - ones * 0x20) & ~word;
	found |= (quote - ones) & ~quote;
	found |= (backslash - ones) & ~backslash;
	return found & ones << 7;
}

/* How many bytes come before a quote, a backslash or a control character. */
static size_t plain_bytes(const unsigned char *at, size_t size)
{
	uint64_t found;
	size_t i;

	for (i = 0; size - i >= sizeof(found); i += sizeof(found)) {
		found = find_special(at + i);
		if (found != 0)
			return i + (size_t)__builtin_ctzll(found) / 8;
	}
	while (i < size && at[i] >= 0x20 && at[i] != '"' && at[i] != '\\')
		i++;
	return i;
}

/* From after the opening quote, or where the piece before ended. */
static enum evkv_json_kind string_read(struct evkv_json_reader *reader)
{
	const unsigned char *at = reader->input.data;
	size_t size = reader->input.size, i = 0;
	enum evkv_json_kind kind;

	for (; i < size; i++) {
		if (reader->backslash) {
			reader->backslash = false;
			continue;
		}
		i += plain_bytes(at + i, size - i);
		if (i == size)
			break;
		if (at[i] == '"') {
			kind = take(reader, i, true);
			return kind == EVKV_JSON_ERROR ? kind
						       : string_done(reader);
		}
		if (at[i] != '\\')
			return fail(reader, reader->before + i,
			    "a control character in a string");
		reader->backslash = reader->token.escaped = true;
	}
	if (reader->last)
		return fail(reader, reader->token.offset,
		    "a string without its end");
	if (reader->limits.parts && reader->token.kind == EVKV_JSON_STRING)
		return i > 0 ? string_part(reader) : EVKV_JSON_MORE;
	return take(reader, i, false);
}

static bool in_word(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || c == '-' || c == '+' || c == '.';
}

static enum evkv_json_kind word_done(struct evkv_json_reader *reader)
{
	struct evkv_json_token *token = &reader->token;
	char first = *(const char *)token->text.data;

	reader->inside = false;
	if (evkv_slice_equal(token->text, EVKV_LIT("true")))
		token->kind = EVKV_JSON_TRUE;
	else if (evkv_slice_equal(token->text, EVKV_LIT("false")))
		token->kind = EVKV_JSON_FALSE;
	else if (evkv_slice_equal(token->text, EVKV_LIT("null")))
		token->kind = EVKV_JSON_NULL;
	else if (!number_ok(token->text))
		return fail(reader, token->offset,
		    first == '-' || (first >= '0' && first <= '9')
			? "not a number as JSON has it"
			: "a value was expected");
	reader->expects = EXPECT_COMMA_OR_END;
	return token->kind;
}

/* A number or a literal ends at the first byte that can't belong to it. */
static enum evkv_json_kind word_read(struct evkv_json_reader *reader)
{
	const unsigned char *at = reader->input.data;
	enum evkv_json_kind kind;
	size_t i = 0;

	while (i < reader->input.size && in_word(at[i]))
		i++;
	if (i == reader->input.size && !reader->last)
		return take(reader, i, false);
	kind = take(reader, i, true);
	return kind == EVKV_JSON_ERROR ? kind : word_done(reader);
}

static enum evkv_json_kind begin_token(struct evkv_json_reader *reader,
    enum evkv_json_kind kind)
{
	reader->token = (struct evkv_json_token){
		.kind = kind,
		.offset = reader->before,
	};
	reader->inside = true;
	reader->backslash = false;
	if (kind == EVKV_JSON_NUMBER)
		return word_read(reader);
	skip(reader, 1); /* the opening quote */
	return string_read(reader);
}

static enum evkv_json_kind one_byte(struct evkv_json_reader *reader,
    enum evkv_json_kind kind)
{
	reader->token = (struct evkv_json_token){
		.kind = kind,
		.text = evkv_bytes(reader->input.data, 1),
		.offset = reader->before,
	};
	skip(reader, 1);
	return kind;
}

static enum evkv_json_kind open_level(struct evkv_json_reader *reader,
    bool object)
{
	if (reader->depth == reader->limits.max_depth)
		return fail(reader, reader->before, "nested too deeply");
	reader->objects = reader->objects << 1 | object;
	reader->depth++;
	reader->expects = object ? EXPECT_NAME_OR_END : EXPECT_VALUE_OR_END;
	return one_byte(reader, object ? EVKV_JSON_OBJECT : EVKV_JSON_ARRAY);
}

static enum evkv_json_kind close_level(struct evkv_json_reader *reader)
{
	bool object = (reader->objects & 1) != 0;

	reader->objects >>= 1;
	reader->depth--;
	reader->expects = EXPECT_COMMA_OR_END;
	return one_byte(reader,
	    object ? EVKV_JSON_OBJECT_END : EVKV_JSON_ARRAY_END);
}

static enum evkv_json_kind read_value(struct evkv_json_reader *reader, int byte)
{
	switch (byte) {
	case '{': return open_level(reader, true);
	case '[': return open_level(reader, false);
	case '"': return begin_token(reader, EVKV_JSON_STRING);
	case ']':
		if (reader->expects == EXPECT_VALUE_OR_END)
			return close_level(reader);
		break;
	default:
		if (in_word((unsigned char)byte))
			return begin_token(reader, EVKV_JSON_NUMBER);
	}
	return fail(reader, reader->before, "a value was expected");
}

static enum evkv_json_kind read_name(struct evkv_json_reader *reader, int byte)
{
	if (byte == '"')
		return begin_token(reader, EVKV_JSON_NAME);
	if (byte == '}' && reader->expects == EXPECT_NAME_OR_END)
		return close_level(reader);
	return fail(reader, reader->before, "a member's name was expected");
}

/* ":" and "," are no tokens; they decide what may come next. */
static enum evkv_json_kind read_between(struct evkv_json_reader *reader,
    int byte)
{
	bool object = (reader->objects & 1) != 0;

	if (reader->expects == EXPECT_COLON) {
		if (byte != ':')
			return fail(reader, reader->before,
			    "a ':' was expected");
		reader->expects = EXPECT_VALUE;
	} else if (byte == ',' && reader->depth > 0) {
		reader->expects = object ? EXPECT_NAME : EXPECT_VALUE;
	} else if (reader->depth > 0 && byte == (object ? '}' : ']')) {
		return close_level(reader);
	} else {
		return fail(reader, reader->before,
		    object ? "a ',' or a '}' was expected"
			   : "a ',' or a ']' was expected");
	}
	skip(reader, 1);
	return EVKV_JSON_MORE; /* go on */
}

/* The token that begins here; MORE: there is none, but something was read. */
static enum evkv_json_kind read_some(struct evkv_json_reader *reader, int byte)
{
	switch (reader->expects) {
	case EXPECT_VALUE:
	case EXPECT_VALUE_OR_END: return read_value(reader, byte);
	case EXPECT_NAME:
	case EXPECT_NAME_OR_END: return read_name(reader, byte);
	case EXPECT_COLON:
	case EXPECT_COMMA_OR_END: return read_between(reader, byte);
	default:
		return fail(reader, reader->before,
		    "more text after the document");
	}
}

static enum evkv_json_kind next_kind(struct evkv_json_reader *reader)
{
	enum evkv_json_kind kind;
	int byte;

	if (reader->expects == EXPECT_FAILED)
		return EVKV_JSON_ERROR;
	if (reader->given > 0)
		drop_given(reader);
	if (reader->inside)
		return reader->token.kind == EVKV_JSON_NUMBER
		    ? word_read(reader)
		    : string_read(reader);
	do {
		if (reader->depth == 0 &&
		    reader->expects == EXPECT_COMMA_OR_END)
			reader->expects = EXPECT_NOTHING;
		byte = peek_byte(reader);
		if (byte < 0 && !reader->last)
			return EVKV_JSON_MORE;
		if (byte < 0 && reader->expects == EXPECT_NOTHING)
			return EVKV_JSON_END;
		if (byte < 0)
			return fail(reader, reader->before,
			    "the document ends too early");
		kind = read_some(reader, byte);
	} while (kind == EVKV_JSON_MORE && !reader->inside);
	return kind;
}

enum evkv_json_kind evkv_json_next(struct evkv_json_reader *reader,
    struct evkv_json_token *token)
{
	enum evkv_json_kind kind = next_kind(reader);

	if (kind < EVKV_JSON_MORE) {
		*token = reader->token;
		token->kind = kind;
	}
	return kind;
}

/* ---- Values of tokens ---------------------------------------------------- */

static size_t utf8_write(uint32_t code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* Decoding in place works: an escape sequence never decodes to more bytes. */
size_t evkv_json_unescape(const struct evkv_json_token *token, char *out)
{
	const char *at = token->text.data;
	size_t size = 0, i;
	uint32_t code;

	for (i = 0; i < token->text.size; i++) {
		if (at[i] != '\\') {
			out[size++] = at[i];
			continue;
		}
		i += escape_read(at + i + 1, token->text.size - i - 1, &code);
		size += utf8_write(code, out + size);
	}
	return size;
}
