/*
 * tests/lib/faults.h - evkv's allocator under the harness: counts what is
 * outstanding and fails where it is told to.
 *
 * The memory itself comes straight from malloc(), without headers or lists, so
 * that ASan, LSan and valgrind see each block as it is.
 */
#ifndef TESTS_LIB_FAULTS_H
#define TESTS_LIB_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

/* Make it evkv's allocator. Before any other call of evkv; the harness does. */
void faults_install(void);

/* Fail the nth allocation from now on (1 = the next), and that one alone. */
void faults_fail_nth(size_t n);
/* Fail the nth allocation from now on and all that follow. */
void faults_fail_from(size_t n);
/* Fail no more. Leaves faults_count() and faults_fired() as they are. */
void faults_off(void);

/* Allocations asked for since faults_fail_*() or faults_reset(). */
size_t faults_count(void);
/* How many of them were refused. */
size_t faults_fired(void);
/* Count from zero, fail nothing. */
void faults_reset(void);

/* Blocks that evkv holds now. Any thread. */
size_t faults_outstanding(void);

#endif
