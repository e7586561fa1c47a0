/*
 * compression: what is stored, what reads back, and what is damage.
 */
#include "evkv/wrappers/compression.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "evkv/driver.h"
#include "wrappers/compression/format.h"
#include "wrappers/sealed.h"

#define LARGE ((size_t)1 << 20)

static void open_compression(struct sealed *s,
    const struct evkv_compression_options *options)
{
	sealed_open(s);
	s->store = evkv_compression_new(evkv_store_ref(s->memory), options,
	    NULL);
	check(s->store != NULL);
}

/* Text-like bytes, or such as nothing compresses. */
static char *make_bytes(size_t size, bool random)
{
	char *bytes = malloc(size);
	uint64_t state = 7;
	size_t i;

	check(bytes != NULL);
	for (i = 0; i < size; i++) {
		state = state * UINT64_C(6364136223846793005) + 1;
		bytes[i] = (char)(random ? state >> 56 : 'a' + i / 64 % 16);
	}
	return bytes;
}

static size_t stored_size(struct sealed *s, const char *key)
{
	check_status(sealed_get(s, s->memory, key), EVKV_OK);
	return s->answer.entries[0].bytes.size;
}

EVKV_TEST(unit_compression, small_large_and_incompressible)
{
	char *text = make_bytes(LARGE, false), *noise = make_bytes(LARGE, true);
	struct sealed s;

	open_compression(&s, NULL);
	sealed_check(&s, "empty", EVKV_LIT(""));
	check_int(stored_size(&s, "empty"), 0);
	sealed_check(&s, "small", evkv_bytes(text, 255));
	check_int(stored_size(&s, "small"), 255);
	sealed_check(&s, "at the bound", evkv_bytes(text, 256));
	check_between(stored_size(&s, "at the bound"), 25, 255);
	sealed_check(&s, "large", evkv_bytes(text, LARGE));
	check_between(stored_size(&s, "large"), 25, LARGE / 50);
	sealed_check(&s, "noise", evkv_bytes(noise, LARGE));
	check_int(stored_size(&s, "noise"), LARGE);
	sealed_close(&s);
	free(text);
	free(noise);
}

EVKV_TEST(unit_compression, every_level)
{
	char *text = make_bytes(4096, false);
	struct evkv_compression_options options = { .min_size = 1 };
	struct sealed s;

	for (options.level = 1; options.level <= 19; options.level += 6) {
		open_compression(&s, &options);
		sealed_check(&s, "k", evkv_bytes(text, 4096));
		check_between(stored_size(&s, "k"), 25, 1000);
		sealed_close(&s);
	}
	free(text);
}

/* Written before the wrapper was there, and after. */
EVKV_TEST(unit_compression, values_without_a_header_are_read)
{
	static const char *const texts[] = { "", "a", "{\"a\":1}", "\xf9",
		"\xf9\x65\x9bZ", "\x28\xb5\x2f\xfd as zstd writes it" };
	struct sealed s;
	size_t i;

	open_compression(&s, NULL);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		check_status(sealed_put(&s, s.memory, "k", evkv_str(texts[i])),
		    EVKV_OK);
		check_status(sealed_get(&s, s.store, "k"), EVKV_OK);
		check_int(s.answer.entries[0].bytes.size, strlen(texts[i]));
	}
	sealed_close(&s);
}

/* What looks like a header, whole or damaged, when it is put. */
EVKV_TEST(unit_compression, frames_are_values_too)
{
	unsigned char *raw;
	struct sealed s;
	char *text = make_bytes(4096, false);
	size_t size, cut;

	open_compression(&s, NULL);
	sealed_check(&s, "k", evkv_bytes(text, 4096));
	stored_size(&s, "k");
	raw = sealed_copy(&s, &size);
	for (cut = 0; cut <= size; cut++)
		sealed_check(&s, "frame", evkv_bytes(raw, cut));
	for (cut = 0; cut < COMPRESSION_HEADER; cut++) {
		raw[cut] ^= 0x40;
		sealed_check(&s, "frame", evkv_bytes(raw, size));
	}
	free(raw);
	sealed_close(&s);
	free(text);
}

/* Every bit of a frame, and every length of it. */
static void damage(bool strict, bool stored)
{
	struct evkv_compression_options options = { .require_header = strict };
	char *bytes = make_bytes(600, stored);
	unsigned char *raw;
	struct sealed s;
	size_t size, i;

	open_compression(&s, &options);
	sealed_check(&s, "k", evkv_bytes(bytes, 600));
	stored_size(&s, "k");
	raw = sealed_copy(&s, &size);
	for (i = 0; i < size * 8; i++) {
		raw[i / 8] ^= (unsigned char)(1u << i % 8);
		sealed_check_corrupt(&s, evkv_bytes(raw, size), "compression:");
		raw[i / 8] ^= (unsigned char)(1u << i % 8);
	}
	/* Without its magic a value is one without a header. */
	for (i = strict ? 0 : 8; i < size; i++)
		sealed_check_corrupt(&s, evkv_bytes(raw, i), "compression:");
	check_status(sealed_put(&s, s.memory, "k", evkv_bytes(raw, size)),
	    EVKV_OK);
	check_status(sealed_get(&s, s.store, "k"), EVKV_OK);
	free(raw);
	sealed_close(&s);
	free(bytes);
}

EVKV_TEST(unit_compression, damage_is_corrupt)
{
	damage(false, false);
	damage(true, false);
	damage(true, true);
}

/* A frame with a right checksum all the same. */
static void forge(struct sealed *s, size_t claims, struct evkv_slice payload,
    const char *why)
{
	unsigned char *frame = malloc(COMPRESSION_HEADER + payload.size);

	check(frame != NULL);
	memcpy(frame + COMPRESSION_HEADER, payload.data, payload.size);
	compression_write(frame, COMPRESSION_ZSTD, claims, payload.size);
	sealed_check_corrupt(s,
	    evkv_bytes(frame, COMPRESSION_HEADER + payload.size), why);
	free(frame);
}

EVKV_TEST(unit_compression, bombs)
{
	const size_t size = (size_t)8 << 20;
	char *zeros = calloc(1, size), *packed = malloc(size);
	struct evkv_slice bomb;
	struct sealed s;

	open_compression(&s,
	    &(struct evkv_compression_options){ .max_value_bytes = LARGE });
	bomb = evkv_bytes(packed, ZSTD_compress(packed, size, zeros, size, 3));
	check_between(bomb.size, 1, 4096);
	forge(&s, size, bomb, "max_value_bytes");
	forge(&s, UINT32_MAX, bomb, "max_value_bytes");
	/* One that lies about its size. */
	forge(&s, LARGE, bomb, "wrong size");
	forge(&s, 0, bomb, "wrong size");
	forge(&s, 100, EVKV_LIT("no frame of zstd"), "wrong size");
	bomb = evkv_bytes(packed, ZSTD_compress(packed, size, zeros, 1000, 3));
	forge(&s, 1000, evkv_bytes(bomb.data, bomb.size - 1), "decompressed");
	sealed_close(&s);
	free(zeros);
	free(packed);
}

EVKV_TEST(unit_compression, what_is_not_read_is_not_written)
{
	char *bytes = make_bytes(101, false);
	struct sealed s;

	open_compression(&s,
	    &(struct evkv_compression_options){ .max_value_bytes = 100 });
	check_int(evkv_store_capabilities(s.store)->max_value, 100);
	sealed_check(&s, "k", evkv_bytes(bytes, 100));
	check_status(sealed_put(&s, s.store, "k", evkv_bytes(bytes, 101)),
	    EVKV_TOO_LARGE);
	sealed_close(&s);
	free(bytes);
}

EVKV_TEST(unit_compression, kinds)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_GET, EVKV_OP_TTL,
		EVKV_OP_TAKE };
	char *bytes = make_bytes(1000, false);
	struct sealed s;
	size_t i;

	open_compression(&s, NULL);
	sealed_check(&s, "k", evkv_bytes(bytes, 1000));
	check_status(sealed_submit(&s, EVKV_OP_INCR), EVKV_UNSUPPORTED);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		check_status(sealed_submit(&s, kinds[i]), EVKV_OK);
		check_int(s.answer.entries[0].bytes.size, 1000);
	}
	check_status(sealed_submit(&s, EVKV_OP_TAKE), EVKV_NOT_FOUND);
	sealed_close(&s);
	free(bytes);
}

EVKV_TEST(unit_compression, by_text)
{
	const char *text = "simple: | compression(7, min_size=1k, "
			   "max_value_bytes=1m, offload_size=8k, "
			   "require_header=yes)";
	struct evkv_error error = EVKV_ERROR_INIT;
	struct sealed s;
	char *described;

	sealed_open(&s);
	check(evkv_open(s.rig.loop, text, &error) == NULL);
	evkv_error_clear(&error);
	check(evkv_compression_register(s.rig.loop));
	s.store = evkv_open(s.rig.loop, text, &error);
	check(s.store != NULL);
	described = evkv_store_describe(s.store, 0);
	check_str(described, text);
	evkv_free(described);
	check(evkv_open(s.rig.loop, "simple: | compression(20)", &error) ==
	    NULL);
	check_invalid(error, "level");
	sealed_close(&s);
}
