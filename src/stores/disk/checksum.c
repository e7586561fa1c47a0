/*
 * disk/checksum.c - CRC-32C (Castagnoli, reflected, as in iSCSI).
 *
 * By the processor's own instruction where it has one, else eight bytes at a
 * time by tables. They are made at the first use, by whichever thread that is.
 */
#include <pthread.h>

#include "stores/disk/format.h"

#define CRC_POLYNOMIAL UINT32_C(0x82f63b78)

static pthread_once_t crc_once = PTHREAD_ONCE_INIT;
static uint32_t crc_table[8][256];

static void crc_prepare(void)
{
	uint32_t n, k, crc;

	for (n = 0; n < 256; n++) {
		crc = n;
		for (k = 0; k < 8; k++)
			crc = crc >> 1 ^ (CRC_POLYNOMIAL & (0 - (crc & 1)));
		crc_table[0][n] = crc;
	}
	for (n = 0; n < 256; n++) {
		crc = crc_table[0][n];
		for (k = 1; k < 8; k++) {
			crc = crc_table[0][crc & 0xff] ^ crc >> 8;
			crc_table[k][n] = crc;
		}
	}
}

static uint64_t crc_word(const unsigned char *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

uint32_t evkv__disk_crc_by_tables(uint32_t before, const void *bytes,
    size_t size)
{
	const unsigned char *data = bytes;
	uint32_t crc = ~before;
	uint64_t word;

	pthread_once(&crc_once, crc_prepare);
	for (; size >= 8; size -= 8, data += 8) {
		word = crc_word(data) ^ crc;
		crc = crc_table[7][word & 0xff] ^
		    crc_table[6][word >> 8 & 0xff] ^
		    crc_table[5][word >> 16 & 0xff] ^
		    crc_table[4][word >> 24 & 0xff] ^
		    crc_table[3][word >> 32 & 0xff] ^
		    crc_table[2][word >> 40 & 0xff] ^
		    crc_table[1][word >> 48 & 0xff] ^ crc_table[0][word >> 56];
	}
	for (; size > 0; size--, data++)
		crc = crc_table[0][(crc ^ *data) & 0xff] ^ crc >> 8;
	return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_by_instruction(
    uint32_t crc, const unsigned char *data, size_t size)
{
	uint64_t wide = crc;

	for (; size >= 8; size -= 8, data += 8)
		wide = __builtin_ia32_crc32di(wide, crc_word(data));
	crc = (uint32_t)wide;
	for (; size > 0; size--, data++)
		crc = __builtin_ia32_crc32qi(crc, *data);
	return crc;
}
#endif

uint32_t evkv__disk_crc(uint32_t before, const void *data, size_t size)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_by_instruction(~before, data, size);
#endif
	return evkv__disk_crc_by_tables(before, data, size);
}
