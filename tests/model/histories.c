/*
 * tests/model/histories.c - the model tests that every store has.
 */
#include "model.h"

#define HISTORIES_OPS 100000
/* Each takes some turns. */
#ifdef TEST_SANITIZED
#define HISTORIES_DELAYED_OPS 4000
#else
#define HISTORIES_DELAYED_OPS 20000
#endif
#define HISTORIES_ROUNDS 200

static size_t histories_ops(const struct model_options *options)
{
	size_t normal = options->mode == CONFORMANCE_PLAIN
	    ? HISTORIES_OPS
	    : HISTORIES_DELAYED_OPS;

	if (options->ops != 0)
		return options->ops;
	if ((options->suite->quirks & EVKV_CONFORMANCE_SLOW) != 0)
		return normal / 20;
	return normal;
}

void model_a_long_history(const struct model_options *options)
{
	model_check(options->suite, options->mode,
	    options->seed != 0 ? options->seed : 1, histories_ops(options));
}

/* Many stores from the start: other tables, other orders of growth. */
void model_many_short_histories(const struct model_options *options)
{
	uint64_t seed = options->seed != 0 ? options->seed : 1000, i;
	uint64_t rounds = HISTORIES_ROUNDS;

	if (options->mode != CONFORMANCE_PLAIN)
		rounds = HISTORIES_DELAYED_OPS / 200;
	if ((options->suite->quirks & EVKV_CONFORMANCE_SLOW) != 0)
		rounds /= 20;
	for (i = 0; i < rounds; i++)
		model_check(options->suite, options->mode, seed + i, 100);
}
