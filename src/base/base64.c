/*
 * base/base64.c - base64 (RFC 4648, section 4).
 */
#include "evkv/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define LETTER 64

/* LETTER and the six bits of each letter; 0 = it is none. */
#define TWO(c_, bits_)                                                         \
	[c_] = LETTER | (bits_), [(c_) + 1] = LETTER | ((bits_) + 1)
static const unsigned char letters[256] = {
	TWO('A', 0),
	TWO('C', 2),
	TWO('E', 4),
	TWO('G', 6),
	TWO('I', 8),
	TWO('K', 10),
	TWO('M', 12),
	TWO('O', 14),
	TWO('Q', 16),
	TWO('S', 18),
	TWO('U', 20),
	TWO('W', 22),
	TWO('Y', 24),
	TWO('a', 26),
	TWO('c', 28),
	TWO('e', 30),
	TWO('g', 32),
	TWO('i', 34),
	TWO('k', 36),
	TWO('m', 38),
	TWO('o', 40),
	TWO('q', 42),
	TWO('s', 44),
	TWO('u', 46),
	TWO('w', 48),
	TWO('y', 50),
	TWO('0', 52),
	TWO('2', 54),
	TWO('4', 56),
	TWO('6', 58),
	TWO('8', 60),
	['+'] = LETTER | 62,
	['/'] = LETTER | 63,
};

static void group_write(unsigned group, char *text)
{
	text[0] = alphabet[group >> 18];
	text[1] = alphabet[group >> 12 & 63];
	text[2] = alphabet[group >> 6 & 63];
	text[3] = alphabet[group & 63];
}

size_t evkv_base64_encode(struct evkv_slice bytes, char *text)
{
	const unsigned char *at = bytes.data;
	size_t left = bytes.size, size = 0;
	unsigned group;

	for (; left >= 3; left -= 3, at += 3, size += 4) {
		group = (unsigned)at[0] << 16 | (unsigned)at[1] << 8 | at[2];
		group_write(group, text + size);
	}
	if (left == 0)
		return size;
	group = (unsigned)at[0] << 16;
	if (left == 2)
		group |= (unsigned)at[1] << 8;
	group_write(group, text + size);
	text[size + 3] = '=';
	if (left == 1)
		text[size + 2] = '=';
	return size + 4;
}

/* Three bytes; false = one of the four is no letter. */
static bool group_read(const unsigned char *at, unsigned *group)
{
	unsigned a = letters[at[0]], b = letters[at[1]];
	unsigned c = letters[at[2]], d = letters[at[3]];

	*group = (a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6 | (d & 63);
	return (a & b & c & d & LETTER) != 0;
}

/* The last four, of which one or two may be '='. */
static bool last_read(const unsigned char *at, size_t *padding, unsigned *group)
{
	unsigned char four[4] = { at[0], at[1], at[2], at[3] };

	*padding = at[3] != '=' ? 0 : at[2] != '=' ? 1 : 2;
	for (size_t i = 4 - *padding; i < 4; i++)
		four[i] = 'A';
	/* The bits that no byte has are zero. */
	return group_read(four, group) &&
	    (*group & ((1u << 8 * *padding) - 1)) == 0;
}

bool evkv_base64_decode(struct evkv_slice text, void *bytes, size_t *size)
{
	const unsigned char *at = text.data;
	unsigned char *to = bytes;
	size_t padding, left = text.size;
	unsigned group;

	*size = 0;
	if (left == 0 || left % 4 != 0)
		return left == 0;
	for (; left > 4; left -= 4, at += 4, to += 3) {
		if (!group_read(at, &group))
			return false;
		to[0] = (unsigned char)(group >> 16);
		to[1] = (unsigned char)(group >> 8);
		to[2] = (unsigned char)group;
	}
	if (!last_read(at, &padding, &group))
		return false;
	for (size_t i = 0; i < 3 - padding; i++)
		to[i] = (unsigned char)(group >> (16 - 8 * i));
	*size = text.size / 4 * 3 - padding;
	return true;
}
