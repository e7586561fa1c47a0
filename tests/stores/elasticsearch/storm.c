#include "storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

void storm_begin(struct storm *storm, struct rig *rig, struct evkv_store *store)
{
	memset(storm, 0, sizeof(*storm));
	storm->rig = rig;
	storm->store = store;
	storm->random = 42;
}

struct storm_op {
	struct storm *storm;
	unsigned key, number;
};

static unsigned storm_random(struct storm *storm, unsigned below)
{
	storm->random = storm->random * UINT64_C(6364136223846793005) + 1;
	return (unsigned)(storm->random >> 33) % below;
}

static void storm_on_put(const struct evkv_result *result, void *arg)
{
	struct storm_op *op = arg;
	struct storm *storm = op->storm;

	storm->answered++;
	if (result->status == EVKV_OK)
		storm->keys[op->key].written = op->number;
	else if (result->status == EVKV_UNKNOWN_OUTCOME)
		storm->unknown++;
	else if (result->status == EVKV_UNAVAILABLE)
		storm->failed++;
	else
		check_status(result->status, EVKV_OK);
	free(op);
}

void storm_submit(struct storm *storm)
{
	struct storm_op *op = malloc(sizeof(*op));
	char key[16], value[16];

	check(op != NULL);
	op->storm = storm;
	op->key = storm_random(storm, STORM_KEYS);
	op->number = ++storm->keys[op->key].newest;
	storm->submitted++;
	snprintf(key, sizeof(key), "k%02u", op->key);
	snprintf(value, sizeof(value), "%u", op->number);
	check(evkv_put(storm->store, EVKV_LIT("c"), evkv_str(key),
		  evkv_str(value), 0, storm_on_put, op) != 0);
}

void storm_check(struct storm *storm)
{
	struct answer a = ANSWER_INIT;
	char key[16], text[16];
	unsigned value;

	for (unsigned i = 0; i < STORM_KEYS; i++) {
		snprintf(key, sizeof(key), "k%02u", i);
		answer_reset(&a);
		evkv_get(storm->store, EVKV_LIT("c"), evkv_str(key), answer_cb,
		    &a);
		rig_wait(storm->rig, &a.calls);
		if (a.status == EVKV_NOT_FOUND) {
			check_int(storm->keys[i].written, 0);
			continue;
		}
		check_status(a.status, EVKV_OK);
		check(a.entries[0].bytes.size < sizeof(text));
		memcpy(text, a.entries[0].bytes.data, a.entries[0].bytes.size);
		text[a.entries[0].bytes.size] = '\0';
		value = (unsigned)strtoul(text, NULL, 10);
		check_between(value, storm->keys[i].written,
		    storm->keys[i].newest);
	}
	answer_free(&a);
}
