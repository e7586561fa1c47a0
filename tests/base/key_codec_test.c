/*
 * Names for flat name spaces and directories: one spelling each, both ways.
 */
#include "evkv/key_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "lib/test.h"

static void check_encoded(struct evkv_slice collection, struct evkv_slice key,
    struct evkv_slice expected)
{
	char buffer[256], decoded[EVKV_COLLECTION_MAX];
	struct evkv_slice collection_back, key_back;
	size_t size = evkv_key_encode(collection, key, buffer);

	check_int(size, evkv_key_encoded_size(collection, key));
	check_bytes(evkv_bytes(buffer, size), expected);
	check(evkv_key_decode(expected, decoded, &collection_back, &key_back));
	check_bytes(collection_back, collection);
	check_bytes(key_back, key);
}

EVKV_TEST(unit_key_codec, keys_are_readable)
{
	check_encoded(EVKV_LIT("users"), EVKV_LIT("123"),
	    EVKV_LIT("users:123"));
	check_encoded(EVKV_LIT(""), EVKV_LIT("key"), EVKV_LIT(":key"));
	check_encoded(EVKV_LIT("a:b"), EVKV_LIT("c"), EVKV_LIT("a%3Ab:c"));
	check_encoded(EVKV_LIT("100%"), EVKV_LIT("x"), EVKV_LIT("100%25:x"));
	check_encoded(EVKV_LIT("a"), EVKV_LIT("b:c%3A%"),
	    EVKV_LIT("a:b:c%3A%"));
	check_encoded(EVKV_LIT("a\0b"), EVKV_LIT("\0"), EVKV_LIT("a\0b:\0"));
	check_encoded(EVKV_LIT("%3A"), EVKV_LIT(":"), EVKV_LIT("%253A::"));
}

/* One that is kept is that of the collection, whichever was asked for before. */
EVKV_TEST(unit_key_codec, heads_that_are_kept)
{
	static const struct {
		struct evkv_slice collection;
		const char *head;
	} rows[] = {
		{ { "", 0 }, "p:" },
		{ { "a", 1 }, "pa:" },
		{ { "b", 1 }, "pb:" },
		{ { "b", 1 }, "pb:" },
		{ { "ba", 2 }, "pba:" },
		{ { "a:", 2 }, "pa%3A:" },
		{ { "", 0 }, "p:" },
	};
	struct evkv_key_head head = { .size = 0 };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_bytes(evkv_key_head(&head, EVKV_LIT("p"),
				rows[i].collection),
		    evkv_str(rows[i].head));
	memset(&head, 0, sizeof(head));
	check_slice(evkv_key_head(&head, EVKV_LIT(""), EVKV_LIT("")), ":");
}

EVKV_TEST(unit_key_codec, heads)
{
	char buffer[EVKV_KEY_HEAD_MAX];
	char colons[EVKV_COLLECTION_MAX];

	check_int(evkv_key_encode_head(EVKV_LIT("a:b"), buffer), 6);
	check_bytes(evkv_bytes(buffer, 6), EVKV_LIT("a%3Ab:"));
	check_int(evkv_key_head_size(EVKV_LIT("")), 1);
	memset(colons, ':', sizeof(colons));
	check_int(evkv_key_head_size(evkv_bytes(colons, sizeof(colons))),
	    EVKV_KEY_HEAD_MAX);
	check_int(evkv_key_encode_head(evkv_bytes(colons, sizeof(colons)),
		      buffer),
	    EVKV_KEY_HEAD_MAX);
}

EVKV_TEST(unit_key_codec, foreign_keys_are_known)
{
	static const char *const rows[] = { "", ":", "nocolon", "a:", "a%:b",
		"a%3:b", "a%3a:b", "a%41:b", "a%25", "%", "%3A", "a%2",
		"a%zz:b", "a%20b:c" };
	char buffer[EVKV_COLLECTION_MAX];
	struct evkv_slice collection, key;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (evkv_key_decode(evkv_str(rows[i]), buffer, &collection,
			&key))
			fail_test("'%s' decodes", rows[i]);
	}
}

EVKV_TEST(unit_key_codec, lengths_are_checked)
{
	char *text = malloc(EVKV_KEY_ENCODED_MAX + 1);
	char buffer[EVKV_COLLECTION_MAX];
	struct evkv_slice collection, key;

	memset(text, 'c', EVKV_KEY_ENCODED_MAX + 1);
	text[255] = ':';
	check(evkv_key_decode(evkv_bytes(text, 256 + EVKV_KEY_MAX), buffer,
	    &collection, &key));
	check_int(collection.size, 255);
	check_int(key.size, EVKV_KEY_MAX);
	check(!evkv_key_decode(evkv_bytes(text, 257 + EVKV_KEY_MAX), buffer,
	    &collection, &key));
	text[255] = 'c';
	text[256] = ':';
	check(!evkv_key_decode(evkv_bytes(text, 300), buffer, &collection,
	    &key));
	free(text);
}

/* The n-th string over an alphabet, shortest first; its size. */
static size_t nth_string(unsigned n, const char *alphabet, char *to)
{
	unsigned letters = (unsigned)strlen(alphabet);
	size_t size = 0;

	for (; n > 0; n = (n - 1) / letters)
		to[size++] = alphabet[(n - 1) % letters];
	return size;
}

/* So two pairs can't share a name, and what decodes is what we would write. */
EVKV_TEST(unit_key_codec, what_decodes_has_one_spelling)
{
	char text[16], buffer[EVKV_COLLECTION_MAX], again[64];
	struct evkv_slice collection, key;
	unsigned n, decoded = 0;
	size_t size;

	for (n = 0; n < 1200000; n++) {
		size = nth_string(n, "%:25A3a", text);
		if (!evkv_key_decode(evkv_bytes(text, size), buffer,
			&collection, &key))
			continue;
		decoded++;
		check_bytes(evkv_bytes(again,
				evkv_key_encode(collection, key, again)),
		    evkv_bytes(text, size));
	}
	check(decoded > 100000);
}

/* ---- File names --------------------------------------------------------- */

static void check_file(struct evkv_slice name, const char *expected)
{
	char file[EVKV_FILE_NAME_MAX + 1], buffer[EVKV_COLLECTION_MAX];
	struct evkv_slice back;

	check(evkv_file_name_encode(name, file));
	check_str(file, expected);
	check_int(evkv_file_name_decode(file, buffer, &back),
	    EVKV_FILE_NAME_WHOLE);
	check_bytes(back, name);
}

EVKV_TEST(unit_key_codec, file_names)
{
	check_file(EVKV_LIT("users"), "users");
	check_file(EVKV_LIT("Users_1-2.x"), "Users_1-2.x");
	check_file(EVKV_LIT(""), "%");
	check_file(EVKV_LIT("."), "%2E");
	check_file(EVKV_LIT(".."), "%2E.");
	check_file(EVKV_LIT("../../etc"), "%2E.%2F..%2Fetc");
	check_file(EVKV_LIT("/"), "%2F");
	check_file(EVKV_LIT("a b"), "a%20b");
	check_file(EVKV_LIT("\0\xff\n"), "%00%FF%0A");
	check_file(EVKV_LIT("%"), "%25");
	check_file(EVKV_LIT("%-"), "%25-");
}

EVKV_TEST(unit_key_codec, foreign_file_names_are_known)
{
	static const char *const rows[] = { "", ".", "..", ".x", "a/b", "a b",
		"%2e", "%61", "%2", "a%", "%%", "%-", "a%-00", "lock.mdb~",
		"a:b", "\xc3\xa4", "a%2Eb", "%2G" };
	char buffer[EVKV_COLLECTION_MAX];
	struct evkv_slice name;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (evkv_file_name_decode(rows[i], buffer, &name) !=
		    EVKV_FILE_NAME_FOREIGN)
			fail_test("'%s' is not foreign", rows[i]);
		check_int(name.size, 0);
	}
}

EVKV_TEST(unit_key_codec, short_file_names_have_one_spelling)
{
	char text[16], file[EVKV_FILE_NAME_MAX + 1];
	char buffer[EVKV_COLLECTION_MAX];
	struct evkv_slice name;
	unsigned n, decoded = 0;

	for (n = 0; n < 1000000; n++) {
		text[nth_string(n, "%.-/2EFa", text)] = '\0';
		if (evkv_file_name_decode(text, buffer, &name) !=
		    EVKV_FILE_NAME_WHOLE)
			continue;
		decoded++;
		check(evkv_file_name_encode(name, file));
		check_str(file, text);
	}
	check(decoded > 1000);
}

static void check_safe(const char *file)
{
	check_between(strlen(file), 1, EVKV_FILE_NAME_MAX);
	check(strchr(file, '/') == NULL);
	check(file[0] != '.');
}

EVKV_TEST(unit_key_codec, long_file_names_are_hashed)
{
	char bytes[EVKV_COLLECTION_MAX], buffer[EVKV_COLLECTION_MAX];
	char file[EVKV_FILE_NAME_MAX + 1], other[EVKV_FILE_NAME_MAX + 1];
	struct evkv_slice name;
	size_t size, i;

	for (size = 1; size <= sizeof(bytes); size++) {
		/* A plain byte first shifts where the head is cut. */
		for (i = 0; i < size; i++)
			bytes[i] = i < size % 3 ? 'a' : '/';
		name = evkv_bytes(bytes, size);
		if (evkv_file_name_encode(name, file)) {
			check(strlen(file) == size % 3 + (size - size % 3) * 3);
			continue;
		}
		check_safe(file);
		check_int(evkv_file_name_decode(file, buffer, &name),
		    EVKV_FILE_NAME_HASHED);
		bytes[size - 1] = ':';
		evkv_file_name_encode(evkv_bytes(bytes, size), other);
		check(strcmp(file, other) != 0);
	}
}

EVKV_TEST(unit_key_codec, damaged_hashed_names_are_foreign)
{
	char bytes[EVKV_COLLECTION_MAX], buffer[EVKV_COLLECTION_MAX];
	char file[EVKV_FILE_NAME_MAX + 1];
	struct evkv_slice name;

	memset(bytes, '/', sizeof(bytes));
	check(!evkv_file_name_encode(evkv_bytes(bytes, sizeof(bytes)), file));
	file[strlen(file) - 1] = 'g';
	check_int(evkv_file_name_decode(file, buffer, &name),
	    EVKV_FILE_NAME_FOREIGN);
	file[strlen(file) - 1] = '\0';
	check_int(evkv_file_name_decode(file, buffer, &name),
	    EVKV_FILE_NAME_FOREIGN);
}

static void check_digest(const char *text, const char *expected)
{
	uint8_t digest[EVKV__SHA256_SIZE];
	char hex[2 * EVKV__SHA256_SIZE + 1];
	size_t i;

	evkv__sha256(text, strlen(text), digest);
	for (i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	check_str(hex, expected);
}

/* The examples of FIPS 180-4's authors, and a text that just fills a block. */
EVKV_TEST(unit_key_codec, sha256)
{
	check_digest("",
	    "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
	check_digest("abc",
	    "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	check_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	    "248d6a61d20638b8e5c026930c3e6039"
	    "a33ce45964ff2167f6ecedd419db06c1");
	check_digest("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
		     "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
	    "cf5b16a778af8380036ce59e7b049237"
	    "0b249b11e8f07a51afac45037afee9d1");
	check_digest("0123456789abcdef0123456789abcdef"
		     "0123456789abcdef0123456789abcdef",
	    "a8ae6e6ee929abea3afcfc5258c8ccd6"
	    "f85273e0d4626d26c7279f3250f77c8e");
}
