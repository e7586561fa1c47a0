/*
 * wrappers/statistics/figures.c - what the stores of a stack tell themselves
 * (evkv_store_metrics()), as text for Prometheus.
 *
 * They are gathered first, for each metric is one block: figures of one name,
 * label and stack are added up.
 */
#include <stdio.h>

#include "wrappers/statistics/text.h"

struct figure {
	struct evkv_metric metric;
	size_t stack; /* which of the stores */
	bool written;
};

struct figures {
	struct figure *list;
	size_t count, size;
	size_t stack; /* which one is asked */
	bool failed;
};

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static struct figure *figure_find(const struct figures *figures,
    const struct evkv_metric *metric)
{
	struct figure *figure;
	size_t i;

	for (i = 0; i < figures->count; i++) {
		figure = &figures->list[i];
		if (figure->stack == figures->stack &&
		    same_text(figure->metric.name, metric->name) &&
		    same_text(figure->metric.value, metric->value))
			return figure;
	}
	return NULL;
}

static bool figures_grow(struct figures *figures)
{
	size_t size = figures->size == 0 ? 32 : figures->size * 2;
	struct figure *list = evkv_malloc(size * sizeof(*list));

	if (list == NULL)
		return false;
	if (figures->count > 0)
		memcpy(list, figures->list, figures->count * sizeof(*list));
	evkv_free(figures->list);
	figures->list = list;
	figures->size = size;
	return true;
}

static void figure_add(const struct evkv_metric *metric, void *arg)
{
	struct figures *figures = arg;
	struct figure *there = figure_find(figures, metric);

	if (there != NULL) {
		there->metric.number += metric->number;
		return;
	}
	if (figures->count == figures->size && !figures_grow(figures)) {
		figures->failed = true;
		return;
	}
	figures->list[figures->count++] = (struct figure){ .metric = *metric,
		.stack = figures->stack };
}

/*
 * Of a driver that only counts its reconnects, and can't tell why; a metric has
 * the label in all of its lines.
 */
static void reconnects_add(const struct evkv_store *store,
    struct figures *figures)
{
	struct evkv_metric metric = {
		.name = "reconnects_total",
		.help = "Connections made after the first, by why the one "
			"before was lost.",
		.label = "cause",
		.value = "unknown",
	};
	struct evkv_counters counters;
	uint64_t told = 0;
	size_t i;

	for (i = 0; i < figures->count; i++) {
		if (figures->list[i].stack == figures->stack &&
		    same_text(figures->list[i].metric.name, metric.name))
			told += figures->list[i].metric.number;
	}
	evkv_store_counters(store, &counters);
	if (counters.reconnects <= told)
		return;
	metric.number = counters.reconnects - told;
	figure_add(&metric, figures);
}

static void figure_write(struct writer *writer, const char *name,
    const struct figure *figure, struct evkv_store *const *stores)
{
	struct line line = { .store = stores[figure->stack] };

	line.self = evkv__statistics_self(line.store);
	if (figure->metric.label != NULL) {
		evkv__text_line(writer, name, &line, figure->metric.label,
		    figure->metric.value, figure->metric.number);
		return;
	}
	evkv__text_labels(writer, name, &line);
	evkv__text_number(writer, figure->metric.number);
}

/* All lines of the metric whose first figure this is. */
static void block_write(struct writer *writer, struct figures *figures,
    size_t first, struct evkv_store *const *stores)
{
	const struct evkv_metric *metric = &figures->list[first].metric;
	char name[128];
	size_t i;

	snprintf(name, sizeof(name), "evkv_%s", metric->name);
	evkv__text_head(writer, name, metric->gauge ? "gauge" : "counter",
	    metric->help);
	for (i = first; i < figures->count; i++) {
		if (!same_text(figures->list[i].metric.name, metric->name))
			continue;
		figure_write(writer, name, &figures->list[i], stores);
		figures->list[i].written = true;
	}
}

void evkv__figures_write(struct writer *writer,
    struct evkv_store *const *stores, size_t count)
{
	struct figures figures = { .list = NULL };
	size_t i;

	for (i = 0; i < count; i++) {
		figures.stack = i;
		evkv_store_metrics(stores[i], figure_add, &figures);
		reconnects_add(stores[i], &figures);
	}
	for (i = 0; i < figures.count; i++) {
		if (!figures.list[i].written)
			block_write(writer, &figures, i, stores);
	}
	writer->failed = writer->failed || figures.failed;
	evkv_free(figures.list);
}
