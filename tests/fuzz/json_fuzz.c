/*
 * tests/fuzz/json_fuzz.c - the reader of JSON: fed whole and byte by byte it
 * gives the same tokens, and what it accepts it can write again.
 */
#include <stdlib.h>
#include <string.h>

#include "evkv/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A number that tells the tokens and the end of a document. */
static uint64_t digest(const uint8_t *data, size_t size, size_t piece)
{
	struct evkv_json_reader reader;
	struct evkv_json_token token;
	enum evkv_json_kind kind = EVKV_JSON_MORE;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	size_t at = 0, part, i;
	char *text = malloc(size + 1);

	evkv_json_reader_init(&reader, NULL);
	while (kind != EVKV_JSON_END && kind != EVKV_JSON_ERROR) {
		if (kind == EVKV_JSON_MORE) {
			part = size - at < piece ? size - at : piece;
			evkv_json_feed(&reader, evkv_bytes(data + at, part),
			    at + part == size);
			at += part;
		}
		kind = evkv_json_next(&reader, &token);
		if (kind == EVKV_JSON_MORE)
			continue;
		sum = (sum ^ (uint64_t)kind) * UINT64_C(0x100000001b3);
		if (kind > EVKV_JSON_MORE)
			continue;
		part = token.text.size;
		if (kind == EVKV_JSON_NAME || kind == EVKV_JSON_STRING) {
			part = evkv_json_unescape(&token, text);
			if (!evkv_utf8_check(evkv_bytes(text, part)))
				abort();
		}
		sum = (sum ^ part ^ token.offset) * UINT64_C(0x100000001b3);
		for (i = 0; i < part && kind == EVKV_JSON_STRING; i++)
			sum = (sum ^ (uint8_t)text[i]) *
			    UINT64_C(0x100000001b3);
	}
	evkv_json_reader_clear(&reader);
	free(text);
	return sum;
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
	if (kind == EVKV_JSON_END) {
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
	sum = digest(data, size, size + 1);
	if (digest(data, size, 1) != sum || digest(data, size, 7) != sum)
		abort();
	evkv_json_writer_clear(&writer);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_document(data, size);
	return 0;
}
