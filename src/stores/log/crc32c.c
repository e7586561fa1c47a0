#include "stores/log/crc32c.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41, bits reversed */

static uint32_t tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void tables_make(void)
{
	uint32_t crc;
	int i, bit;

	for (i = 0; i < 256; i++) {
		crc = (uint32_t)i;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
		tables[0][i] = crc;
	}
	for (bit = 1; bit < 8; bit++) {
		for (i = 0; i < 256; i++)
			tables[bit][i] = tables[bit - 1][i] >> 8 ^
			    tables[0][tables[bit - 1][i] & 0xff];
	}
}

/* Eight bytes at a time, by as many tables. */
uint32_t evkv__crc32c_table(uint32_t before, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint32_t crc = ~before, low;

	pthread_once(&tables_once, tables_make);
	for (; size >= 8; size -= 8, bytes += 8) {
		low = crc ^
		    ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
			(uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
		crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^
		    tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
		    tables[3][bytes[4]] ^ tables[2][bytes[5]] ^
		    tables[1][bytes[6]] ^ tables[0][bytes[7]];
	}
	for (; size > 0; size--, bytes++)
		crc = crc >> 8 ^ tables[0][(crc ^ *bytes) & 0xff];
	return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t crc_sse(uint32_t before,
    const unsigned char *bytes, size_t size)
{
	uint64_t crc = ~before, word;
	uint32_t half;

	for (; size >= 8; size -= 8, bytes += 8) {
		memcpy(&word, bytes, sizeof(word));
		crc = __builtin_ia32_crc32di(crc, word);
	}
	if ((size & 4) != 0) {
		memcpy(&half, bytes, sizeof(half));
		crc = __builtin_ia32_crc32si((uint32_t)crc, half);
		bytes += sizeof(half);
	}
	for (size &= 3; size > 0; size--, bytes++)
		crc = __builtin_ia32_crc32qi((uint32_t)crc, *bytes);
	return ~(uint32_t)crc;
}

uint32_t evkv__crc32c(uint32_t before, const void *data, size_t size)
{
	return __builtin_cpu_supports("sse4.2")
	    ? crc_sse(before, data, size)
	    : evkv__crc32c_table(before, data, size);
}

#else

uint32_t evkv__crc32c(uint32_t before, const void *data, size_t size)
{
	return evkv__crc32c_table(before, data, size);
}

#endif
