/*
 * rate_limit.c - so many requests of a client in a window of time, by INCR with
 * a TTL: the first request of a window makes the counter, and its end removes
 * it.
 *
 *     rate_limit
 *
 *     $ rate_limit
 *     ada, request 1: let through
 *     ada, request 2: let through
 *     bob, request 1: let through
 *     ada, request 3: let through
 *     ada, request 4: 429
 */
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "evkv/evkv.h"

#define LIMIT 3
#define WINDOW_MS 60000

struct request {
	const char *client;
	unsigned number;
};

static void on_counted(const struct evkv_result *result, void *arg)
{
	const struct request *request = arg;
	int64_t count = evkv_result_entry(result, 0)->number;

	/* A store that can't be asked should not close the service. */
	if (result->status != EVKV_OK)
		printf("%s, request %u: let through, %s\n", request->client,
		    request->number, evkv_status_name(result->status));
	else
		printf("%s, request %u: %s\n", request->client, request->number,
		    count <= LIMIT ? "let through" : "429");
}

static void count(struct evkv_store *store, struct request *request)
{
	const struct evkv_slice client = evkv_str(request->client);

	evkv_submit(store,
	    &(struct evkv_request){
		.kind = EVKV_OP_INCR,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("requests"),
		.count = 1,
		.keys = &client,
		.delta = 1,
		.ttl_ms = WINDOW_MS, /* of a counter that is made */
		.timeout_ms = 100,
	    },
	    on_counted, request);
}

int main(void)
{
	struct request requests[] = { { "ada", 1 }, { "ada", 2 }, { "bob", 1 },
		{ "ada", 3 }, { "ada", 4 } };
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_store *store = evkv_open(loop, "memory:?max_entries=100000",
	    NULL);
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		count(store, &requests[i]);
	event_base_dispatch(base);
	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	return EXIT_SUCCESS;
}
