/*
 * base/base64.c - base64 (RFC 4648, section 4).
 */
#include "evkv/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t evkv_base64_encode(struct evkv_slice bytes, char *text)
{
	const unsigned char *at = bytes.data;
	size_t size = 0, i;
	unsigned group;

	for (i = 0; i < bytes.size; i += 3) {
		group = (unsigned)at[i] << 16;
		if (i + 1 < bytes.size)
			group |= (unsigned)at[i + 1] << 8;
		if (i + 2 < bytes.size)
			group |= at[i + 2];
		text[size++] = alphabet[group >> 18];
		text[size++] = alphabet[group >> 12 & 63];
		text[size++] = i + 1 < bytes.size ? alphabet[group >> 6 & 63]
						  : '=';
		text[size++] = i + 2 < bytes.size ? alphabet[group & 63] : '=';
	}
	return size;
}

/* The six bits of a letter; -1 = it is none. */
static int letter_bits(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Four letters, of which the last `padding` are '='; false = not so. */
static bool group_read(const char *at, size_t padding, unsigned *group)
{
	size_t i;
	int bits;

	*group = 0;
	for (i = 0; i < 4; i++) {
		bits = i < 4 - padding ? letter_bits(at[i]) : 0;
		if (bits < 0 || (i >= 4 - padding && at[i] != '='))
			return false;
		*group = *group << 6 | (unsigned)bits;
	}
	/* The bits that no byte has are zero. */
	return (*group & ((1u << 8 * padding) - 1)) == 0;
}

bool evkv_base64_decode(struct evkv_slice text, void *bytes, size_t *size)
{
	const char *at = text.data;
	unsigned char *to = bytes;
	size_t padding = 0, i, j;
	unsigned group;

	*size = 0;
	if (text.size % 4 != 0)
		return false;
	for (i = 0; i < text.size; i += 4) {
		if (i + 4 == text.size && at[i + 3] == '=')
			padding = at[i + 2] == '=' ? 2 : 1;
		if (!group_read(at + i, padding, &group))
			return false;
		for (j = 0; j < 3 - padding; j++)
			to[(*size)++] = (unsigned char)(group >> (16 - 8 * j));
	}
	return true;
}
