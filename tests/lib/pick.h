/*
 * tests/lib/pick.h - numbers by chance, the same ones from the same seed
 * everywhere.
 */
#ifndef TESTS_LIB_PICK_H
#define TESTS_LIB_PICK_H

#include <stdint.h>

/* A number below `below`, which is not 0; the state may begin with anything. */
static inline unsigned pick_below(uint64_t *state, unsigned below)
{
	*state = *state * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (unsigned)(*state >> 33) % below;
}

#endif
