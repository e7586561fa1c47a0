/*
 * support/peek.c - an inline get through the hooks of a wrapper, without an op.
 *
 * A key behind a head is written by whole words. What is read across the border
 * of two writes waits until these are in the cache, and so for all that is
 * before them.
 */
#include <string.h>

#include "core/op.h"
#include "core/store.h"
#include "support/wrapper.h"

#define WORD sizeof(uint64_t)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

/* 1 to 7 bytes as the lowest of a word. */
static inline uint64_t read_some(const char *bytes, size_t size)
{
	const unsigned char *at = (const unsigned char *)bytes;
	uint32_t first, last;

	if (size >= sizeof(first)) {
		memcpy(&first, at, sizeof(first));
		memcpy(&last, at + size - sizeof(last), sizeof(last));
		return first | (uint64_t)last << 8 * (size - sizeof(last));
	}
	return (uint64_t)at[0] | (uint64_t)at[size / 2] << 8 * (size / 2) |
	    (uint64_t)at[size - 1] << 8 * (size - 1);
}

/* The bytes of a word behind those of `kept`; what is over then. */
static inline uint64_t write_word(char *to, uint64_t word, uint64_t kept,
    unsigned bits)
{
	kept |= word << bits;
	memcpy(to, &kept, WORD);
	/* In two steps: by all 64 bits there is no shift. */
	return word >> 1 >> (63 - bits);
}

/* `head` fits. */
static inline void write_head(struct wrapper_peek *peek, struct evkv_slice head)
{
	const char *from = head.data;
	size_t rest = head.size % WORD, i;

	peek->head_words = head.size - rest;
	peek->rest_bits = 8 * (unsigned)rest;
	for (i = 0; i < peek->head_words; i += WORD)
		memcpy(peek->bytes + i, from + i, WORD);
	peek->head_rest = rest != 0 ? read_some(from + i, rest) : 0;
}

static OP_NOINLINE void write_any_key(struct wrapper_peek *peek,
    struct evkv_slice key)
{
	const char *from = key.data;
	char *to = peek->bytes + peek->head_words;
	unsigned bits = peek->rest_bits;
	uint64_t word, kept = peek->head_rest;

	for (; key.size >= WORD; key.size -= WORD) {
		memcpy(&word, from, WORD);
		kept = write_word(to, word, kept, bits);
		from += WORD;
		to += WORD;
	}
	if (key.size != 0) {
		word = read_some(from, key.size);
		kept = write_word(to, word, kept, bits);
		to += WORD;
	}
	memcpy(to, &kept, WORD);
}

/* Behind the head. Most have 8 to 16 bytes. */
static inline void write_key(struct wrapper_peek *peek, struct evkv_slice key)
{
	char *to = peek->bytes + peek->head_words;
	unsigned bits = peek->rest_bits;
	uint64_t first, last, kept;
	unsigned half;

	if (key.size < WORD || key.size > 2 * WORD) {
		write_any_key(peek, key);
		return;
	}
	memcpy(&first, key.data, WORD);
	memcpy(&last, (const char *)key.data + key.size - WORD, WORD);
	kept = write_word(to, first, peek->head_rest, bits);
	/* Without what is in the first one. */
	half = 4 * (unsigned)(2 * WORD - key.size);
	last = last >> half >> half;
	kept = write_word(to + WORD, last, kept, bits);
	memcpy(to + 2 * WORD, &kept, WORD);
}
#else
static void write_head(struct wrapper_peek *peek, struct evkv_slice head)
{
	if (head.size > 0)
		memcpy(peek->bytes, head.data, head.size);
}

static void write_key(struct wrapper_peek *peek, struct evkv_slice key)
{
	memcpy(peek->bytes + peek->head_size, key.data, key.size);
}
#endif

static inline void set_head(struct wrapper_peek *peek, struct evkv_slice head)
{
	peek->head_size = head.size;
	if (head.size <= PEEK_KEY)
		write_head(peek, head);
}

static enum evkv_peek peek_inner(void *self, const struct evkv_request *request,
    struct evkv_value **value)
{
	struct wrapper *wrapper = self;

	return evkv__store_peek(wrapper->inner, request, value);
}

/* In a collection, of the key behind the head. */
static inline enum evkv_peek peek_key(struct wrapper *wrapper,
    const struct evkv_request *request, struct evkv_slice collection,
    struct evkv_value **value)
{
	struct wrapper_peek *peek = &wrapper->peek;
	struct evkv_slice key = *request->keys;

	peek->key.size = peek->head_size + key.size;
	if (peek->key.size > PEEK_KEY)
		return EVKV_PEEK_DECLINE;
	peek->request.flags = request->flags;
	/* Each by itself, as it is read. */
	peek->request.collection.data = collection.data;
	peek->request.collection.size = collection.size;
	write_key(peek, key);
	return evkv__store_peek(wrapper->inner, &peek->request, value);
}

static enum evkv_peek peek_behind_head(void *self,
    const struct evkv_request *request, struct evkv_value **value)
{
	return peek_key(self, request, request->collection, value);
}

static enum evkv_peek peek_renamed(void *self,
    const struct evkv_request *request, struct evkv_value **value)
{
	struct wrapper *wrapper = self;
	struct evkv_place *place = &wrapper->peek.place;

	evkv__wrapper_place(wrapper, request->collection, place);
	set_head(&wrapper->peek, place->key_head);
	return peek_key(wrapper, request, place->collection, value);
}

static enum evkv_peek peek_checked(void *self,
    const struct evkv_request *request, struct evkv_value **value)
{
	struct wrapper *wrapper = self;
	const char *why;

	if (wrapper->hooks.check(wrapper->self, request, &why) != EVKV_OK)
		return EVKV_PEEK_DECLINE;
	return wrapper->hooks.place != NULL ? peek_renamed(self, request, value)
					    : peek_inner(self, request, value);
}

void evkv__wrapper_choose_peek(struct wrapper *wrapper)
{
	const struct evkv_wrapper *hooks = &wrapper->hooks;
	struct wrapper_peek *peek = &wrapper->peek;

	/* An answer that must be changed can't be passed on as it is. */
	if (hooks->decode != NULL || hooks->complete != NULL ||
	    (hooks->submit != NULL &&
		(hooks->flags & EVKV_WRAPPER_FORWARDS_GET) == 0))
		return;
	peek->request.count = 1;
	peek->request.keys = &peek->key;
	peek->key.data = peek->bytes;
	if (hooks->check != NULL) {
		wrapper->vtable.peek = peek_checked;
	} else if (hooks->place == NULL) {
		wrapper->vtable.peek = peek_inner;
	} else if ((hooks->flags & EVKV_WRAPPER_SAME_HEAD) != 0) {
		evkv__wrapper_place(wrapper, evkv_bytes(NULL, 0), &peek->place);
		set_head(peek, peek->place.key_head);
		wrapper->vtable.peek = peek_behind_head;
	} else {
		wrapper->vtable.peek = peek_renamed;
	}
}
