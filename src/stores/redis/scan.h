/*
 * stores/redis/scan.h - an operation on entries that it does not name, under
 * way.
 */
#ifndef EVKV_SRC_STORES_REDIS_SCAN_H
#define EVKV_SRC_STORES_REDIS_SCAN_H

#include "store.h"

/* Room for the decimal digits of a cursor. */
#define SCAN_CURSOR_MAX 20

struct redis_scan {
	struct redis_part part; /* the same for every round */
	struct redis_store *store;
	struct evkv_op *op;
	bool removes; /* CLEAR, CLEAR_ALL */
	bool failed;  /* the op has its failure */
	bool ended;   /* the server's cursor has come round */
	size_t limit;
	size_t rounds;
	struct evkv_slice match; /* for MATCH */
	char cursor[SCAN_CURSOR_MAX];
	size_t cursor_size;
	uint64_t number; /* of the connection that gave it; 0 = none of ours */
	int64_t removed;
	/* Names to UNLINK, each after its size as a size_t. */
	char *victims;
	size_t victim_count, victim_size, victim_room;
	/* COLLECTIONS: numbers of names of the page, +1, by hash; 0 = free. */
	uint32_t *seen;
	size_t seen_room;
};

/*
 * Make the pattern for MATCH, in the op's memory: true for all names that the
 * request can be about. false = no memory.
 */
bool evkv__redis_scan_match(struct redis_scan *scan,
    const struct evkv_request *request);

/*
 * One name that the server has. Adds it to the page or to the victims, if it is
 * ours and the request is about it. false = no memory.
 */
bool evkv__redis_scan_name(struct redis_scan *scan, struct evkv_slice name);

/* Append the UNLINK of all victims to the output. */
bool evkv__redis_scan_unlink(struct redis_scan *scan);

#endif
