/*
 * tests/model/stamp.c - the model test on the fixture of this program.
 */
#include "lib/test.h"
#include "model.h"

EVKV_TEST(model, a_long_history)
{
	model_check(&conformance_fixture, model_seed(1),
	    model_count(&conformance_fixture, 100000));
}

/* Many stores from the start: other tables, other orders of growth. */
EVKV_TEST(model, many_short_histories)
{
	size_t rounds = model_count(&conformance_fixture, 200);
	uint64_t seed = model_seed(1000), i;

	for (i = 0; i < rounds && i < 200; i++)
		model_check(&conformance_fixture, seed + i, 100);
}
