/*
 * bench/hit_policies.h - the policies that the memory store's hit ratio is
 * compared with, each written as its paper has it, over ids 0 to ids - 1.
 */
#ifndef BENCH_HIT_POLICIES_H
#define BENCH_HIT_POLICIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is replayed. Sizes in bytes; times and TTLs in milliseconds. */
struct trace {
	const char *name;
	size_t count, room; /* requests; the arrays' room */
	uint32_t ids;       /* different ones */
	uint32_t *id;
	uint32_t *size;
	int64_t *time, *ttl; /* TTL 0 = none */
};

/*
 * Replay a trace with room for so many entries: `hit` is told of each request
 * whether the entry was there.
 */
typedef void (*policy_run)(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg);

void policy_fifo(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg);
void policy_lru(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg);
void policy_sieve(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg);
void policy_s3fifo(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg);
void policy_arc(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg);
void policy_wtinylfu(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg);
void policy_belady(const struct trace *trace, size_t capacity,
    void (*hit)(void *arg, size_t at), void *arg);

#endif
