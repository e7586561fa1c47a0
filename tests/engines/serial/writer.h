/*
 * tests/engines/serial/writer.h - the process that tests of stores in files
 * start beside themselves (writer.c), and the entries that it writes.
 */
#ifndef TESTS_ENGINES_SERIAL_WRITER_H
#define TESTS_ENGINES_SERIAL_WRITER_H

#include <stdint.h>
#include <stdio.h>

#define WRITER_COLLECTION "numbers"
#define WRITER_KEY_MAX 32
#define WRITER_VALUE_MAX 4096
#define WRITER_TTL_MS 86400000 /* longer than any run */

static inline void writer_key(uint32_t n, char key[WRITER_KEY_MAX])
{
	snprintf(key, WRITER_KEY_MAX, "n%u", n);
}

/* Text of a length that follows from the number, too. */
static inline void writer_value(uint32_t n, char value[WRITER_VALUE_MAX])
{
	int size = snprintf(value, WRITER_VALUE_MAX, "%u:", n);
	int end = size + (int)(n * 7919u % 2000u);

	for (; size < end; size++)
		value[size] = (char)('a' + (size + (int)n) % 26);
	value[size] = '\0';
}

#endif
