/*
 * tests/fuzz/json_fuzz.c - the reader of JSON: fed whole and byte by byte it
 * gives the same tokens, and what it accepts it can write again.
 */
#include <stdlib.h>
#include <string.h>

#include "evkv/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t mix(uint64_t sum, uint64_t more)
{
	return (sum ^ more) * UINT64_C(0x100000001b3);
}

/* The bytes of a string, or of a part of one. */
static uint64_t mix_string(uint64_t sum, const struct evkv_json_token *token,
    char *text)
{
	size_t size = evkv_json_unescape(token, text), i;

	if (!evkv_utf8_check(evkv_bytes(text, size)))
		abort();
	for (i = 0; i < size; i++)
		sum = mix(sum, (uint8_t)text[i]);
	return sum;
}

/*
 * A number that tells the tokens and the end of a document; with strings in
 * parts, of one that is valid.
 */
static uint64_t digest(const uint8_t *data, size_t size, size_t piece,
    bool parts)
{
	struct evkv_json_limits limits = { .parts = parts };
	struct evkv_json_reader reader;
	struct evkv_json_token token;
	enum evkv_json_kind kind = EVKV_JSON_MORE;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	size_t at = 0, part;
	char *text = malloc(size + 16);

	evkv_json_reader_init(&reader, &limits);
	while (kind != EVKV_JSON_END && kind != EVKV_JSON_ERROR) {
		if (kind == EVKV_JSON_MORE) {
			part = size - at < piece ? size - at : piece;
			evkv_json_feed(&reader, evkv_bytes(data + at, part),
			    at + part == size);
			at += part;
		}
		kind = evkv_json_next(&reader, &token);
		if (kind == EVKV_JSON_NAME || kind == EVKV_JSON_STRING ||
		    kind == EVKV_JSON_PART)
			sum = mix_string(sum, &token, text);
		if (kind < EVKV_JSON_PART)
			sum = mix(mix(sum, (uint64_t)kind), token.offset);
	}
	evkv_json_reader_clear(&reader);
	free(text);
	return kind == EVKV_JSON_ERROR && parts ? 0 : mix(sum, kind);
}

/*
 * A document that is valid is written token by token and read again; cut in any
 * way it is the same.
 */
static void try_document(const uint8_t *data, size_t size)
{
	struct evkv_json_reader reader;
	struct evkv_json_token token;
	struct evkv_json_writer writer = { .data = NULL };
	enum evkv_json_kind kind;
	char *text = malloc(size + 1);
	uint64_t sum;
	bool valid;

	evkv_json_reader_init(&reader, NULL);
	evkv_json_feed(&reader, evkv_bytes(data, size), true);
	while ((kind = evkv_json_next(&reader, &token)) < EVKV_JSON_MORE) {
		struct evkv_slice string = evkv_bytes(text, 0);

		if (kind == EVKV_JSON_NAME || kind == EVKV_JSON_STRING)
			string.size = evkv_json_unescape(&token, text);
		switch (kind) {
		case EVKV_JSON_OBJECT: evkv_json_put_object(&writer); break;
		case EVKV_JSON_OBJECT_END:
			evkv_json_put_object_end(&writer);
			break;
		case EVKV_JSON_ARRAY: evkv_json_put_array(&writer); break;
		case EVKV_JSON_ARRAY_END:
			evkv_json_put_array_end(&writer);
			break;
		case EVKV_JSON_NAME: evkv_json_put_name(&writer, string); break;
		case EVKV_JSON_STRING:
			evkv_json_put_string(&writer, string);
			break;
		default: evkv_json_put_raw(&writer, token.text);
		}
	}
	evkv_json_reader_clear(&reader);
	valid = kind == EVKV_JSON_END;
	if (valid) {
		if (writer.failed)
			abort();
		evkv_json_reader_init(&reader, NULL);
		evkv_json_feed(&reader, evkv_bytes(writer.data, writer.size),
		    true);
		do {
			kind = evkv_json_next(&reader, &token);
		} while (kind < EVKV_JSON_MORE);
		if (kind != EVKV_JSON_END)
			abort();
		evkv_json_reader_clear(&reader);
	}
	sum = digest(data, size, size + 1, false);
	if (digest(data, size, 1, false) != sum ||
	    digest(data, size, 7, false) != sum)
		abort();
	for (size_t piece = 1; piece < 20; piece += 6) {
		uint64_t parts = digest(data, size, piece, true);

		if (parts != (valid ? sum : 0))
			abort();
	}
	evkv_json_writer_clear(&writer);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_document(data, size);
	return 0;
}
