/*
 * stores/log/group.h - a group while it is decided: shared by group.c, which
 * writes it, and unit.c, which decides its entries.
 */
#ifndef EVKV_STORES_LOG_GROUP_H
#define EVKV_STORES_LOG_GROUP_H

#include "stores/log/batch.h"
#include "stores/log/work.h"

/* A unit's name, and what the index had for it before the group. */
struct log_seen {
	struct log_name name;
	struct log_entry *entry; /* the index's, where that has not changed */
	uint64_t changes;        /* of the index, up to then */
	uint64_t place;          /* 0: nothing */
	uint32_t expiry;         /* coarse */
	bool known;              /* there is such a collection */
	bool sure;               /* hash and tag tell; else the record has to */
};

/* A key that the group writes, as it is to be. */
struct log_pending {
	const struct log_seen *seen; /* of its first unit: it has the name */
	uint64_t base; /* where the index has it; LOG_RESERVED: new there */
	bool there;    /* an entry, and no tombstone */
	uint64_t offset, size, version, expires;
	struct evkv_slice value; /* data NULL: in the batch, at value_at */
	size_t value_at;
	uint32_t slot; /* of the group's, that has it */
};

#define LOG_AHEAD 64 /* units whose names are looked up together */

struct log_group {
	struct log_batch batch;
	struct log_seen *seen; /* one for each unit */
	struct log_pending *pending;
	uint32_t *slots; /* 1 + place in `pending`, by hash */
	size_t count;
};

/* What is pending for a name, or NULL. */
struct log_pending *evkv__log_pending_find(struct log_group *group,
    const struct log_name *name);
/* One more, for a name that has none; `base` is where the index has it. */
struct log_pending *evkv__log_pending_add(struct log_group *group,
    const struct log_seen *seen, uint64_t base);
/* Give back a place that was reserved. With the lock held. */
void evkv__log_unreserve(struct log_env *env, const struct log_name *name);

/* ahead.c: look up the names of so many units, LOG_AHEAD at most. */
void evkv__log_ahead(struct log_env *env, const struct log_unit *units,
    size_t count, struct log_seen *seen);

/*
 * unit.c: decide one entry against what is there and what is pending, and add
 * to the batch what it writes; the cell gets its status. false: it is for the
 * next group.
 */
bool evkv__log_unit_decide(struct log_worker *worker,
    const struct log_unit *unit, struct log_seen *seen);

static inline const struct evkv_request *unit_request(const struct log_unit
	*unit)
{
	return unit->job->base.request;
}

static inline bool unit_writes(const struct log_unit *unit)
{
	return (evkv_kind_classes(unit_request(unit)->kind) &
		   EVKV_CLASS_WRITES) != 0;
}

#endif
