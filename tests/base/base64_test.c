/*
 * tests/base/base64_test.c - base64 both ways.
 */
#include <string.h>

#include "evkv/base64.h"
#include "test.h"

#define LETTERS                                                                \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

static void both_ways(const char *bytes, const char *text)
{
	char out[64];
	size_t size;

	size = evkv_base64_encode(evkv_str(bytes), out);
	check_int(size, strlen(text));
	check(memcmp(out, text, size) == 0);
	check(evkv_base64_decode(evkv_str(text), out, &size));
	check_int(size, strlen(bytes));
	check(memcmp(out, bytes, size) == 0);
}

/* The examples of RFC 4648, section 10. */
EVKV_TEST(base_base64, the_examples_of_the_rfc)
{
	both_ways("", "");
	both_ways("f", "Zg==");
	both_ways("fo", "Zm8=");
	both_ways("foo", "Zm9v");
	both_ways("foob", "Zm9vYg==");
	both_ways("fooba", "Zm9vYmE=");
	both_ways("foobar", "Zm9vYmFy");
}

EVKV_TEST(base_base64, every_size_and_every_byte)
{
	unsigned char bytes[256 + 64], back[256 + 64];
	char text[EVKV_BASE64_SIZE(sizeof(bytes))];
	size_t size, used;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7);
	for (size = 0; size <= sizeof(bytes); size++) {
		used = evkv_base64_encode(evkv_bytes(bytes, size), text);
		check_int(used, (size + 2) / 3 * 4);
		check(evkv_base64_decode(evkv_bytes(text, used), back, &used));
		check_int(used, size);
		check(memcmp(back, bytes, size) == 0);
	}
}

/* In each place of an inner group and of the last one. */
EVKV_TEST(base_base64, bytes_that_are_no_letters)
{
	static const char good[] = "ABCDEFGH";
	char text[9], out[8];
	size_t size;

	for (size_t at = 0; at < 8; at++) {
		for (int c = 0; c < 256; c++) {
			memcpy(text, good, sizeof(text));
			text[at] = (char)c;
			/* Nor '=' at the end: bits before it are set. */
			check_int(evkv_base64_decode(evkv_bytes(text, 8), out,
				      &size),
			    c != '\0' && strchr(LETTERS, c) != NULL);
		}
	}
}

EVKV_TEST(base_base64, padding)
{
	static const char *const wrong[] = { "A", "AB", "ABC", "ABCDE", "=",
		"====", "A===", "AB=C", "AB==AB==", "ABC=ABCD", "AB==ABCD",
		"AQ=A", "AR==", "AQJ=" };
	char out[8];
	size_t size;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check(!evkv_base64_decode(evkv_str(wrong[i]), out, &size));
	check(evkv_base64_decode(EVKV_LIT("AQ=="), out, &size));
	check_int(size, 1);
	check(evkv_base64_decode(EVKV_LIT("AQI="), out, &size));
	check_int(size, 2);
}
