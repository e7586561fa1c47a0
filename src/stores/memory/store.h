/*
 * stores/memory/store.h - between the two files of the memory driver.
 */
#ifndef EVKV_STORES_MEMORY_STORE_H
#define EVKV_STORES_MEMORY_STORE_H

#include "core/store.h"
#include "evkv/stores/memory.h"
#include "stores/memory/table.h"

/* A pending op about entries that it does not name, done in steps. */
struct memory_job {
	struct memory_job *next;
	struct evkv_op *op;
	bool walking;    /* not yet through */
	bool by_records; /* it walks over collections, not over entries */
	uint64_t at;     /* in the index of collections */
	struct memory_walk walk;
	struct memory_tally tally;
	int64_t affected; /* beside those that walk and tally counted */
};

/* Cleared entries that a step looks for. */
#define RECLAIM_STEP 64
/* Gets that are looked up together, and the longest key that may wait. */
#define LATE_MAX 64
#define LATE_KEY_MAX 40

/* A get whose look-up is put off; of the collection that was asked for last. */
struct memory_late {
	struct evkv_op *op;
	uint64_t hash;
	size_t key_size;
	char key[LATE_KEY_MAX];
};

struct memory {
	struct evkv_memory_options options; /* as given */
	struct memory_table table;
	struct evkv_loop *loop;
	struct evkv_store *store;
	struct evkv_task task;   /* one step of whatever is to be done */
	struct evkv_timer timer; /* begins a sweep for expired entries */
	int64_t armed_us;        /* the expiry it is set for, NEVER = not set */
	unsigned sweep_steps;    /* left of the present sweep's */
	bool sweeping;
	bool closing;
	bool jobs_turn;    /* the next step is a job's, not upkeep's */
	bool reclaim_turn; /* upkeep's last step was for what was removed */
	struct memory_job *jobs, **jobs_tail;
	size_t late_count;
	struct memory_late late[LATE_MAX];
};

/* memory.c: see to it that what an op has left to be done will be. */
void evkv__memory_follow_up(struct memory *self);

/* read.c: GET, TTL and HAS. */
enum evkv_verdict evkv__memory_read(struct memory *self, struct evkv_op *op,
    const struct evkv_request *request);
/* Look up the gets that wait; before anything could change their answers. */
void evkv__memory_resolve(void *self);
enum evkv_peek evkv__memory_peek(void *self, const struct evkv_request *request,
    struct evkv_value **value);
evkv_ticket evkv__memory_get(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg);
/* The first half of a TAKE: entry i of the answer is the value of a key. */
void evkv__memory_take(struct memory *self, struct evkv_op *op, size_t i,
    const struct memory_collection *collection, struct evkv_slice key);

/* span.c */
enum evkv_verdict evkv__memory_span(struct memory *self, struct evkv_op *op,
    const struct evkv_request *request);
/* One step of the first job; then it is the next one's turn. */
void evkv__memory_job_step(struct memory *self);

#endif
