/*
 * encryption: what opens, what does not, and where keys come from.
 */
#include "evkv/wrappers/encryption.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/driver.h"
#include "lib/files.h"
#include "wrappers/sealed.h"

#define LARGE ((size_t)1 << 20)

/* The keys of a callback: those below `known`, from 1. */
struct ring {
	unsigned known, asked;
	unsigned char salt;
	bool alike; /* one key by all ids */
};

static bool give_key(void *arg, uint32_t id, unsigned char *key)
{
	struct ring *ring = arg;

	ring->asked++;
	memset(key, ring->alike ? 1 : (int)(id + ring->salt),
	    EVKV_ENCRYPTION_KEY_SIZE);
	return id < ring->known;
}

static struct evkv_store *make(struct sealed *s, struct ring *ring, int id)
{
	return evkv_encryption_new(evkv_store_ref(s->memory),
	    &(struct evkv_encryption_options){
		.key = give_key, .key_arg = ring, .key_id = id },
	    NULL);
}

static void open_encryption(struct sealed *s, struct ring *ring, int id)
{
	sealed_open(s);
	s->store = make(s, ring, id);
	check(s->store != NULL);
}

static unsigned char *raw_of(struct sealed *s, const char *key, size_t *size)
{
	check_status(sealed_get(s, s->memory, key), EVKV_OK);
	return sealed_copy(s, size);
}

EVKV_TEST(unit_encryption, values_of_all_sizes)
{
	struct ring ring = { .known = 2 };
	char *bytes = malloc(LARGE);
	struct sealed s;
	size_t size;

	check(bytes != NULL);
	memset(bytes, 'v', LARGE);
	open_encryption(&s, &ring, 0);
	for (size = 0; size < 130; size++)
		sealed_check(&s, "k", evkv_bytes(bytes, size));
	sealed_check(&s, "k", evkv_bytes(bytes, LARGE));
	check_status(sealed_get(&s, s.memory, "k"), EVKV_OK);
	check_int(s.answer.entries[0].bytes.size, LARGE + 48);
	check(memmem(s.answer.entries[0].bytes.data, LARGE + 48, "vvvv", 4) ==
	    NULL);
	check_int(ring.asked, 1);
	sealed_close(&s);
	free(bytes);
}

EVKV_TEST(unit_encryption, no_two_are_alike)
{
	struct ring ring = { .known = 2 };
	unsigned char *first, *second;
	struct sealed s;
	size_t size;

	open_encryption(&s, &ring, 0);
	sealed_check(&s, "k", EVKV_LIT("value"));
	first = raw_of(&s, "k", &size);
	sealed_check(&s, "k", EVKV_LIT("value"));
	second = raw_of(&s, "k", &size);
	check_int(size, 5 + 48);
	check(memcmp(first, second, 8) == 0);
	check(memcmp(first + 8, second + 8, 24) != 0);
	check(memcmp(first + 32, second + 32, 5 + 16) != 0);
	free(first);
	free(second);
	sealed_close(&s);
}

EVKV_TEST(unit_encryption, damage_is_corrupt)
{
	struct ring ring = { .known = 2 };
	unsigned char *raw;
	struct sealed s;
	size_t size, i;

	open_encryption(&s, &ring, 0);
	sealed_check(&s, "k", EVKV_LIT("a value of some length"));
	raw = raw_of(&s, "k", &size);
	for (i = 0; i < size * 8; i++) {
		raw[i / 8] ^= (unsigned char)(1u << i % 8);
		sealed_check_corrupt(&s, evkv_bytes(raw, size), "encryption:");
		raw[i / 8] ^= (unsigned char)(1u << i % 8);
	}
	for (i = 0; i < size; i++)
		sealed_check_corrupt(&s, evkv_bytes(raw, i), "encryption:");
	/* What was stored without it. */
	sealed_check_corrupt(&s, EVKV_LIT(""), "too short");
	sealed_check_corrupt(&s,
	    EVKV_LIT("a plain value that is longer than forty-eight bytes"),
	    "not encrypted");
	check_status(sealed_put(&s, s.memory, "k", evkv_bytes(raw, size)),
	    EVKV_OK);
	check_status(sealed_get(&s, s.store, "k"), EVKV_OK);
	free(raw);
	sealed_close(&s);
}

/* Put the bytes where another entry is, below, and get that. */
static enum evkv_status moved(struct sealed *s, struct evkv_slice raw,
    const char *collection, const char *key)
{
	answer_reset(&s->answer);
	evkv_put(s->memory, evkv_str(collection), evkv_str(key), raw, 0,
	    answer_cb, &s->answer);
	rig_wait(&s->rig, &s->answer.calls);
	check_status(s->answer.status, EVKV_OK);
	answer_reset(&s->answer);
	evkv_get(s->store, evkv_str(collection), evkv_str(key), answer_cb,
	    &s->answer);
	rig_wait(&s->rig, &s->answer.calls);
	return s->answer.status;
}

EVKV_TEST(unit_encryption, what_is_moved_does_not_open)
{
	struct ring ring = { .known = 2 };
	struct evkv_slice raw;
	unsigned char *bytes;
	struct sealed s;
	size_t size;

	open_encryption(&s, &ring, 0);
	sealed_check(&s, "key", EVKV_LIT("value"));
	bytes = raw_of(&s, "key", &size);
	raw = evkv_bytes(bytes, size);
	check_status(moved(&s, raw, "c", "other"), EVKV_CORRUPT);
	check_status(moved(&s, raw, "c", "kex"), EVKV_CORRUPT);
	check_status(moved(&s, raw, "d", "key"), EVKV_CORRUPT);
	check_status(moved(&s, raw, "", "key"), EVKV_CORRUPT);
	/* The same bytes, parted elsewhere. */
	check_status(moved(&s, raw, "ck", "ey"), EVKV_CORRUPT);
	check_status(moved(&s, raw, "", "ckey"), EVKV_CORRUPT);
	check_status(moved(&s, raw, "c", "key"), EVKV_OK);
	check_slice(s.answer.entries[0].bytes, "value");
	free(bytes);
	sealed_close(&s);
}

EVKV_TEST(unit_encryption, one_that_is_corrupt_in_a_batch)
{
	const struct evkv_slice keys[] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("none"), EVKV_LIT("d") };
	struct ring ring = { .known = 2 };
	struct sealed s;

	open_encryption(&s, &ring, 0);
	sealed_check(&s, "a", EVKV_LIT("1"));
	sealed_check(&s, "d", EVKV_LIT(""));
	sealed_put(&s, s.memory, "b", EVKV_LIT("plain"));
	answer_reset(&s.answer);
	evkv_submit(s.store,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = EVKV_LIT("c"),
		.count = 4,
		.keys = keys },
	    answer_cb, &s.answer);
	rig_wait(&s.rig, &s.answer.calls);
	check_slice(s.answer.entries[0].bytes, "1");
	check_status(s.answer.entries[1].status, EVKV_CORRUPT);
	check(!s.answer.entries[1].has_value);
	check_status(s.answer.entries[2].status, EVKV_NOT_FOUND);
	check_status(s.answer.entries[3].status, EVKV_OK);
	check_int(s.answer.entries[3].bytes.size, 0);
	sealed_close(&s);
}

/* ---- Keys ---------------------------------------------------------------- */

EVKV_TEST(unit_encryption, rotation)
{
	struct ring ring = { .known = 4 };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct sealed s;
	unsigned id;
	char key[16];

	open_encryption(&s, &ring, 0);
	for (id = 1; id < 4; id++) {
		check(evkv_encryption_use_key(s.store, (int)id, &error));
		snprintf(key, sizeof(key), "k%u", id);
		sealed_check(&s, key, evkv_str(key));
		check_status(sealed_get(&s, s.memory, key), EVKV_OK);
		check_int(((const unsigned char *)s.answer.entries[0]
				  .bytes.data)[4],
		    id);
	}
	check(!evkv_encryption_use_key(s.store, 4, &error));
	check_invalid(error, "no key 4");
	check(!evkv_encryption_use_key(s.store, 0, NULL));
	check(!evkv_encryption_use_key(s.memory, 1, NULL));
	for (id = 1; id < 4; id++) {
		snprintf(key, sizeof(key), "k%u", id);
		check_status(sealed_get(&s, s.store, key), EVKV_OK);
	}
	/* A new one asks once for each; a key that is gone opens nothing. */
	evkv_store_unref(s.store);
	ring.asked = 0;
	ring.known = 3;
	s.store = make(&s, &ring, 2);
	for (id = 1; id < 9; id++)
		check_status(sealed_get(&s, s.store, id % 2 ? "k1" : "k2"),
		    EVKV_OK);
	check_int(ring.asked, 2);
	check_status(sealed_get(&s, s.store, "k3"), EVKV_CORRUPT);
	check_contains(s.answer.message, "not known");
	sealed_close(&s);
}

EVKV_TEST(unit_encryption, a_wrong_key_is_corrupt)
{
	struct ring ring = { .known = 2 };
	struct sealed s;

	open_encryption(&s, &ring, 0);
	sealed_check(&s, "k", EVKV_LIT("value"));
	evkv_store_unref(s.store);
	ring.salt = 1;
	s.store = make(&s, &ring, 0);
	check_status(sealed_get(&s, s.store, "k"), EVKV_CORRUPT);
	check_contains(s.answer.message, "does not open");
	sealed_close(&s);
}

EVKV_TEST(unit_encryption, the_id_is_sealed_too)
{
	struct ring ring = { .known = 4, .alike = true };
	unsigned char *raw;
	struct sealed s;
	size_t size;

	open_encryption(&s, &ring, 0);
	sealed_check(&s, "k", EVKV_LIT("value"));
	raw = raw_of(&s, "k", &size);
	raw[4] = 2;
	sealed_check_corrupt(&s, evkv_bytes(raw, size), "does not open");
	free(raw);
	sealed_close(&s);
}

/* More of them than are kept. */
EVKV_TEST(unit_encryption, many_keys)
{
	struct ring ring = { .known = 101 };
	struct sealed s;
	char key[16];
	int id;

	open_encryption(&s, &ring, 0);
	for (id = 1; id <= 100; id++) {
		check(evkv_encryption_use_key(s.store, id, NULL));
		snprintf(key, sizeof(key), "%d", id);
		sealed_check(&s, key, evkv_str(key));
	}
	for (id = 1; id <= 100; id++) {
		snprintf(key, sizeof(key), "%d", id);
		check_status(sealed_get(&s, s.store, key), EVKV_OK);
	}
	/* The last 16 are still there: that of puts, and these. */
	ring.asked = 0;
	for (id = 86; id <= 99; id++) {
		snprintf(key, sizeof(key), "%d", id);
		check_status(sealed_get(&s, s.store, key), EVKV_OK);
	}
	check_int(ring.asked, 0);
	sealed_check(&s, "last", EVKV_LIT("v"));
	sealed_close(&s);
}

#define DIGITS                                                                 \
	"00112233445566778899aabbccddeeff0123456789ABCDEF0123456789abcdef"

/* A file with a key, in a folder of its own. */
struct key_file {
	char folder[32], path[64];
};

static void write_key(struct key_file *file, const char *text, size_t size)
{
	FILE *stream;

	strcpy(file->folder, "/tmp/evkv-keys.XXXXXX");
	check(mkdtemp(file->folder) != NULL);
	snprintf(file->path, sizeof(file->path), "%s/key", file->folder);
	stream = fopen(file->path, "w");
	check(stream != NULL);
	check_int(fwrite(text, 1, size, stream), size);
	check_int(fclose(stream), 0);
}

static void remove_key(struct key_file *file)
{
	check_int(remove(file->path), 0);
	check_int(remove(file->folder), 0);
}

static struct evkv_store *with_file(struct sealed *s, const char *text,
    size_t size, struct evkv_error *error)
{
	struct evkv_store *store;
	struct key_file file;

	write_key(&file, text, size);
	store = evkv_encryption_new(evkv_store_ref(s->memory),
	    &(struct evkv_encryption_options){ .key_file = file.path }, error);
	remove_key(&file);
	return store;
}

/* The same key in all forms: what one has sealed the others open. */
EVKV_TEST(unit_encryption, key_files)
{
	static const char bytes[] = "\x00\x11\x22\x33\x44\x55\x66\x77"
				    "\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
				    "\x01\x23\x45\x67\x89\xab\xcd\xef"
				    "\x01\x23\x45\x67\x89\xab\xcd\xef";
	static const struct {
		const char *text;
		size_t size;
	} forms[] = { { bytes, 32 }, { DIGITS, 64 }, { DIGITS "\n", 65 },
		{ DIGITS "\r\n", 66 } };
	struct sealed s;
	int descriptors;
	size_t i;

	sealed_open(&s);
	descriptors = files_count("/proc/self/fd");
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		s.store = with_file(&s, forms[i].text, forms[i].size, NULL);
		check(s.store != NULL);
		if (i == 0)
			sealed_check(&s, "k", EVKV_LIT("value"));
		check_status(sealed_get(&s, s.store, "k"), EVKV_OK);
		check_slice(s.answer.entries[0].bytes, "value");
		evkv_store_unref(s.store);
	}
	check_int(files_count("/proc/self/fd"), descriptors);
	s.store = NULL;
	sealed_close(&s);
}

EVKV_TEST(unit_encryption, bad_key_files)
{
	static const char *const texts[] = { "", "short", DIGITS "0",
		DIGITS "\n\n", "g" DIGITS, " " DIGITS, DIGITS DIGITS,
		"0123456789012345678901234567890123456789012345678901234567890"
		"12x" };
	struct evkv_error error;
	struct sealed s;
	size_t i;

	sealed_open(&s);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		evkv_error_clear(&error);
		check(with_file(&s, texts[i], strlen(texts[i]), &error) ==
		    NULL);
		check_int(error.status, EVKV_INVALID);
		check_invalid(error, "hexadecimal");
		/* It does not tell what is in there. */
		check(strstr(error.message, "0123") == NULL);
	}
	sealed_close(&s);
}

static void check_refused(struct sealed *s,
    const struct evkv_encryption_options *options, const char *why)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	check(evkv_encryption_new(evkv_store_ref(s->memory), options, &error) ==
	    NULL);
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, why);
}

EVKV_TEST(unit_encryption, bad_options)
{
	struct ring ring = { .known = 2 };
	struct sealed s;

	sealed_open(&s);
	check_refused(&s, NULL, "no key 1");
	check_refused(&s,
	    &(struct evkv_encryption_options){
		.key = give_key, .key_arg = &ring, .key_id = 2 },
	    "no key 2");
	check_refused(&s, &(struct evkv_encryption_options){ .key_id = -1 },
	    "key_id");
	check_refused(&s,
	    &(struct evkv_encryption_options){ .key_file = "/nowhere/key" },
	    "can't be read");
	check_refused(&s, &(struct evkv_encryption_options){ .key_file = "/" },
	    "can't be read");
	check_refused(&s,
	    &(struct evkv_encryption_options){
		.key = give_key, .key_arg = &ring, .previous_key_id = 2 },
	    "previous_key_file");
	check_refused(&s,
	    &(struct evkv_encryption_options){ .key = give_key,
		.key_arg = &ring,
		.previous_key_file = "/nowhere/key",
		.previous_key_id = 1 },
	    "another id");
	sealed_close(&s);
}

/* The second file opens what was sealed before the keys were changed. */
EVKV_TEST(unit_encryption, by_text)
{
	struct key_file one, two;
	struct evkv_error error = EVKV_ERROR_INIT;
	struct sealed s;
	char text[256], *described;

	write_key(&one, DIGITS, 64);
	write_key(&two, "another key, and that of 32 byte", 32);
	sealed_open(&s);
	check(evkv_encryption_register(s.rig.loop));
	snprintf(text, sizeof(text),
	    "simple: | encryption(%s, key_id=2, previous_key_file=%s, "
	    "previous_key_id=1)",
	    two.path, one.path);
	s.store = evkv_open(s.rig.loop, text, &error);
	check_str(error.message, "");
	described = evkv_store_describe(s.store, 0);
	check_str(described, text);
	evkv_free(described);
	sealed_check(&s, "new", EVKV_LIT("2"));
	check(evkv_encryption_use_key(s.store, 1, NULL));
	sealed_check(&s, "old", EVKV_LIT("1"));
	check_status(sealed_get(&s, s.store, "new"), EVKV_OK);
	check(evkv_open(s.rig.loop, "simple: | encryption", &error) == NULL);
	check_invalid(error, "key_file is needed");
	remove_key(&one);
	remove_key(&two);
	sealed_close(&s);
}

EVKV_TEST(unit_encryption, kinds)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_TTL,
		EVKV_OP_TAKE };
	struct ring ring = { .known = 2 };
	struct sealed s;
	size_t i;

	open_encryption(&s, &ring, 0);
	sealed_check(&s, "k", EVKV_LIT("value"));
	check_status(sealed_submit(&s, EVKV_OP_INCR), EVKV_UNSUPPORTED);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		check_status(sealed_submit(&s, kinds[i]), EVKV_OK);
		check_slice(s.answer.entries[0].bytes, "value");
	}
	check_status(sealed_submit(&s, EVKV_OP_TAKE), EVKV_NOT_FOUND);
	sealed_close(&s);
}
