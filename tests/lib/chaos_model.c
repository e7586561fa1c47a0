#include "chaos_model.h"

#include <stdlib.h>
#include <string.h>

#define LATE_MAX 512

/* A value that may still come to be there, and until which era. */
struct model_late {
	uint64_t value;
	uint32_t era;
};

struct model_state {
	uint64_t value; /* that is there, if no late one has come */
	struct model_late late[LATE_MAX];
	size_t late_count;
	uint32_t lost;         /* the last loss that is taken into account */
	bool overflow;         /* anything may be there */
	bool restored;         /* what is replaced may come back ... */
	uint32_t restored_era; /* ... until then */
};

size_t model_add(struct model_key *key, const struct model_step *step)
{
	if (key->count == key->room) {
		size_t room = key->room == 0 ? 64 : key->room * 2;
		void *more = realloc(key->steps, room * sizeof(*key->steps));

		if (more == NULL)
			abort();
		key->steps = more;
		key->room = room;
	}
	key->steps[key->count] = *step;
	return key->count++;
}

void model_free(struct model_key *key)
{
	free(key->steps);
	memset(key, 0, sizeof(*key));
}

static void model_maybe(struct model_state *state, uint64_t value, uint32_t era)
{
	if (state->late_count == LATE_MAX) {
		state->overflow = true;
		return;
	}
	state->late[state->late_count++] = (struct model_late){ value, era };
}

/* It is known to hold this from an operation of that era on. */
static void model_set(struct model_state *state, uint64_t value, uint32_t era)
{
	size_t kept = 0;

	if (state->restored && state->restored_era >= era)
		model_maybe(state, state->value, state->restored_era);
	state->value = value;
	for (size_t i = 0; i < state->late_count; i++) {
		if (state->late[i].era >= era)
			state->late[kept++] = state->late[i];
	}
	state->late_count = kept;
}

static bool model_can_be(const struct model_state *state, uint64_t value)
{
	if (state->overflow || state->value == value)
		return true;
	for (size_t i = 0; i < state->late_count; i++) {
		if (state->late[i].value == value)
			return true;
	}
	return false;
}

/* Whether the key can be there. */
static bool model_can_exist(const struct model_state *state)
{
	if (state->overflow || state->value != MODEL_ABSENT)
		return true;
	for (size_t i = 0; i < state->late_count; i++) {
		if (state->late[i].value != MODEL_ABSENT)
			return true;
	}
	return false;
}

static bool model_put(struct model_state *state, const struct model_step *step)
{
	if (step->status == EVKV_EXISTS)
		return step->condition == EVKV_IF_ABSENT &&
		    model_can_exist(state);
	if (step->status == EVKV_NOT_FOUND)
		return step->condition == EVKV_IF_PRESENT &&
		    model_can_be(state, MODEL_ABSENT);
	if ((step->condition == EVKV_IF_ABSENT &&
		!model_can_be(state, MODEL_ABSENT)) ||
	    (step->condition == EVKV_IF_PRESENT && !model_can_exist(state)))
		return false;
	model_set(state, step->value, step->began);
	return true;
}

/* The version was that of `expected`, no other value being the same. */
static bool model_delete_if(struct model_state *state,
    const struct model_step *step)
{
	if (step->status == EVKV_CONFLICT)
		return model_can_exist(state);
	if (step->status == EVKV_NOT_FOUND) {
		if (!model_can_be(state, MODEL_ABSENT))
			return false;
	} else if (!model_can_be(state, step->expected)) {
		return false;
	}
	model_set(state, MODEL_ABSENT, step->began);
	return true;
}

static bool model_step(struct model_state *state, const struct model_step *step)
{
	bool found = step->status == EVKV_OK;

	if (step->lost > state->lost) {
		state->lost = step->lost;
		model_maybe(state, MODEL_ABSENT, step->ended);
	}
	if (step->status == EVKV_UNKNOWN_OUTCOME) {
		if (step->kind == EVKV_OP_PUT)
			model_maybe(state, step->value, step->ended);
		else if (step->kind == EVKV_OP_DELETE ||
		    step->kind == EVKV_OP_TAKE)
			model_maybe(state, MODEL_ABSENT, step->ended);
		else if (step->kind == EVKV_OP_TOUCH && step->restores) {
			state->restored = true;
			state->restored_era = step->ended;
		}
		return true;
	}
	if (evkv_failed(step->status))
		return true; /* without effect */
	switch (step->kind) {
	case EVKV_OP_PUT: return model_put(state, step);
	case EVKV_OP_GET:
	case EVKV_OP_TTL:
		return model_can_be(state, found ? step->value : MODEL_ABSENT);
	case EVKV_OP_TAKE:
		if (!model_can_be(state, found ? step->value : MODEL_ABSENT))
			return false;
		model_set(state, MODEL_ABSENT, step->began);
		return true;
	case EVKV_OP_DELETE:
		if (step->condition == EVKV_IF_VERSION)
			return model_delete_if(state, step);
		if (found ? !model_can_exist(state)
			  : !model_can_be(state, MODEL_ABSENT))
			return false;
		model_set(state, MODEL_ABSENT, step->began);
		return true;
	default: /* HAS, TOUCH */
		return found ? model_can_exist(state)
			     : model_can_be(state, MODEL_ABSENT);
	}
}

bool model_holds(const struct model_key *key, size_t *at)
{
	struct model_state state = { .value = MODEL_ABSENT };

	for (*at = 0; *at < key->count; ++*at) {
		if (!model_step(&state, &key->steps[*at]))
			return false;
	}
	return true;
}
