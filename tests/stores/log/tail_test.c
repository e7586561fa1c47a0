/*
 * The end of the last file: torn by a crash, or damaged, or cut off.
 */
#include "damage_kit.h"
#include "lib/folder.h"
#include "lib/test.h"

/* The last file as a crash leaves it: not sealed. Where its items end. */
static size_t tail_copy(struct damage *d)
{
	damage_copy(d->whole, d->path);
	return d->direct.env->active->size;
}

EVKV_TEST(log_tail, a_tail_of_zeros_is_torn)
{
	struct file_failure failure;
	struct direct direct;
	char value[64];
	struct damage d;
	size_t end, from, size;

	damage_begin(&d);
	check_int(direct_put(&d.direct, "last", "written", 0), EVKV_OK);
	end = tail_copy(&d);
	for (from = end - 80; from <= end; from += 8) {
		tail_copy(&d);
		size = damage_read(&d, "0003.data");
		memset(damage_room + from, 0, size - from);
		damage_write(&d, "0003.data", size);
		check_int(damage_open(&d, &direct, &failure), EVKV_OK);
		damage_check(&direct, "zeros");
		check_int(direct_get(&direct, "one more", value, 64), EVKV_OK);
		check_int(direct_get(&direct, "last", value, 64),
		    from == end ? EVKV_OK : EVKV_NOT_FOUND);
		/* Nothing is appended behind it, no version given again. */
		check_int(direct_put(&direct, "after", "it", 0), EVKV_OK);
		check(direct.env->version > d.direct.env->version);
		check_int(direct.env->active->head.number, 4);
		direct_close(&direct);
		check_int(damage_open(&d, &direct, &failure), EVKV_OK);
		check_int(direct_get(&direct, "after", value, 64), EVKV_OK);
		direct_close(&direct);
	}
	damage_end(&d);
}

EVKV_TEST(log_tail, what_was_durable_is_not_cut)
{
	struct file_failure failure;
	struct direct direct;
	struct damage d;
	size_t size;

	damage_begin(&d);
	check_int(direct_put(&d.direct, "last", "written", 0), EVKV_OK);
	tail_copy(&d);
	size = damage_read(&d, "0003.data");
	damage_room[LOG_FILE_HEAD + LOG_ITEM_HEAD + 10] ^= 1;
	damage_write(&d, "0003.data", size);
	check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
	check(strstr(failure.message, "0003.data: damaged at offset 112") !=
	    NULL);
	/* Nothing was changed. */
	check_int(damage_read(&d, "0003.data"), size);
	damage_end(&d);
}

/* The whole room is there from the beginning, so a byte less is noticed. */
EVKV_TEST(log_tail, a_file_that_was_cut_by_a_byte_is_refused)
{
	struct file_failure failure;
	struct direct direct;
	struct damage d;

	damage_begin(&d);
	tail_copy(&d);
	damage_write(&d, "0003.data", damage_read(&d, "0003.data") - 1);
	check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
	check(strstr(failure.message, "cut off") != NULL);
	damage_end(&d);
}

EVKV_TEST(log_tail, a_file_that_was_cut_off_is_refused)
{
	static const char *const names[] = { "0001.data", "0003.data" };
	struct file_failure failure;
	struct direct direct;
	struct damage d;
	size_t size, i;

	damage_begin(&d);
	for (i = 0; i < 2; i++) {
		tail_copy(&d);
		size = damage_read(&d, names[i]);
		damage_write(&d, names[i], i == 0 ? size - 8 : 120);
		check_int(damage_open(&d, &direct, &failure), EVKV_CORRUPT);
		check(strstr(failure.message, names[i]) != NULL);
	}
	damage_end(&d);
}

/* ---- What os has brought to the disk ------------------------------------- */

/* Two writes that were not durable when the power went, the first one lost. */
static enum evkv_status tail_lost(struct damage *d, bool synced,
    struct direct *direct)
{
	struct file_failure failure;
	size_t at, size;

	damage_begin_at(d, LOG_SYNC_OS);
	check_int(evkv__log_sync(d->direct.env), 0);
	at = d->direct.env->active->size;
	check_int(direct_put(&d->direct, "lost", "v", 0), EVKV_OK);
	if (synced)
		check_int(evkv__log_sync(d->direct.env), 0);
	check_int(direct_put(&d->direct, "left", "v", 0), EVKV_OK);
	tail_copy(d);
	size = damage_read(d, "0003.data");
	memset(damage_room + at, 0, LOG_ITEM_HEAD);
	damage_write(d, "0003.data", size);
	return damage_open(d, direct, &failure);
}

EVKV_TEST(log_tail, what_was_not_yet_synced_may_be_torn_anywhere)
{
	struct direct direct;
	char value[64];
	struct damage d;

	check_int(tail_lost(&d, false, &direct), EVKV_OK);
	damage_check(&direct, "torn");
	check_int(direct_get(&direct, "one more", value, 64), EVKV_OK);
	check_int(direct_get(&direct, "lost", value, 64), EVKV_NOT_FOUND);
	check_int(direct_get(&direct, "left", value, 64), EVKV_NOT_FOUND);
	direct_close(&direct);
	damage_end(&d);
}

EVKV_TEST(log_tail, what_was_synced_may_not)
{
	struct direct direct;
	struct damage d;

	check_int(tail_lost(&d, true, &direct), EVKV_CORRUPT);
	damage_end(&d);
}
