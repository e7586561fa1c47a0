/*
 * adapters/bridge/bridge.h - what both ends of a bridge share.
 *
 * The near end is a store on the loop that uses it (near.c); the far end serves
 * the store of the other loop, on that loop's thread (far.c). Between them go
 * jobs, one for each operation, in two lists:
 *
 *   near                       lock                       far
 *   submit ----> BRIDGE_QUEUED --in--> taken: BRIDGE_TAKEN ----> evkv_submit()
 *   complete <-- BRIDGE_BACK  <-back-- the result, copied  <---- callback
 *
 * A post is sent when a list was empty, so what goes over in one turn costs one
 * wake-up. Either loop may be freed first. A job whose op has been completed
 * without it (op NULL) is freed wherever it ends.
 */
#ifndef EVKV_ADAPTERS_BRIDGE_BRIDGE_H
#define EVKV_ADAPTERS_BRIDGE_BRIDGE_H

#include <pthread.h>
#include <sys/queue.h>

#include "evkv/adapters/bridge.h"
#include "evkv/driver.h"

struct bridge;

enum bridge_state {
	BRIDGE_QUEUED, /* in `in` */
	BRIDGE_TAKEN,  /* the far end has it */
	BRIDGE_BACK,   /* in `back`, or being completed */
};

struct bridge_job {
	struct bridge *bridge;
	struct evkv_op *op; /* near; NULL: abandoned */
	LIST_ENTRY(bridge_job) near_link;
	enum bridge_state state;
	bool stopped; /* in `stops` */
	STAILQ_ENTRY(bridge_job) link;
	TAILQ_ENTRY(bridge_job) stop_link;
	evkv_ticket ticket;         /* far */
	struct evkv_result *result; /* NULL: there was no memory for it */
	struct evkv_request *request;
	_Alignas(16) char bytes[]; /* the request and its inputs */
};

struct bridge {
	pthread_mutex_t mutex;
	unsigned refs; /* each end, each job, each post under way */
	bool near_dead, far_dead;
	struct evkv_loop *near_loop, *far_loop;
	STAILQ_HEAD(, bridge_job) in, back;
	TAILQ_HEAD(, bridge_job) stops;
	struct evkv_post in_post, back_post, attach_post, detach_post;
	bool in_posted, back_posted;

	/* What the far store shows, on its way to the near end. */
	bool state_changed;
	enum evkv_state state;
	enum evkv_cause cause;
	char message[160];

	/* near.c */
	struct evkv_store *node;
	LIST_HEAD(, bridge_job) jobs; /* under way */

	/* far.c */
	struct evkv_store *store; /* the reference that was consumed */
	LIST_ENTRY(bridge) hub_link;
	bool in_hub;
};

/* near.c: under the lock. */
void evkv__bridge_post_back(struct bridge *bridge);
void evkv__bridge_unref_locked(struct bridge *bridge);
void evkv__bridge_unref(struct bridge *bridge);
void evkv__bridge_job_free(struct bridge_job *job);

/* far.c */
void evkv__bridge_far_init(struct bridge *bridge);
void evkv__bridge_attach(struct bridge *bridge);
/* Under the lock: something is in `in` or `stops`. */
void evkv__bridge_post_in(struct bridge *bridge);
/* Under the lock: the near end is gone. */
void evkv__bridge_post_detach(struct bridge *bridge);

#endif
