/*
 * tests/lib/fork.h - a child of the test itself.
 *
 * The child checks by itself and says by its exit status which check failed; an
 * alarm ends it where something hangs. It can't use checks that jump, and
 * leaves by _exit(), so that it disturbs nothing of the parent's.
 */
#ifndef TESTS_LIB_FORK_H
#define TESTS_LIB_FORK_H

#include <unistd.h>

#define CHILD_CHECK(condition)                                                 \
	do {                                                                   \
		if (!(condition))                                              \
			_exit(__LINE__ % 255);                                 \
	} while (0)

/* Call run(arg) in a child, and wait for it: the test fails if it did. */
void fork_run(void (*run)(void *arg), void *arg);

#endif
