/*
 * bench/elasticsearch_raw.h - a search node asked by libcurl's multi interface,
 * by hand.
 */
#ifndef BENCH_ELASTICSEARCH_RAW_H
#define BENCH_ELASTICSEARCH_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_INDEX "bench"
#define RAW_KEYS 20000
#define RAW_VALUE 100

struct raw;

struct raw *raw_open(int port);
void raw_close(struct raw *raw);
/* As many operations, `batch` in each request, `requests` at a time. */
void raw_gets(struct raw *raw, size_t ops, size_t batch, size_t requests);
void raw_puts(struct raw *raw, size_t ops, size_t batch, size_t requests);
/* "k0000000", 8 bytes, of a random entry. */
void raw_key(char key[9], uint64_t *random);

#endif
