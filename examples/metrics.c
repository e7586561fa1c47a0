/*
 * metrics.c - what a store does, as text for Prometheus: operations by status,
 * hits and misses, latencies.
 *
 *     $ metrics
 *     evkv_keys_total{store="memory",...,result="hit"} 1
 *     evkv_keys_total{store="memory",...,result="miss"} 1
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/evkv.h"

/* What GET /metrics answers; here the lines about hits and misses. */
static void print_metrics(struct evkv_store *store)
{
	struct evbuffer *text = evbuffer_new();
	char *line;

	evkv_statistics_write_prometheus(store, text);
	while ((line = evbuffer_readln(text, NULL, EVBUFFER_EOL_LF)) != NULL) {
		if (line[0] != '#' && strstr(line, "_keys_total") != NULL)
			puts(line);
		free(line);
	}
	evbuffer_free(text);
}

int main(void)
{
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_store *store = evkv_open(loop, "memory: | statistics()",
	    NULL);

	if (store == NULL)
		return EXIT_FAILURE;
	evkv_put(store, EVKV_LIT("users"), EVKV_LIT("ada"),
	    EVKV_LIT("Lovelace"), 0, NULL, NULL);
	evkv_get(store, EVKV_LIT("users"), EVKV_LIT("ada"), NULL, NULL);
	evkv_get(store, EVKV_LIT("users"), EVKV_LIT("bob"), NULL, NULL);
	event_base_dispatch(base);
	print_metrics(store);
	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	return EXIT_SUCCESS;
}
