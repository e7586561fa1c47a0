/*
 * base/number.h - the numbers that INCR reads and writes: decimal text as Redis
 * has it. "0", or an optional '-' and digits of which the first is not 0; what
 * does not fit into 64 bits with a sign is none.
 */
#ifndef EVKV_BASE_NUMBER_H
#define EVKV_BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "evkv/slice.h"

#define NUMBER_TEXT_MAX 20 /* "-9223372036854775808" */

/* false: it is no such number, and *number is left alone. */
bool evkv__number_read(struct evkv_slice text, int64_t *number);
/* The text in `buffer`. */
struct evkv_slice evkv__number_write(char buffer[NUMBER_TEXT_MAX],
    int64_t number);
/* false: the sum does not fit, and *sum is left alone. */
bool evkv__number_add(int64_t a, int64_t b, int64_t *sum);

#endif
