/*
 * wrappers/statistics/text.h - lines of the text for Prometheus.
 */
#ifndef EVKV_WRAPPERS_STATISTICS_TEXT_H
#define EVKV_WRAPPERS_STATISTICS_TEXT_H

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

/* The HELP and TYPE of a metric. */
void evkv__text_head(struct writer *writer, const char *name, const char *type,
    const char *help);
/* name{store="...",collection="...",kind="..."; the closing is the caller's */
void evkv__text_labels(struct writer *writer, const char *name,
    const struct line *line);
/* The closing and the number. */
void evkv__text_number(struct writer *writer, uint64_t number);
/* All of it, with one label more. */
void evkv__text_line(struct writer *writer, const char *name,
    const struct line *line, const char *label, const char *value,
    uint64_t number);

/* figures.c: what the stores of the stacks below tell themselves. */
void evkv__figures_write(struct writer *writer,
    struct evkv_store *const *stores, size_t count);

#endif
