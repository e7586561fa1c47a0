/*
 * The key and file name codecs on any bytes: as foreign names to be decoded,
 * whose one spelling must come back, and as names to be encoded, which must
 * come back themselves.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/key_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so)
{
	if (!so)
		abort();
}

static void try_decode(struct evkv_slice text)
{
	char buffer[EVKV_COLLECTION_MAX];
	struct evkv_slice collection, key;
	char *again;

	if (!evkv_key_decode(text, buffer, &collection, &key))
		return;
	expect(evkv_key_encoded_size(collection, key) == text.size);
	again = malloc(text.size);
	expect(evkv_key_encode(collection, key, again) == text.size);
	expect(memcmp(again, text.data, text.size) == 0);
	free(again);
}

static void try_encode(struct evkv_slice collection, struct evkv_slice key)
{
	size_t size = evkv_key_encoded_size(collection, key);
	char *text = malloc(size), buffer[EVKV_COLLECTION_MAX];
	struct evkv_slice collection_back, key_back;

	expect(evkv_key_encode(collection, key, text) == size);
	if (key.size > 0) {
		expect(evkv_key_decode(evkv_bytes(text, size), buffer,
		    &collection_back, &key_back));
		expect(evkv_slice_equal(collection, collection_back));
		expect(evkv_slice_equal(key, key_back));
	}
	free(text);
}

static void try_file_decode(const char *text)
{
	char file[EVKV_FILE_NAME_MAX + 1], buffer[EVKV_COLLECTION_MAX];
	struct evkv_slice name;

	if (evkv_file_name_decode(text, buffer, &name) != EVKV_FILE_NAME_WHOLE)
		return;
	expect(evkv_file_name_encode(name, file));
	expect(strcmp(file, text) == 0);
}

static void try_file_encode(struct evkv_slice name)
{
	char file[EVKV_FILE_NAME_MAX + 1], buffer[EVKV_COLLECTION_MAX];
	bool whole = evkv_file_name_encode(name, file);
	struct evkv_slice back;

	expect(file[0] != '\0' && file[0] != '.' && !strchr(file, '/'));
	expect(evkv_file_name_decode(file, buffer, &back) ==
	    (whole ? EVKV_FILE_NAME_WHOLE : EVKV_FILE_NAME_HASHED));
	expect(!whole || evkv_slice_equal(name, back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t collection_size;
	char *text;

	try_decode(evkv_bytes(data, size));
	text = malloc(size + 1);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	try_file_decode(text);
	free(text);
	if (size == 0)
		return 0;
	collection_size = data[0] < size - 1 ? data[0] : size - 1;
	try_file_encode(evkv_bytes(data + 1, collection_size));
	try_encode(evkv_bytes(data + 1, collection_size),
	    evkv_bytes(data + 1 + collection_size, size - 1 - collection_size));
	return 0;
}
