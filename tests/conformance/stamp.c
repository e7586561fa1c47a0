/*
 * tests/conformance/stamp.c - every case as a test of this program, on the
 * fixture that is linked into it; with CONFORMANCE_SWEEP, every case again and
 * again with allocations failing.
 */
#include "cases.h"

#ifdef CONFORMANCE_SWEEP
#define STAMP_(name_, kinds_, flags_)                                          \
	EVKV_TEST(sweep, name_)                                                \
	{                                                                      \
		conformance_sweep(&conformance_fixture,                        \
		    conformance_find(#name_));                                 \
	}
#else
#define STAMP_(name_, kinds_, flags_)                                          \
	EVKV_TEST(conformance, name_)                                          \
	{                                                                      \
		conformance_run(&conformance_fixture,                          \
		    conformance_find(#name_));                                 \
	}
#endif

CONFORMANCE_CASES(STAMP_)
