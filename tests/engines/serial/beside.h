/*
 * tests/engines/serial/beside.h - writers beside a test: several at once, and
 * one that is killed again and again.
 */
#ifndef TESTS_ENGINES_SERIAL_BESIDE_H
#define TESTS_ENGINES_SERIAL_BESIDE_H

#include "kit.h"

/*
 * Two processes add 1 to one number 300 times each, and the sum is 600; then
 * they take the same 300 entries, and each entry is taken once.
 */
void beside_share(struct kit *kit, const char *writer, const char *url);

/*
 * Kill a writer at random moments; what it has reported is there, whole, and
 * what it has not is there whole or not at all.
 */
void beside_crash(struct kit *kit, const char *writer, const char *url,
    unsigned rounds);

#endif
