/*
 * engines/files/dispatch.h - which lane the jobs of a store on files go to, and
 * those of them that wait.
 *
 * One lane writes, the lanes behind it read. A job goes to where lane_order.h
 * says, or is held until what it waits for has come back.
 */
#ifndef EVKV_ENGINES_FILES_DISPATCH_H
#define EVKV_ENGINES_FILES_DISPATCH_H

#include "engines/files/lane_order.h"
#include "evkv/driver.h"
#include "evkv/executor.h"

/* What the job of an op begins with; evkv_op_data() of the op points to it. */
struct file_job {
	struct evkv_job job; /* first */
	const struct evkv_request *request;
	struct evkv_op *op;
	uint64_t *hashes; /* of the keys; NULL = none are recorded */
	uint64_t one_hash;
	unsigned lane; /* where it is, or LANE_HELD */
	struct file_job *next,
	    **link; /* waiting or held; link NULL = neither */
};

struct file_jobs {
	struct file_job *first, **last;
};

struct file_dispatch {
	struct lane_order order;
	struct file_jobs waiting; /* for the store to be open */
	struct file_jobs held;    /* for others */
	unsigned readers;         /* lanes 1 to this one read */
	unsigned last_reader;
	/*
	 * Hash key `i`, where the store has a use for its hashes besides; `job`
	 * NULL: of a request without one. NULL: by lane_order.h.
	 */
	uint64_t (*hash)(void *store, const struct evkv_request *request,
	    size_t i, struct file_job *job);
	/* Submit to a lane. false: it has no room. */
	bool (*submit)(void *store, struct file_job *job, unsigned lane);
	void *store;
};

void evkv__file_dispatch_init(struct file_dispatch *dispatch,
    struct evkv_loop *loop,
    bool (*submit)(void *store, struct file_job *job, unsigned lane),
    void *store);
/* true: the job is out or held. false: its op has failed. */
bool evkv__file_dispatch(struct file_dispatch *dispatch, struct file_job *job);
/* Its op is to be answered: its keys are under way no longer. */
void evkv__file_dispatch_leave(struct file_dispatch *dispatch,
    struct file_job *job);
/* Jobs have come back: what was held for them goes, or its op has failed. */
void evkv__file_dispatch_held(struct file_dispatch *dispatch);
/* Whether nothing is under way on the keys of a request. */
bool evkv__file_dispatch_free(struct file_dispatch *dispatch,
    const struct evkv_request *request);
/* stop() of the store. */
void evkv__file_dispatch_stop(struct file_dispatch *dispatch,
    struct evkv_op *op);

static inline bool file_kind_reads(enum evkv_kind kind)
{
	return (evkv_kind_classes(kind) & EVKV_CLASS_WRITES) == 0;
}

void evkv__file_jobs_append(struct file_jobs *jobs, struct file_job *job);
void evkv__file_jobs_remove(struct file_jobs *jobs, struct file_job *job);

#endif
