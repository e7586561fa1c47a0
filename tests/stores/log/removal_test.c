/*
 * A clear that comes upon a damaged entry, which has no name to be removed by.
 */
#include <stdio.h>
#include <unistd.h>

#include "direct.h"
#include "lib/folder.h"
#include "lib/test.h"

#define ENTRIES 1000

/* Damage the entry that a walk comes to after `before` others. */
static void damage_at(struct direct *direct, size_t before)
{
	struct log_entry entries[ENTRIES];
	unsigned char byte;
	off_t at;
	bool more;
	int fd;

	check_int(evkv__log_index_walk(&direct->env->index, 0, entries, ENTRIES,
		      &more),
	    ENTRIES);
	at = (off_t)log_place_offset(entries[before].place);
	fd = log_place_file(direct->env, entries[before].place)->fd;
	check_int(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	check_int(pwrite(fd, &byte, 1, at), 1);
}

/* What an operation is told that clears the collection. */
static enum evkv_status clear(struct direct *direct)
{
	struct evkv_request request = { .kind = EVKV_OP_CLEAR,
		.collection = EVKV_LIT("c") };
	struct log_span span = { .removal.removed = 0 };
	struct log_job job = { .base.request = &request,
		.now_ms = direct->now_ms,
		.span = &span };

	evkv__log_run_writer(&job.base.job, &direct->worker);
	check(!span.removal.finished);
	return job.failure.status;
}

/* A part of it is removed, or nothing. */
EVKV_TEST(log_removal, a_clear_that_fails_says_whether_it_has_removed_any)
{
	static const size_t before[] = { 600, 10 };
	struct file_failure failure;
	struct direct direct;
	char folder[200], key[32];
	unsigned i, k;

	for (k = 0; k < 2; k++) {
		memset(&direct, 0, sizeof(direct));
		folder_make(folder, sizeof(folder));
		check(direct_open(&direct,
		    &(struct direct_config){ .path = folder,
			.segment_bytes = 1 << 20,
			.durability = LOG_SYNC_NONE },
		    &failure));
		for (i = 0; i < ENTRIES; i++) {
			snprintf(key, sizeof(key), "key-%u", i);
			check_status(direct_put(&direct, key, "v", 0), EVKV_OK);
		}
		damage_at(&direct, before[k]);
		check_status(clear(&direct),
		    k == 0 ? EVKV_UNKNOWN_OUTCOME : EVKV_CORRUPT);
		check(k == 0 ? direct.env->index.entries < ENTRIES
			     : direct.env->index.entries == ENTRIES);
		direct_close(&direct);
		folder_remove(folder);
	}
}
