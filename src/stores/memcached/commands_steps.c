/*
 * INCR and TAKE, which read and then write what is still as it was read.
 *
 * A part goes in rounds. The first reads all of its keys, the next writes those
 * that are not done, with the cas that was read or, for an INCR of what was
 * absent, where it still is; what has changed meanwhile is read again, and so
 * on. After eight rounds of writes, one after the other, that have done no key
 * the rest is BUSY. Two of the same key in a batch do one another's, which is
 * why a round that has done any key does not count.
 *
 * Later operations on the keys wait for the last round (`ordered_kinds`). A
 * waiter that goes away ends it after the round that is under way.
 *
 * An entry's expiry stays. The server tells how many seconds are left, but at
 * the write another may have begun; a counter that is added to a thousand times
 * a second would never expire. So it is written as a time of the server's
 * clock, and a few such times are remembered: one that is reckoned again to
 * within two seconds is the same.
 */
#include "commands.h"

#include "evkv/number.h"

#define STEPS_IDLE 8
#define STEPS_SAME_S 2

bool evkv__memcached_steps_begin(struct memcached_part *part)
{
	struct evkv_op *op = part->base.slot.op;
	size_t size = sizeof(*part->steps) +
	    part->base.count * sizeof(part->steps->at[0]);

	part->steps = evkv_op_alloc(op, size);
	if (part->steps == NULL || !evkv_op_keep(op))
		return false;
	memset(part->steps, 0, size);
	part->base.slot.flags |= EVKV_SLOT_KEPT | EVKV_SLOT_READS;
	return true;
}

size_t evkv__memcached_steps_next(struct memcached_part *part)
{
	while (!part->steps->at[part->key].asked)
		part->key++;
	return part->key++;
}

static void step_done(struct memcached_part *part, size_t i)
{
	part->steps->at[i].done = true;
	part->steps->moved = true;
}

void evkv__memcached_steps_refused(struct memcached_part *part, size_t i)
{
	step_done(part, i);
}

/* ---- Rounds ----------------------------------------------------------- */

static bool steps_left(const struct memcached_part *part)
{
	for (size_t i = 0; i < part->base.count; i++) {
		if (!part->steps->at[i].done)
			return true;
	}
	return false;
}

static void steps_give_up(struct memcached_part *part)
{
	for (size_t i = 0; i < part->base.count; i++) {
		if (!part->steps->at[i].done)
			evkv__memcached_fail_key(part, i, EVKV_BUSY,
			    EVKV_CAUSE_OVERLOAD,
			    "memcached: others change the entry all the time");
	}
}

static bool steps_again(struct memcached_part *part)
{
	struct memcached_steps *steps = part->steps;

	if (!steps_left(part))
		return false;
	if (steps->writing && !steps->moved && ++steps->idle == STEPS_IDLE) {
		steps_give_up(part);
		return false;
	}
	if (steps->moved)
		steps->idle = 0;
	steps->moved = false;
	steps->writing = !steps->writing;
	if (steps->writing)
		part->base.slot.flags &= ~(uint32_t)EVKV_SLOT_READS;
	else
		part->base.slot.flags |= EVKV_SLOT_READS;
	return true;
}

/* A request for each key that is not done, by `write`. */
static bool steps_encode(struct memcached_connection *connection,
    struct memcached_part *part,
    bool (*write)(struct memcached_connection *connection,
	struct memcached_part *part, size_t i))
{
	part->key = 0;
	if (part->base.ends != NULL)
		part->base.ends->written = 0;
	for (size_t i = 0; i < part->base.count; i++) {
		struct memcached_step *step = &part->steps->at[i];

		step->asked = !step->done;
		if (step->asked && !write(connection, part, i))
			return false;
	}
	return true;
}

static bool steps_read(struct memcached_connection *connection,
    struct memcached_part *part, size_t i)
{
	struct command_line line = evkv__memcached_begin(connection, part, i,
	    "mg");

	if (line.start == NULL)
		return false;
	line.at = wire_raw(line.at, " v c t", 6);
	evkv__memcached_end_line(&line);
	evkv__memcached_commit(&line, i);
	return true;
}

/* Those that are not done: a write whose bytes were handed over may be. */
void evkv__memcached_steps_cut(struct memcached_part *part,
    const struct evkv_slot_end *end)
{
	const struct evkv_part_ends *ends = part->base.ends;

	for (size_t i = 0; i < part->base.count; i++) {
		struct memcached_step *step = &part->steps->at[i];
		bool sent = part->steps->writing && step->asked &&
		    end->fate == EVKV_SLOT_SENT &&
		    (ends == NULL || ends->at[i] <= end->sent);

		if (step->done)
			continue;
		evkv__memcached_fail_key(part, i,
		    sent ? EVKV_UNKNOWN_OUTCOME : end->status, end->cause,
		    end->message);
	}
}

/* Without a cas the write could not be conditional. */
static bool steps_lack_cas(struct memcached_part *part, size_t i,
    const struct memcached_reply *reply)
{
	if (reply->cas != 0)
		return false;
	evkv__memcached_fail_key(part, i, EVKV_UNSUPPORTED, EVKV_CAUSE_SERVER,
	    "memcached: the server keeps no versions (its option -C)");
	step_done(part, i);
	return true;
}

/* The answer to a conditional write; false: no server would say that. */
static bool steps_written(struct memcached_part *part, size_t i,
    const struct memcached_reply *reply)
{
	switch (reply->code) {
	case MEMCACHED_HD: step_done(part, i); return true;
	case MEMCACHED_EX:
	case MEMCACHED_NF:
	case MEMCACHED_NS: return true; /* to be read again */
	default: return false;
	}
}

/* ---- INCR ------------------------------------------------------------- */

/* The T that keeps an entry's expiry, of which `ttl_s` seconds are left. */
static int64_t incr_expiry(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, int64_t ttl_s)
{
	const struct evkv_request *request = command_request(part);
	struct memcached_store *store = connection->store;
	int64_t now_s = evkv__memcached_connection_time(connection);
	uint32_t hash = (uint32_t)evkv_spread_hash(request->collection,
	    request->keys[evkv_part_entry(&part->base, i)], UINT32_MAX);
	struct memcached_expiry
	    *known = &store->expiries[hash % MEMCACHED_EXPIRIES];
	int64_t at_s = now_s + ttl_s;

	if (at_s > MEMCACHED_ABSOLUTE_MAX)
		at_s = MEMCACHED_ABSOLUTE_MAX;
	if (known->hash != hash || known->at_s > at_s + STEPS_SAME_S ||
	    known->at_s < at_s - STEPS_SAME_S)
		*known = (struct memcached_expiry){ hash, at_s };
	return known->at_s;
}

static void incr_read(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct memcached_reply *reply)
{
	const struct evkv_request *request = command_request(part);
	struct memcached_step *step = &part->steps->at[i];
	size_t entry = evkv_part_entry(&part->base, i);
	struct memcached_name name = evkv__memcached_part_name(part, i);
	struct evkv_slice old = reply->bytes;
	bool there = reply->code == MEMCACHED_VA;
	int64_t ttl_ms = evkv__memcached_put_ttl(part, request, i);

	step->cas = reply->cas;
	if (there && steps_lack_cas(part, i, reply))
		return;
	if (there)
		step->expires_s = reply->ttl_s < 0
		    ? 0
		    : incr_expiry(connection, part, i, reply->ttl_s);
	else
		step->expires_s = (int64_t)evkv__memcached_ttl_s(connection,
		    ttl_ms);
	if ((!there || evkv__memcached_value_open(&name, &old)) &&
	    evkv_incr_apply(request, entry, there ? &old : NULL,
		&step->number) == EVKV_OK)
		return;
	evkv__memcached_fail_key(part, i, EVKV_INVALID, EVKV_CAUSE_NONE,
	    EVKV_INCR_REFUSED);
	step_done(part, i);
}

static bool incr_write(struct memcached_connection *connection,
    struct memcached_part *part, size_t i)
{
	const struct memcached_step *step = &part->steps->at[i];
	char text[EVKV_NUMBER_MAX];
	const struct command_set set = {
		.value = evkv_number_write(step->number, text),
		.ttl_s = (uint64_t)step->expires_s,
		.cas = step->cas,
		.mode = step->cas == 0 ? 'E' : 0,
		.tells_cas = part->versions,
	};

	return evkv__memcached_write_set(connection, part, i, &set);
}

static bool incr_encode(struct memcached_connection *connection,
    struct memcached_part *part)
{
	return steps_encode(connection, part,
	    part->steps->writing ? incr_write : steps_read);
}

static bool incr_reply(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct memcached_reply *reply)
{
	struct memcached_step *step = &part->steps->at[i];

	if (!part->steps->writing) {
		if (reply->code != MEMCACHED_EN &&
		    (reply->code != MEMCACHED_VA || !reply->has_ttl))
			return false;
		incr_read(connection, part, i, reply);
		return true;
	}
	if (command_entry(part, i)->status == EVKV_TOO_LARGE) {
		step_done(part, i);
		return reply->code == MEMCACHED_MN;
	}
	if (!steps_written(part, i, reply))
		return false;
	if (step->done) {
		command_entry(part, i)->number = step->number;
		evkv__memcached_tell_version(connection, part, i, reply->cas);
	}
	return true;
}

/* ---- TAKE ------------------------------------------------------------- */

static bool take_write(struct memcached_connection *connection,
    struct memcached_part *part, size_t i)
{
	struct command_line line = evkv__memcached_begin(connection, part, i,
	    "md");

	if (line.start == NULL)
		return false;
	line.at = wire_flag(line.at, 'C', part->steps->at[i].cas);
	evkv__memcached_end_line(&line);
	evkv__memcached_commit(&line, i);
	return true;
}

static bool take_encode(struct memcached_connection *connection,
    struct memcached_part *part)
{
	return steps_encode(connection, part,
	    part->steps->writing ? take_write : steps_read);
}

/* The value is given now, and once more where it has changed. */
static bool take_read(struct memcached_part *part, size_t i,
    const struct memcached_reply *reply)
{
	if (reply->code == MEMCACHED_EN) {
		evkv__memcached_fail_key(part, i, EVKV_NOT_FOUND,
		    EVKV_CAUSE_NONE, NULL);
		step_done(part, i);
		return true;
	}
	if (reply->code != MEMCACHED_VA)
		return false;
	part->steps->at[i].cas = reply->cas;
	if (!steps_lack_cas(part, i, reply) &&
	    !evkv__memcached_take_value(part, i, reply->bytes))
		step_done(part, i);
	return true;
}

static bool take_reply(struct memcached_connection *connection,
    struct memcached_part *part, size_t i, const struct memcached_reply *reply)
{
	(void)connection;
	return part->steps->writing ? steps_written(part, i, reply)
				    : take_read(part, i, reply);
}

/* ---- The tables ------------------------------------------------------- */

const struct memcached_command evkv__memcached_incr = {
	.encode = incr_encode,
	.reply = incr_reply,
	.again = steps_again,
};

const struct memcached_command evkv__memcached_take = {
	.encode = take_encode,
	.reply = take_reply,
	.again = steps_again,
};
