/*
 * Whether a tombstone may still be needed; what is dead in a file.
 */
#include <stdlib.h>

#include "lib/test.h"
#include "stores/log/env.h"

#define FILES 3

/* The order of files alone is looked at. */
struct order {
	struct log_file files[FILES], *all[FILES];
	struct log_env env;
};

static void order_make(struct order *o)
{
	size_t i;

	memset(o, 0, sizeof(*o));
	for (i = 0; i < FILES; i++) {
		o->files[i] = (struct log_file){ .puts = 1,
			.size = 1000,
			.head.created = 100 * i,
			.last = 100 * (i + 1) };
		o->all[i] = &o->files[i];
	}
	o->env.order = o->all;
	o->env.order_count = FILES;
}

EVKV_TEST(log_table, a_tombstone_is_needed_while_an_older_file_may_have_it)
{
	struct order o;

	order_make(&o);
	check(!evkv__log_older_exists(&o.env, 0, 300));
	check(evkv__log_older_exists(&o.env, 1, 300));
	check(evkv__log_older_exists(&o.env, 2, 300));
	/* One without puts has nothing to be removed. */
	o.files[0].puts = 0;
	check(!evkv__log_older_exists(&o.env, 1, 300));
	check(evkv__log_older_exists(&o.env, 2, 300));
	o.files[1].puts = 0;
	check(!evkv__log_older_exists(&o.env, 2, 300));
}

/* A compaction has copied nothing that was removed by what it knew. */
EVKV_TEST(log_table, nor_does_one_that_was_made_after_it)
{
	struct order o;

	order_make(&o);
	o.files[0].head.created = o.files[1].head.created = 250;
	check(evkv__log_older_exists(&o.env, 2, 251));
	check(!evkv__log_older_exists(&o.env, 2, 250));
	check(!evkv__log_older_exists(&o.env, 2, 249));
}

EVKV_TEST(log_table, dead_is_what_neither_lives_nor_is_needed)
{
	const uint64_t around = LOG_FILE_HEAD + LOG_ITEM_HEAD;
	struct order o;

	order_make(&o);
	o.files[1].live_bytes = 300;
	o.files[1].tombstone_bytes = 200;
	check_int(evkv__log_dead_bytes(&o.env, 0), 1000 - around);
	check_int(evkv__log_dead_bytes(&o.env, 1), 1000 - around - 500);
	o.files[0].puts = 0;
	check_int(evkv__log_dead_bytes(&o.env, 1), 1000 - around - 300);
	/* Sizes of what lives are rounded up. */
	o.files[1].live_bytes = 2000;
	check_int(evkv__log_dead_bytes(&o.env, 1), 0);
}

/* ---- Counting ------------------------------------------------------------ */

EVKV_TEST(log_table, entries_are_counted_where_they_are)
{
	struct log_collection collection = { .entries = 0 };
	struct log_collection *collections[] = { &collection };
	struct log_file file = { .slot = 1 };
	struct log_file *table[] = { NULL, &file };
	struct log_env env = { .table = table, .collections.all = collections };
	struct log_entry entry = { .place = evkv__log_place(1, 800, 64),
		.expiry = 700 };

	evkv__log_tally(&env, &entry, 1);
	entry.expiry = 500;
	evkv__log_tally(&env, &entry, 1);
	check_int(collection.latest, 700);
	check_int(collection.forever, 0);
	check_int(env.expiring, 2);
	entry.expiry = 0;
	evkv__log_tally(&env, &entry, 1);
	check_int(collection.entries, 3);
	check_int(collection.forever, 1);
	check_int(env.expiring, 2);
	check_int(file.live, 3);
	check_int(file.live_bytes, 3 * 64);
	evkv__log_tally(&env, &entry, -1);
	entry.expiry = 500;
	evkv__log_tally(&env, &entry, -1);
	check_int(collection.entries, 1);
	check_int(collection.forever, 0);
	check_int(env.expiring, 1);
	check_int(file.live, 1);
	check_int(file.live_bytes, 64);
}
