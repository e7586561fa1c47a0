/*
 * stores/elasticsearch/names.c - names as documents have them.
 *
 * The _id is "collection:key" with %XX for what is not printable ASCII, and for
 * '%', '"', '\' and, in the collection, ':'. One that would be longer than the
 * server takes is "%-" and the SHA-256 of it, which no other can be. The field
 * `collection` is written alike; `key` is hex, which sorts as the bytes do, of
 * at most 8000 of them and then a hash, and `name` has the whole of such a key.
 */
#include <openssl/evp.h>

#include "evkv/alloc.h"
#include "evkv/base64.h"
#include "stores/elasticsearch/store.h"

#define HASH_SIZE 32

static const char digits[] = "0123456789abcdef";

static bool plain(unsigned char c, bool colon)
{
	return c > ' ' && c < 0x7f && c != '%' && c != '"' && c != '\\' &&
	    (c != ':' || colon);
}

static bool percent_write(struct es_text *text, struct evkv_slice bytes,
    bool colon)
{
	const unsigned char *at = bytes.data;
	char escape[3] = "%";
	size_t from = 0, i;

	for (i = 0; i < bytes.size; i++) {
		if (plain(at[i], colon))
			continue;
		escape[1] = digits[at[i] >> 4];
		escape[2] = digits[at[i] & 15];
		if (!evkv__es_text_add(text, at + from, i - from) ||
		    !evkv__es_text_add(text, escape, 3))
			return false;
		from = i + 1;
	}
	return i == from || evkv__es_text_add(text, at + from, i - from);
}

static bool hex_write(struct es_text *text, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	char pairs[128];
	size_t i, n = 0;

	for (i = 0; i < size; i++) {
		pairs[n++] = digits[at[i] >> 4];
		pairs[n++] = digits[at[i] & 15];
		if (n < sizeof(pairs))
			continue;
		if (!evkv__es_text_add(text, pairs, n))
			return false;
		n = 0;
	}
	return evkv__es_text_add(text, pairs, n);
}

static bool hash_write(struct es_text *text, struct evkv_slice bytes)
{
	unsigned char hash[HASH_SIZE];

	return EVP_Digest(bytes.data, bytes.size, hash, NULL, EVP_sha256(),
		   NULL) == 1 &&
	    hex_write(text, hash, sizeof(hash));
}

bool evkv__es_collection_write(struct es_text *text,
    struct evkv_slice collection)
{
	return percent_write(text, collection, false);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two digits; -1 = they are none. */
static int hex_pair(const char *at)
{
	int high = hex_value(at[0]), low = high < 0 ? -1 : hex_value(at[1]);

	return low < 0 ? -1 : high << 4 | low;
}

bool evkv__es_collection_read(struct evkv_slice text, char *collection,
    size_t *size)
{
	const char *at = text.data;
	size_t i, n = 0;
	int byte;

	for (i = 0; i < text.size && n < EVKV_COLLECTION_MAX; i++) {
		byte = (unsigned char)at[i];
		if (byte == '%') {
			byte = i + 2 < text.size ? hex_pair(at + i + 1) : -1;
			if (byte < 0 || plain((unsigned char)byte, false))
				return false;
			i += 2;
		} else if (!plain((unsigned char)byte, false)) {
			return false;
		}
		collection[n++] = (char)byte;
	}
	*size = n;
	return i == text.size;
}

bool evkv__es_key_write(struct es_text *text, struct evkv_slice key,
    bool prefix)
{
	size_t size = key.size < ES_KEY_HEX_MAX ? key.size : ES_KEY_HEX_MAX;

	return hex_write(text, key.data, size) &&
	    (prefix || key.size <= ES_KEY_HEX_MAX || hash_write(text, key));
}

static bool key_from_hex(const struct es_text *hex, struct es_text *key)
{
	int byte;
	char c;

	if (hex->size == 0 || hex->size % 2 != 0)
		return false;
	for (size_t i = 0; i < hex->size; i += 2) {
		byte = hex_pair(hex->data + i);
		c = (char)byte;
		if (byte < 0 || !evkv__es_text_add(key, &c, 1))
			return false;
	}
	return true;
}

bool evkv__es_key_read(const struct es_record *record, struct es_text *key)
{
	struct evkv_slice name = es_text_slice(&record->name);
	struct es_text again = { .data = NULL };
	bool good;

	key->size = 0;
	if (record->key.size <= 2 * ES_KEY_HEX_MAX)
		return key_from_hex(&record->key, key);
	if (name.size == 0 || !evkv__es_text_add(key, name.data, name.size) ||
	    !evkv_base64_decode(name, key->data, &key->size) ||
	    key->size > EVKV_KEY_MAX)
		return false;
	good = evkv__es_key_write(&again, es_text_slice(key), false) &&
	    evkv_slice_equal(es_text_slice(&again),
		es_text_slice(&record->key));
	key->no_memory |= again.no_memory;
	evkv__es_text_free(&again);
	return good;
}

bool evkv__es_id_write(struct es_text *text, struct evkv_slice collection,
    struct evkv_slice key)
{
	struct es_text whole;
	bool good;

	if (!percent_write(text, collection, false) ||
	    !evkv__es_text_add(text, ":", 1) || !percent_write(text, key, true))
		return false;
	if (text->size <= ES_ID_MAX)
		return true;
	whole = *text;
	memset(text, 0, sizeof(*text));
	good = evkv__es_text_add(text, "%-", 2) &&
	    hash_write(text, es_text_slice(&whole));
	evkv__es_text_free(&whole);
	return good;
}
