/*
 * tests/base/evbuffer_test.c - values from and to libevent's buffers; cursors
 * as text.
 */
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "evkv/alloc.h"
#include "evkv/cursor.h"
#include "evkv/evbuffer.h"
#include "evkv/request.h"
#include "lib/faults.h"
#include "lib/test.h"

EVKV_TEST(unit_evbuffer, bytes_in_one_piece_are_not_copied)
{
	struct evbuffer *buffer = evbuffer_new();
	const unsigned char *before;
	struct evkv_value *value, *part;

	evbuffer_add(buffer, "some bytes\0and more", 19);
	before = evbuffer_pullup(buffer, -1);
	value = evkv_value_from_evbuffer(buffer);
	check(value != NULL);
	check_int(evbuffer_get_length(buffer), 0);
	check(evkv_value_bytes(value).data == (const void *)before);
	check_slice(evkv_value_bytes(value), "some bytes\0and more");
	/* A part of it, and references, as of any other value. */
	part = evkv_value_slice(value, 5, 5);
	check_slice(evkv_value_bytes(part), "bytes");
	evkv_value_unref(value);
	check_slice(evkv_value_bytes(part), "bytes");
	evkv_value_unref(part);
	/* The buffer is as good as new. */
	evbuffer_add(buffer, "again", 5);
	check_int(evbuffer_get_length(buffer), 5);
	evbuffer_free(buffer);
}

EVKV_TEST(unit_evbuffer, pieces_are_joined)
{
	struct evbuffer *buffer = evbuffer_new();
	struct evbuffer *piece;
	struct evkv_value *value;
	struct evkv_slice bytes;
	size_t i;

	for (i = 0; i < 100; i++) {
		char block[1000];

		memset(block, (int)('a' + i % 26), sizeof(block));
		piece = evbuffer_new();
		evbuffer_add(piece, block, sizeof(block));
		evbuffer_add_buffer(buffer, piece);
		evbuffer_free(piece);
	}
	value = evkv_value_from_evbuffer(buffer);
	bytes = evkv_value_bytes(value);
	check_int(bytes.size, 100000);
	for (i = 0; i < bytes.size; i++)
		check_int(((const char *)bytes.data)[i],
		    (int)('a' + i / 1000 % 26));
	evkv_value_unref(value);
	evbuffer_free(buffer);
}

EVKV_TEST(unit_evbuffer, nothing_is_a_value_too)
{
	struct evbuffer *buffer = evbuffer_new();
	struct evkv_value *value = evkv_value_from_evbuffer(buffer);

	check(value != NULL);
	check_int(evkv_value_bytes(value).size, 0);
	check(evkv_evbuffer_add_value(buffer, value));
	check(evkv_evbuffer_add_value(buffer, NULL));
	check_int(evbuffer_get_length(buffer), 0);
	evkv_value_unref(value);
	evbuffer_free(buffer);
}

EVKV_TEST(unit_evbuffer, a_value_goes_out_as_it_is)
{
	struct evkv_value *value = evkv_value_new(EVKV_LIT("lovelace"));
	struct evbuffer *buffer = evbuffer_new();
	struct evbuffer_iovec vector;

	check(evkv_evbuffer_add_value(buffer, value));
	check_int(evbuffer_peek(buffer, -1, NULL, &vector, 1), 1);
	check(vector.iov_base == evkv_value_bytes(value).data);
	/* The buffer holds it. */
	evkv_value_unref(value);
	evbuffer_add(buffer, "!", 1);
	check_slice(evkv_bytes(evbuffer_pullup(buffer, -1), 9), "lovelace!");
	evbuffer_free(buffer);
	check_int(faults_outstanding(), 0);
}

EVKV_TEST(unit_evbuffer, without_memory_the_buffer_keeps_its_bytes)
{
	struct evbuffer *buffer = evbuffer_new();

	evbuffer_add(buffer, "bytes", 5);
	faults_fail_nth(1);
	check(evkv_value_from_evbuffer(buffer) == NULL);
	faults_off();
	check_slice(evkv_bytes(evbuffer_pullup(buffer, -1), 5), "bytes");
	evbuffer_free(buffer);
}

/* The same bytes again and again, by reference. */
EVKV_TEST(unit_evbuffer, more_than_a_value_can_have)
{
	struct evbuffer *buffer = evbuffer_new();
	size_t size = 16 << 20, i;
	char *block = calloc(1, size);

	for (i = 0; i <= EVKV_VALUE_MAX / size; i++)
		check(evbuffer_add_reference(buffer, block, size, NULL, NULL) ==
		    0);
	check(evbuffer_get_length(buffer) == EVKV_VALUE_MAX + 1);
	check(evkv_value_from_evbuffer(buffer) == NULL);
	check(evbuffer_get_length(buffer) == EVKV_VALUE_MAX + 1);
	evbuffer_free(buffer);
	free(block);
}

/* ---- Cursors ------------------------------------------------------------ */

EVKV_TEST(unit_cursor_text, every_cursor_reads_back)
{
	unsigned char bytes[300];
	struct evkv_value *cursor;
	char *text;
	size_t size, i;

	for (size = 0; size < sizeof(bytes); size++) {
		for (i = 0; i < size; i++)
			bytes[i] = (unsigned char)(i * 37 + size * 11);
		text = evkv_cursor_text(evkv_bytes(bytes, size));
		check_int(strspn(text,
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
			      "uvwxyz0123456789-_"),
		    strlen(text));
		check(evkv_cursor_from_text(evkv_str(text), &cursor));
		check_bytes(evkv_value_bytes(cursor), evkv_bytes(bytes, size));
		evkv_value_unref(cursor);
		evkv_free(text);
	}
}

EVKV_TEST(unit_cursor_text, other_texts_are_refused)
{
	static const char *const texts[] = { "a", "aaaaa",
		"ab=", "ab==", "a+cd", "a/cd", "a b ", "ab\n",
		"\xff\xff\xff\xff", "aB", "abD" };
	struct evkv_value *cursor;
	char *text;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (evkv_cursor_from_text(evkv_str(texts[i]), &cursor))
			fail_test("%s is taken", texts[i]);
		check(cursor == NULL);
	}
	/* Longer than any cursor is. */
	text = malloc(4 * EVKV_CURSOR_MAX);
	memset(text, 'A', 4 * EVKV_CURSOR_MAX);
	check(!evkv_cursor_from_text(evkv_bytes(text, 4 * EVKV_CURSOR_MAX),
	    &cursor));
	free(text);
	check(evkv_cursor_from_text(EVKV_LIT("_-8"), &cursor));
	check_slice(evkv_value_bytes(cursor), "\xff\xef");
	evkv_value_unref(cursor);
	faults_fail_nth(1);
	check(!evkv_cursor_from_text(EVKV_LIT("AAAA"), &cursor));
	faults_fail_nth(2);
	check(!evkv_cursor_from_text(EVKV_LIT("AAAA"), &cursor));
	faults_fail_nth(1);
	check(evkv_cursor_text(EVKV_LIT("abc")) == NULL);
	faults_off();
}
