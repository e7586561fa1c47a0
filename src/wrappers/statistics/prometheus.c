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

#include "wrappers/statistics/statistics.h"

struct writer {
	struct evbuffer *out;
	bool failed; /* no memory */
};

/* Whose line it is. */
struct line {
	const struct evkv_store *store;
	const struct statistics *self;
	const struct collection *collection;
	const struct series *series;
	enum evkv_kind kind;
};

struct family {
	const char *name, *type, *help;
	void (*write)(struct writer *writer, const char *name,
	    const struct line *line);
};

/* ---- Label values -------------------------------------------------------- */

static void put(struct writer *writer, const void *bytes, size_t size)
{
	if (evbuffer_add(writer->out, bytes, size) != 0)
		writer->failed = true;
}

#define PUT(writer_, literal_) put((writer_), literal_, sizeof(literal_) - 1)

static bool continues(const unsigned char *at, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return false;
	}
	return true;
}

/* The size of the UTF-8 character at `at`; 0 = there is none. */
static size_t utf8_size(const unsigned char *at, size_t left)
{
	uint32_t code;

	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] < 0xe0 && left >= 2 && continues(at + 1, 1))
		return 2;
	if ((at[0] & 0xf0) == 0xe0 && left >= 3 && continues(at + 1, 2)) {
		code = (uint32_t)(at[0] & 0x0f) << 12 |
		    (uint32_t)(at[1] & 0x3f) << 6;
		return code >= 0x800 && (code < 0xd800 || code > 0xdfff) ? 3
									 : 0;
	}
	if (at[0] >= 0xf0 && at[0] < 0xf5 && left >= 4 &&
	    continues(at + 1, 3)) {
		code = (uint32_t)(at[0] & 0x07) << 18 |
		    (uint32_t)(at[1] & 0x3f) << 12;
		return code >= 0x10000 && code < 0x110000 ? 4 : 0;
	}
	return 0;
}

/*
 * Bytes inside quotes. A backslash becomes two, and two are written as four, so
 * that no name looks like an escaped byte or like the label of the rest.
 */
static void put_value(struct writer *writer, const void *bytes, size_t size)
{
	const unsigned char *at = bytes, *end = at + size;
	size_t step;

	for (; at < end; at += step) {
		step = utf8_size(at, (size_t)(end - at));
		if (step == 0 || *at < 0x20 || *at == 0x7f) {
			if (evbuffer_add_printf(writer->out, "\\\\x%02x", *at) <
			    0)
				writer->failed = true;
			step = 1;
		} else if (*at == '\\') {
			PUT(writer, "\\\\\\\\");
		} else if (*at == '"') {
			PUT(writer, "\\\"");
		} else {
			put(writer, at, step);
		}
	}
}

static void put_string(struct writer *writer, const char *string)
{
	put(writer, string, strlen(string));
}

/* name{store="...",collection="...",kind="..."; the closing is the caller's */
static void put_labels(struct writer *writer, const char *name,
    const struct line *line)
{
	const char *store = line->self->name;

	if (store == NULL)
		store = evkv_store_name(line->self->inner);
	put_string(writer, name);
	PUT(writer, "{store=\"");
	put_value(writer, store, strlen(store));
	PUT(writer, "\"");
	if (line->collection == NULL)
		return;
	PUT(writer, ",collection=\"");
	if (line->collection == line->self->rest)
		PUT(writer, "\\\\other");
	else
		put_value(writer, line->collection->name,
		    line->collection->size);
	PUT(writer, "\",kind=\"");
	put_string(writer, evkv_kind_name(line->kind));
	PUT(writer, "\"");
}

static void put_number(struct writer *writer, uint64_t number)
{
	if (evbuffer_add_printf(writer->out, "} %llu\n",
		(unsigned long long)number) < 0)
		writer->failed = true;
}

/* One label more, then the number. */
static void put_line(struct writer *writer, const char *name,
    const struct line *line, const char *label, const char *value,
    uint64_t number)
{
	put_labels(writer, name, line);
	PUT(writer, ",");
	put_string(writer, label);
	PUT(writer, "=\"");
	put_string(writer, value);
	PUT(writer, "\"");
	put_number(writer, number);
}

/* ---- Of each series ------------------------------------------------------ */

static void write_operations(struct writer *writer, const char *name,
    const struct line *line)
{
	size_t i;

	for (i = 0; i < EVKV_STATUS_COUNT; i++) {
		if (line->series->by_status[i] > 0)
			put_line(writer, name, line, "status",
			    evkv_status_name((enum evkv_status)i),
			    line->series->by_status[i]);
	}
}

static void write_keys(struct writer *writer, const char *name,
    const struct line *line)
{
	if (line->series->hits == 0 && line->series->misses == 0)
		return;
	put_line(writer, name, line, "result", "hit", line->series->hits);
	put_line(writer, name, line, "result", "miss", line->series->misses);
}

static void write_bytes(struct writer *writer, const char *name,
    const struct line *line)
{
	put_line(writer, name, line, "direction", "in", line->series->bytes_in);
	put_line(writer, name, line, "direction", "out",
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
		put_line(writer, part, line, "le", bounds[i].seconds,
		    evkv__histogram_count_to(times, bounds[i].ns));
	put_line(writer, part, line, "le", "+Inf", times->count);
	snprintf(part, sizeof(part), "%s_sum", name);
	put_labels(writer, part, line);
	if (evbuffer_add_printf(writer->out, "} %llu.%09llu\n",
		(unsigned long long)(times->sum_ns / 1000000000),
		(unsigned long long)(times->sum_ns % 1000000000)) < 0)
		writer->failed = true;
	snprintf(part, sizeof(part), "%s_count", name);
	put_labels(writer, part, line);
	put_number(writer, times->count);
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

static uint64_t read_reconnects(const struct evkv_counters *counters)
{
	return counters->reconnects;
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
	{ "evkv_reconnects_total", "counter",
	    "Connections made after the first.", read_reconnects },
	{ "evkv_entries", "gauge",
	    "Entries stored, where the store can tell at once.", read_entries },
	{ "evkv_stored_bytes", "gauge",
	    "Bytes stored, where the store can tell at once.", read_bytes },
	{ "evkv_evictions_total", "counter",
	    "Entries given up to make room for others.", read_evictions },
};

/* ---- The whole ----------------------------------------------------------- */

static void put_head(struct writer *writer, const char *name, const char *type,
    const char *help)
{
	if (evbuffer_add_printf(writer->out, "# HELP %s %s\n# TYPE %s %s\n",
		name, help, name, type) < 0)
		writer->failed = true;
}

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

	put_head(writer, family->name, family->type, family->help);
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

	put_head(writer, gauge->name, gauge->type, gauge->help);
	for (i = 0; i < count; i++) {
		line.store = stores[i];
		line.self = evkv__statistics_self(stores[i]);
		evkv_store_counters(stores[i], &counters);
		put_labels(writer, gauge->name, &line);
		put_number(writer, gauge->read(&counters));
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
	return !writer.failed;
}

bool evkv_statistics_write_prometheus(const struct evkv_store *store,
    struct evbuffer *out)
{
	struct evkv_store *one = (struct evkv_store *)(uintptr_t)store;

	return evkv_statistics_write_prometheus_all(&one, 1, out);
}
