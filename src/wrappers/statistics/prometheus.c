/*
 * wrappers/statistics/prometheus.c - what was counted, as text for Prometheus.
 *
 * The text format 0.0.4: each metric is one block under its own HELP and TYPE,
 * so several stores are written side by side, metric by metric. Times in our
 * buckets are handed over in the coarser ones that Prometheus is used to; a
 * bucket of ours that reaches over a bound counts to the next.
 */
#include <stdio.h>

#include <event2/buffer.h>

#include "wrappers/statistics/text.h"

struct family {
	const char *name, *type, *help;
	void (*write)(struct writer *writer, const char *name,
	    const struct line *line);
};

/* ---- Of each series ------------------------------------------------------ */

static void write_operations(struct writer *writer, const char *name,
    const struct line *line)
{
	size_t i;

	for (i = 0; i < EVKV_STATUS_COUNT; i++) {
		if (line->series->by_status[i] > 0)
			evkv__text_line(writer, name, line, "status",
			    evkv_status_name((enum evkv_status)i),
			    line->series->by_status[i]);
	}
}

static void write_keys(struct writer *writer, const char *name,
    const struct line *line)
{
	if (line->series->hits == 0 && line->series->misses == 0)
		return;
	evkv__text_line(writer, name, line, "result", "hit",
	    line->series->hits);
	evkv__text_line(writer, name, line, "result", "miss",
	    line->series->misses);
}

static void write_bytes(struct writer *writer, const char *name,
    const struct line *line)
{
	evkv__text_line(writer, name, line, "direction", "in",
	    line->series->bytes_in);
	evkv__text_line(writer, name, line, "direction", "out",
	    line->series->bytes_out);
}

static void write_times(struct writer *writer, const char *name,
    const struct line *line)
{
	static const struct {
		const char *seconds;
		uint64_t ns;
	} bounds[] = {
		{ "1e-06", 1000 },
		{ "2.5e-06", 2500 },
		{ "5e-06", 5000 },
		{ "1e-05", 10000 },
		{ "2.5e-05", 25000 },
		{ "5e-05", 50000 },
		{ "0.0001", 100000 },
		{ "0.00025", 250000 },
		{ "0.0005", 500000 },
		{ "0.001", 1000000 },
		{ "0.0025", 2500000 },
		{ "0.005", 5000000 },
		{ "0.01", 10000000 },
		{ "0.025", 25000000 },
		{ "0.05", 50000000 },
		{ "0.1", 100000000 },
		{ "0.25", 250000000 },
		{ "0.5", 500000000 },
		{ "1", 1000000000 },
		{ "2.5", 2500000000 },
		{ "5", 5000000000 },
		{ "10", 10000000000 },
	};
	const struct histogram *times = &line->series->times;
	char part[64];
	size_t i;

	if (times->count == 0)
		return;
	snprintf(part, sizeof(part), "%s_bucket", name);
	for (i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
		evkv__text_line(writer, part, line, "le", bounds[i].seconds,
		    evkv__histogram_count_to(times, bounds[i].ns));
	evkv__text_line(writer, part, line, "le", "+Inf", times->count);
	snprintf(part, sizeof(part), "%s_sum", name);
	evkv__text_labels(writer, part, line);
	if (evbuffer_add_printf(writer->out, "} %llu.%09llu\n",
		(unsigned long long)(times->sum_ns / 1000000000),
		(unsigned long long)(times->sum_ns % 1000000000)) < 0)
		writer->failed = true;
	snprintf(part, sizeof(part), "%s_count", name);
	evkv__text_labels(writer, part, line);
	evkv__text_number(writer, times->count);
}

static const struct family series_families[] = {
	{ "evkv_operations_total", "counter",
	    "Operations that have ended, by their status.", write_operations },
	{ "evkv_keys_total", "counter",
	    "Keys that were read, by whether they were there.", write_keys },
	{ "evkv_bytes_total", "counter",
	    "Bytes of keys and values given, of values and names answered.",
	    write_bytes },
	{ "evkv_operation_duration_seconds", "histogram",
	    "How long operations took; inline answers are sampled.",
	    write_times },
};

/* ---- Of each store ------------------------------------------------------- */

struct gauge {
	const char *name, *type, *help;
	uint64_t (*read)(const struct evkv_counters *counters);
};

static uint64_t read_pending(const struct evkv_counters *counters)
{
	return counters->pending;
}

static uint64_t read_pending_bytes(const struct evkv_counters *counters)
{
	return counters->pending_bytes;
}

static uint64_t read_abandoned(const struct evkv_counters *counters)
{
	return counters->abandoned;
}

static uint64_t read_entries(const struct evkv_counters *counters)
{
	return counters->entries;
}

static uint64_t read_bytes(const struct evkv_counters *counters)
{
	return counters->bytes;
}

static uint64_t read_evictions(const struct evkv_counters *counters)
{
	return counters->evictions;
}

static const struct gauge gauges[] = {
	{ "evkv_pending", "gauge", "Entries of operations under way.",
	    read_pending },
	{ "evkv_pending_bytes", "gauge", "Bytes of their keys and values.",
	    read_pending_bytes },
	{ "evkv_abandoned", "gauge",
	    "Operations cut off that have not ended below yet.",
	    read_abandoned },
	{ "evkv_entries", "gauge",
	    "Entries stored, where the store can tell at once.", read_entries },
	{ "evkv_stored_bytes", "gauge",
	    "Bytes stored, where the store can tell at once.", read_bytes },
	{ "evkv_evictions_total", "counter",
	    "Entries given up to make room for others.", read_evictions },
};

/* ---- The whole ----------------------------------------------------------- */

static void write_collection(struct writer *writer, const struct family *family,
    struct line line)
{
	unsigned kind;

	for (kind = 0; kind < EVKV_KIND_COUNT; kind++) {
		line.series = line.collection->series[kind];
		line.kind = (enum evkv_kind)kind;
		if (line.series != NULL)
			family->write(writer, family->name, &line);
	}
}

static void write_family(struct writer *writer, const struct family *family,
    struct evkv_store *const *stores, size_t count)
{
	struct line line = { .store = NULL };
	size_t i;

	evkv__text_head(writer, family->name, family->type, family->help);
	for (i = 0; i < count; i++) {
		line.store = stores[i];
		line.self = evkv__statistics_self(stores[i]);
		for (line.collection = line.self->first;
		     line.collection != NULL;
		     line.collection = line.collection->next)
			write_collection(writer, family, line);
		line.collection = line.self->rest;
		if (line.collection != NULL)
			write_collection(writer, family, line);
	}
}

static void write_gauge(struct writer *writer, const struct gauge *gauge,
    struct evkv_store *const *stores, size_t count)
{
	struct line line = { .store = NULL };
	struct evkv_counters counters;
	size_t i;

	evkv__text_head(writer, gauge->name, gauge->type, gauge->help);
	for (i = 0; i < count; i++) {
		line.store = stores[i];
		line.self = evkv__statistics_self(stores[i]);
		evkv_store_counters(stores[i], &counters);
		evkv__text_labels(writer, gauge->name, &line);
		evkv__text_number(writer, gauge->read(&counters));
	}
}

bool evkv_statistics_write_prometheus_all(struct evkv_store *const *stores,
    size_t count, struct evbuffer *out)
{
	struct writer writer = { .out = out };
	size_t i;

	for (i = 0; i < count; i++) {
		if (evkv__statistics_self(stores[i]) == NULL)
			return false;
	}
	for (i = 0; i < sizeof(series_families) / sizeof(series_families[0]);
	     i++)
		write_family(&writer, &series_families[i], stores, count);
	for (i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		write_gauge(&writer, &gauges[i], stores, count);
	evkv__figures_write(&writer, stores, count);
	return !writer.failed;
}

bool evkv_statistics_write_prometheus(const struct evkv_store *store,
    struct evbuffer *out)
{
	struct evkv_store *one = (struct evkv_store *)(uintptr_t)store;

	return evkv_statistics_write_prometheus_all(&one, 1, out);
}
