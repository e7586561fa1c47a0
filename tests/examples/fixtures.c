/*
 * tests/examples/fixtures.c - the stores of the examples under the conformance
 * suite; FIXTURE says which one.
 */
#include "conformance.h"

#include "custom_store.h"
#include "custom_wrapper.h"
#include "delay.h"
#include "retry_wrapper.h"
#include "slow_store.h"

#if FIXTURE == 1
#define FIXTURE_NAME "custom_store"
#define FIXTURE_QUIRKS CONFORMANCE_SLOW
#elif FIXTURE == 2
#define FIXTURE_NAME "custom_wrapper"
#define FIXTURE_QUIRKS 0
#elif FIXTURE == 4
#define FIXTURE_NAME "retry_wrapper"
#define FIXTURE_QUIRKS 0
#else
#define FIXTURE_NAME "slow_store"
#define FIXTURE_QUIRKS 0
#endif

#if FIXTURE != 1
static struct evkv_store *fixture_memory(struct conformance *c,
    struct evkv_error *error)
{
	return evkv_memory_new(c->rig.loop,
	    &(struct evkv_memory_options){ .max_bytes = SIZE_MAX }, error);
}
#endif

static struct evkv_store *fixture_open(struct conformance *c,
    struct evkv_error *error)
{
#if FIXTURE == 1
	return shelf_new(c->rig.loop, 400, error);
#elif FIXTURE == 2
	return tag_values_new(fixture_memory(c, error), "v1:", error);
#elif FIXTURE == 4
	return retry_new(delay_new(fixture_memory(c, error), error), error);
#else
	static const int64_t no_delay_ms = 0;

	return slow_store_new(fixture_memory(c, error), &no_delay_ms, error);
#endif
}

const struct conformance_fixture conformance_fixture = {
	.name = FIXTURE_NAME,
	.open = fixture_open,
	.quirks = FIXTURE_QUIRKS,
};
