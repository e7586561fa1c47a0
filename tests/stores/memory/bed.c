/* tests/stores/memory/bed.c - a memory store to test on. */
#include "bed.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/store.h"
#include "lib/faults.h"
#include "lib/test.h"

void bed_open(struct bed *bed, size_t max_entries, size_t max_bytes)
{
	struct evkv_memory_options options = {
		.max_entries = max_entries,
		.max_bytes = max_bytes,
	};

	rig_open(&bed->rig);
	bed->store = evkv_memory_new(bed->rig.loop, &options, NULL);
	check(bed->store != NULL);
}

void bed_close(struct bed *bed)
{
	evkv_store_unref(bed->store);
	rig_close(&bed->rig);
	check_int(faults_outstanding(), 0);
}

const struct memory *store_self_of(const struct evkv_store *store)
{
	return store->self;
}

struct evkv_counters bed_counters(const struct bed *bed)
{
	struct evkv_counters counters;

	evkv_store_counters(bed->store, &counters);
	return counters;
}

struct evkv_slice number_key(char *buffer, size_t size, unsigned number)
{
	return evkv_bytes(buffer,
	    (size_t)snprintf(buffer, size, "key-%06u", number));
}

void bed_wait(struct bed *bed, struct answer *answer)
{
	rig_wait(&bed->rig, &answer->calls);
	check_int(answer->calls, 1);
}

enum evkv_status bed_put_ttl(struct bed *bed, struct evkv_slice collection,
    struct evkv_slice key, struct evkv_slice value, int64_t ttl_ms)
{
	struct answer answer = ANSWER_INIT;
	enum evkv_status status;

	evkv_put(bed->store, collection, key, value, ttl_ms, answer_cb,
	    &answer);
	bed_wait(bed, &answer);
	status = answer.status;
	answer_free(&answer);
	return status;
}

enum evkv_status bed_put(struct bed *bed, const char *key, const char *value)
{
	return bed_put_ttl(bed, COLLECTION, evkv_str(key), evkv_str(value), 0);
}

unsigned key_number(struct evkv_slice key)
{
	char digits[7] = { 0 };

	check_int(key.size, 10);
	memcpy(digits, (const char *)key.data + 4, 6);
	return (unsigned)strtoul(digits, NULL, 10);
}

void bed_put_nowait(struct bed *bed, struct evkv_slice value)
{
	evkv_put(bed->store, COLLECTION, EVKV_LIT("k"), value, 0, NULL, NULL);
}

/* By batches, so that a test may have many of them. */
void bed_put_numbers(struct bed *bed, struct evkv_slice collection,
    unsigned from, unsigned to, int64_t ttl_ms)
{
	static char names[512][16];
	struct evkv_slice keys[512], values[512];
	struct answer answer = ANSWER_INIT;
	size_t n;

	while (from < to) {
		for (n = 0; n < 512 && from < to; n++, from++) {
			keys[n] = number_key(names[n], sizeof(names[n]), from);
			values[n] = keys[n];
		}
		answer_reset(&answer);
		evkv_put_many(bed->store, collection, keys, values, n, ttl_ms,
		    answer_cb, &answer);
		bed_wait(bed, &answer);
		check_status(answer.status, EVKV_OK);
	}
	answer_free(&answer);
}

int64_t bed_count_keys(struct bed *bed, struct evkv_slice collection)
{
	struct answer answer = ANSWER_INIT;
	char cursor[EVKV_CURSOR_MAX];
	size_t size = 0;
	int64_t count = 0;

	do {
		answer_reset(&answer);
		evkv_submit(bed->store,
		    &(struct evkv_request){
			.kind = EVKV_OP_KEYS,
			.collection = collection,
			.match.cursor = evkv_bytes(cursor, size),
		    },
		    answer_cb, &answer);
		bed_wait(bed, &answer);
		check_status(answer.status, EVKV_OK);
		count += (int64_t)answer.count;
		size = answer.cursor.size;
		if (size > 0)
			memcpy(cursor, answer.cursor.data, size);
	} while (size > 0);
	answer_free(&answer);
	return count;
}

int64_t bed_affected_by(struct bed *bed, const struct evkv_request *request)
{
	struct answer answer = ANSWER_INIT;
	int64_t affected;

	evkv_submit(bed->store, request, answer_cb, &answer);
	bed_wait(bed, &answer);
	check_status(answer.status, EVKV_OK);
	affected = answer.affected;
	answer_free(&answer);
	return affected;
}
