/*
 * Eight threads on one log, through the sync adapter, while it compacts: each
 * sees its own writes, and counters that all of them count add up.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "evkv/adapters/sync.h"
#include "evkv/stores/log.h"
#include "lib/folder.h"
#include "lib/test.h"

#define THREADS 8
#define ROUNDS 300
#define KEYS 20

struct producer {
	struct evkv_sync *db;
	unsigned number;
	unsigned failures;
	pthread_t thread;
};

static struct evkv_store *open_log(struct evkv_loop *loop, const char *url,
    void *arg, struct evkv_error *error)
{
	(void)arg;
	evkv_log_register(loop);
	return evkv_open(loop, url, error);
}

static bool has(struct evkv_sync *db, struct evkv_slice key, const char *text)
{
	struct evkv_value *value;
	enum evkv_status status = evkv_sync_get(db, EVKV_LIT("c"), key, &value);
	struct evkv_slice bytes = evkv_value_bytes(value);
	bool same = status == EVKV_OK && bytes.size == strlen(text) &&
	    memcmp(bytes.data, text, bytes.size) == 0;

	if (text[0] == '\0')
		same = status == EVKV_NOT_FOUND;
	evkv_value_unref(value);
	return same;
}

static void *produce(void *arg)
{
	struct producer *p = arg;
	char key[32], value[200];
	int64_t sum;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		struct evkv_slice name;
		bool ok;

		snprintf(key, sizeof(key), "%u-%u", p->number, i % KEYS);
		snprintf(value, sizeof(value), "%0*u", (int)(i % 150 + 1), i);
		name = evkv_str(key);
		ok = evkv_sync_put(p->db, EVKV_LIT("c"), name, evkv_str(value),
			 EVKV_TTL_NONE) == EVKV_OK &&
		    has(p->db, name, value);
		if (i % 7 == 0)
			ok = ok &&
			    evkv_sync_delete(p->db, EVKV_LIT("c"), name) ==
				EVKV_OK &&
			    has(p->db, name, "");
		ok = ok &&
		    evkv_sync_incr(p->db, EVKV_LIT("c"), EVKV_LIT("sum"), 1,
			&sum) == EVKV_OK;
		p->failures += !ok;
		if (i % 100 == 99)
			evkv_sync_call(p->db,
			    &(struct evkv_request){ .kind = EVKV_OP_COMPACT },
			    NULL);
	}
	return NULL;
}

EVKV_TEST(log_threads, eight_producers_see_their_own_writes)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct producer producers[THREADS];
	char folder[200], url[300], total[32];
	struct evkv_sync *db;
	unsigned i;

	folder_make(folder, sizeof(folder));
	snprintf(url, sizeof(url),
	    "log:%s/log?segment_bytes=64k&durability=os&compact_ratio=0.2",
	    folder);
	db = evkv_sync_open(url,
	    &(struct evkv_sync_options){ .open = open_log }, &error);
	check_str(error.message, "");
	for (i = 0; i < THREADS; i++) {
		producers[i] = (struct producer){ .db = db, .number = i };
		check_int(pthread_create(&producers[i].thread, NULL, produce,
			      &producers[i]),
		    0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(producers[i].thread, NULL);
		check_int(producers[i].failures, 0);
	}
	snprintf(total, sizeof(total), "%d", THREADS * ROUNDS);
	check(has(db, EVKV_LIT("sum"), total));
	check_status(evkv_sync_close(db, 5000), EVKV_OK);
	folder_remove(folder);
}
