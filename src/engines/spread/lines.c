/*
 * The lines of a store, and the state that they make together.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/spread.h"

#define LINES_TEXT 512 /* the longest message of a state */

bool evkv_spread_init(struct evkv_spread *spread,
    const struct evkv_spread_type *type, void *self, size_t count)
{
	spread->type = type;
	spread->self = self;
	spread->count = count;
	spread->lines = evkv_calloc(count, sizeof(*spread->lines));
	return spread->lines != NULL;
}

void evkv_spread_free(struct evkv_spread *spread)
{
	for (size_t i = 0; spread->lines != NULL && i < spread->count; i++) {
		if (spread->lines[i].pipeline != NULL)
			evkv_pipeline_free(spread->lines[i].pipeline);
	}
	evkv_free(spread->lines);
	spread->lines = NULL;
}

void evkv_spread_close(struct evkv_spread *spread)
{
	for (size_t i = 0; i < spread->count; i++)
		evkv_pipeline_close(spread->lines[i].pipeline);
}

void evkv_spread_counters(const struct evkv_spread *spread,
    struct evkv_counters *counters)
{
	for (size_t i = 0; i < spread->count; i++) {
		struct evkv_pipeline_counters one;

		evkv_pipeline_counters(spread->lines[i].pipeline, &one);
		counters->reconnects += one.reconnects;
	}
}

void evkv_spread_metrics(const struct evkv_spread *spread,
    struct evkv_metrics *metrics)
{
	for (size_t i = 0; i < spread->count; i++)
		evkv_pipeline_metrics(spread->lines[i].pipeline, metrics);
}

/* ---- State ------------------------------------------------------------ */

/* A store is down when one of its lines is, and ready when all are. */
static enum evkv_state lines_whole(const struct evkv_spread *spread)
{
	enum evkv_state whole = EVKV_STATE_READY;

	for (size_t i = 0; i < spread->count; i++) {
		enum evkv_state state = spread->lines[i].state;

		if (state == EVKV_STATE_DOWN)
			return state;
		if (state == EVKV_STATE_CONNECTING)
			whole = state;
	}
	return whole;
}

static const char *line_name(const struct evkv_spread *spread, size_t i)
{
	return evkv_pipeline_name(spread->lines[i].pipeline);
}

/* The first line that is down of the server that line `i` goes to. */
static size_t first_down(const struct evkv_spread *spread, size_t i)
{
	size_t first = 0;

	while (first < spread->count &&
	    (spread->lines[first].state != EVKV_STATE_DOWN ||
		strcmp(line_name(spread, first), line_name(spread, i)) != 0))
		first++;
	return first;
}

/* Append the servers that are down, but that of line `besides`. */
static void add_names(const struct evkv_spread *spread, size_t besides,
    const char *before, char *text, size_t size)
{
	size_t used = strlen(text);
	int more;

	for (size_t i = 0; i < spread->count && used < size; i++) {
		if (first_down(spread, i) != i ||
		    strcmp(line_name(spread, i), line_name(spread, besides)) ==
			0)
			continue;
		more = snprintf(text + used, size - used, "%s%s", before,
		    line_name(spread, i));
		used += more > 0 ? (size_t)more : 0;
		before = ", ";
	}
}

/* One server works again, and others are still down: they are what is told. */
static void tell_others(const struct evkv_spread *spread,
    struct evkv_store *store, size_t line)
{
	char text[LINES_TEXT] = "";
	size_t down = 0;

	if (first_down(spread, line) < spread->count)
		return;
	while (spread->lines[down].state != EVKV_STATE_DOWN)
		down++;
	add_names(spread, line, "down: ", text, sizeof(text));
	evkv_store_set_state(store, EVKV_STATE_DOWN, spread->lines[down].cause,
	    text);
}

void evkv_spread_set_state(struct evkv_spread *spread, struct evkv_store *store,
    size_t line, enum evkv_state state, enum evkv_cause cause,
    const char *message)
{
	enum evkv_state before = lines_whole(spread), whole;
	char text[LINES_TEXT];

	spread->lines[line].state = state;
	spread->lines[line].cause = cause;
	whole = lines_whole(spread);
	if (state == EVKV_STATE_CLOSED)
		return;
	if (state == EVKV_STATE_DOWN) {
		snprintf(text, sizeof(text), "%s", message);
		add_names(spread, line, "; also down: ", text, sizeof(text));
		evkv_store_set_state(store, whole, cause, text);
	} else if (whole == state || whole != before) {
		evkv_store_set_state(store, whole, cause, message);
	} else if (whole == EVKV_STATE_DOWN && state == EVKV_STATE_READY) {
		/* What another one has made known stays, with its reason. */
		tell_others(spread, store, line);
	}
}
