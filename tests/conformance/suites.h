/*
 * tests/conformance/suites.h - for the programs of our own stores: several
 * suites in one program, whose first argument names the one to be run.
 */
#ifndef TESTS_CONFORMANCE_SUITES_H
#define TESTS_CONFORMANCE_SUITES_H

#include "evkv/conformance.h"
#include "evkv/evkv.h"

/* Defined by the fixture's file; the last has no name. */
extern const struct evkv_conformance_suite conformance_suites[];

#endif
