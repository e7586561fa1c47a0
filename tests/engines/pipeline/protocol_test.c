/*
 * tests/engines/pipeline/protocol_test.c - protocols of other sizes.
 */
#include <stddef.h>

#include "evkv/pipeline.h"
#include "rig.h"
#include "test.h"

static void connected(void *self)
{
	(void)self;
}

static bool encode(void *self, struct evkv_slot *slot)
{
	(void)self;
	(void)slot;
	return true;
}

static enum evkv_parse parse(void *self, struct evkv_slot *slot,
    const char *data, size_t size, size_t *used)
{
	(void)self;
	(void)slot;
	(void)data;
	*used = size;
	return EVKV_PARSE_MORE;
}

static void end(void *self, struct evkv_slot *slot,
    const struct evkv_slot_end *how)
{
	(void)self;
	(void)slot;
	(void)how;
}

static void state(void *self, enum evkv_state now, enum evkv_cause cause,
    const char *message)
{
	(void)now;
	(void)cause;
	(void)message;
	++*(unsigned *)self;
}

/* A connection that is refused at once tells its states, if it may. */
static unsigned states_told(size_t size)
{
	struct evkv_protocol protocol = {
		.size = size,
		.name = "old",
		.connected = connected,
		.encode = encode,
		.parse = parse,
		.end = end,
		.state = state,
	};
	struct evkv_pipeline *pipeline;
	unsigned told = 0, i;
	struct rig rig;

	rig_open(&rig);
	pipeline = evkv_pipeline_new(rig.loop, &protocol, &told,
	    &(struct evkv_pipeline_options){
		.unix_path = "/nonexistent/socket" },
	    NULL);
	check(pipeline != NULL);
	/* The library has a copy. */
	protocol.state = NULL;
	for (i = 0; i < 5; i++)
		rig_turn(&rig);
	evkv_pipeline_free(pipeline);
	rig_close(&rig);
	return told;
}

EVKV_TEST(pipeline_protocol, what_an_older_one_lacks_is_not_called)
{
	check(states_told(sizeof(struct evkv_protocol)) > 0);
	check_int(states_told(offsetof(struct evkv_protocol, state)), 0);
}

EVKV_TEST(pipeline_protocol, one_without_its_size_is_refused)
{
	const struct evkv_protocol protocol = { .name = "old" };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;

	rig_open(&rig);
	check(evkv_pipeline_new(rig.loop, &protocol, NULL, NULL, &error) ==
	    NULL);
	check_invalid(error, "size");
	rig_close(&rig);
}
