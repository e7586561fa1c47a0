/*
 * tests/wrappers/schedule.h - a cache whose primary and users are watched.
 *
 *     cache, below it:  watch (loads)  faults  watch (effects)  simple store
 *
 * The lower watch writes down each version that a key has had in the primary,
 * in the order in which they took effect; the upper one sees the loads. With
 * that each answer can be judged.
 */
#ifndef TESTS_WRAPPERS_SCHEDULE_H
#define TESTS_WRAPPERS_SCHEDULE_H

#include "evkv/driver.h"
#include "rig.h"
#include "test.h"

enum {
	SCHEDULE_KEYS = 3,
	SCHEDULE_BATCH = 3,
	SCHEDULE_OPS = 256,
	SCHEDULE_VERSIONS = 512,
};

/* What is in the cache's place. */
enum schedule_place {
	SCHEDULE_SIMPLE, /* answers at once, and can be looked into */
	SCHEDULE_MEMORY, /* answers at once, without an op */
	SCHEDULE_REMOTE, /* answers late, or fails */
};

/* What a key had in the primary. */
struct version {
	unsigned number; /* its value; 0 = nothing */
	int64_t dies_us;
};

struct schedule_key {
	struct version versions[SCHEDULE_VERSIONS]; /* the first is nothing */
	size_t count;
	/* No read from now on may get an older one... */
	size_t least;
	/* ...or this, but where a load that began after `softened` failed. */
	size_t least_soft;
	uint64_t softened;
	/* Loads; `fences` counts what lets another one begin. */
	unsigned fences, latest_fences, writing;
	uint64_t latest;       /* load, by when it began; 0 = it has ended */
	uint64_t failed_begun; /* the latest begin of one that failed */
	int64_t failed_us;
	unsigned failed_fences;
};

struct schedule_op {
	struct schedule *schedule;
	enum evkv_kind kind;
	uint32_t flags;
	size_t count;
	unsigned keys[SCHEDULE_BATCH];
	unsigned number;
	int64_t ttl_ms, timeout_ms;
	unsigned calls;
	uint64_t begun; /* the events before it */
	int64_t begun_us;
	int64_t answer_by_us; /* 0 = no bound */
	/* As they were when it was submitted. */
	struct {
		size_t least, least_soft, now;
		uint64_t softened;
		bool has_head;
		unsigned char head[16];
	} at[SCHEDULE_BATCH];
};

struct schedule {
	uint64_t random;
	enum schedule_place place;
	struct evkv_passthrough_cache_options options;
	struct rig rig;
	struct evkv_store *store, *faults, *effects, *tier, *cache_faults;
	struct schedule_key keys[SCHEDULE_KEYS];
	uint64_t events;
	unsigned numbers;
	size_t op_count, over;
	struct schedule_op ops[SCHEDULE_OPS];
};

extern unsigned long schedule_seed; /* for messages */

void schedule_open(struct schedule *s, unsigned seed);
/* A new operation; NULL = there are enough. Fill it in, and submit it. */
struct schedule_op *schedule_op(struct schedule *s, enum evkv_kind kind,
    uint32_t flags);
void schedule_submit(struct schedule *s, struct schedule_op *op);
/* Another process writes to the primary. */
void schedule_put(struct schedule *s, unsigned key, int64_t ttl_ms);
void schedule_remove(struct schedule *s, unsigned key);
void schedule_pass(struct schedule *s, int64_t ms);
/* Everything ends, and all must be well again. */
void schedule_end(struct schedule *s);

/* The parts of it: judge.c */
void schedule_note(struct schedule_op *op);
void schedule_judge(struct schedule_op *op, const struct evkv_result *result);
/* Whether the cache has something of the key that it may serve now. */
bool schedule_serves(struct schedule *s, unsigned key);
int64_t schedule_now_us(const struct schedule *s);

#endif
