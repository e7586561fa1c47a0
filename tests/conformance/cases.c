/*
 * tests/conformance/cases.c - the list of all cases, as a table.
 */
#include "cases.h"

#define CASE_ROW_(name_, kinds_, flags_)                                       \
	{ #name_, conformance_case_##name_, (kinds_), (flags_) },

const struct conformance_case conformance_cases[] = {
	CONFORMANCE_CASES(CASE_ROW_){ NULL, NULL, 0, 0 },
};
