/*
 * tests/fuzz/elasticsearch_answer_fuzz.c - any bytes as an answer of a search
 * server: in one piece and in small ones the same records come out.
 */
#include <stdlib.h>
#include <string.h>

#include "evkv/alloc.h"
#include "stores/elasticsearch/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t mix(uint64_t sum, struct evkv_slice bytes)
{
	const unsigned char *at = bytes.data;

	for (size_t i = 0; i < bytes.size; i++)
		sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
	return (sum ^ bytes.size) * UINT64_C(0x100000001b3);
}

static void see(void *arg, struct es_record *record)
{
	uint64_t *sum = arg;
	struct es_text key = { .data = NULL };
	char collection[EVKV_COLLECTION_MAX];
	size_t size;

	*sum = mix(*sum, es_text_slice(&record->id));
	*sum = mix(*sum, es_text_slice(&record->collection));
	*sum = mix(*sum, es_text_slice(&record->key));
	*sum = mix(*sum, evkv_value_bytes(record->value));
	*sum = mix(*sum, evkv_str(record->type));
	*sum ^= (uint64_t)record->status ^ (uint64_t)record->seq_no ^
	    (uint64_t)record->expires_ms ^ record->found ^
	    (uint64_t)record->damaged << 1;
	if (evkv__es_collection_read(es_text_slice(&record->collection),
		collection, &size) &&
	    size > sizeof(collection))
		abort();
	if (evkv__es_key_read(record, &key) && key.size > EVKV_KEY_MAX)
		abort();
	evkv__es_text_free(&key);
}

static uint64_t digest(enum es_answer answer, const uint8_t *data, size_t size,
    size_t piece, bool *good)
{
	uint64_t sum = 1;
	struct es_reader reader;
	size_t at = 0, part;

	evkv__es_reader_init(&reader, answer, size);
	reader.on_record = see;
	reader.arg = &sum;
	*good = true;
	for (; at < size && *good; at += part) {
		part = size - at < piece ? size - at : piece;
		*good = evkv__es_reader_feed(&reader,
		    evkv_bytes(data + at, part), false);
	}
	*good = *good &&
	    evkv__es_reader_feed(&reader, evkv_bytes(NULL, 0), true);
	evkv__es_reader_clear(&reader);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum es_answer answer;
	uint64_t sum;
	bool good, again;

	if (size == 0)
		return 0;
	answer = (enum es_answer)(data[0] % (ES_ANSWER_FIELDS + 1));
	sum = digest(answer, data + 1, size - 1, size, &good);
	for (size_t piece = 1; piece < 40; piece += 19) {
		uint64_t other = digest(answer, data + 1, size - 1, piece,
		    &again);

		/* Where it breaks off, parts of the last may be seen or not. */
		if (again != good || (good && other != sum))
			abort();
	}
	return 0;
}
