/*
 * Full: at max_bytes, and with a full disk. Puts say NOSPACE, all else goes on,
 * deletes always work, and after them puts do again.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kit.h"

static char value[8 << 20];

static struct evkv_slice key_of(unsigned i, char *buffer)
{
	return evkv_bytes(buffer, (size_t)snprintf(buffer, 16, "k%06u", i));
}

/* Put entries until there is no room; returns how many went in. */
static unsigned fill(struct kit *kit, size_t size)
{
	char key[16];
	unsigned i;

	for (i = 0; i < 100000; i++) {
		enum evkv_status status = kit_put(kit, "c", key_of(i, key),
		    evkv_bytes(value, size), 0);

		if (status == EVKV_NOSPACE)
			return i;
		check_status(status, EVKV_OK);
	}
	fail_test("it is never full");
}

/* What a full store must still do, and what it must do after deletes. */
static void check_full(struct kit *kit, unsigned count, size_t size)
{
	struct answer answer = ANSWER_INIT;
	char key[16];
	unsigned i;

	/* Larger: a few pages become free with each commit. */
	check_status(kit_put(kit, "c", EVKV_LIT("more"),
			 evkv_bytes(value, size * 2 + 200000), 0),
	    EVKV_NOSPACE);
	for (i = 0; i < count; i++)
		check_status(kit_get(kit, "c", key_of(i, key),
				 evkv_bytes(value, size)),
		    EVKV_OK);
	kit_do(kit,
	    &(struct evkv_request){ .kind = EVKV_OP_KEYS,
		.collection = EVKV_LIT("c"),
		.match.limit = 10 },
	    &answer);
	check_int(answer.count, count < 10 ? count : 10);
	answer_free(&answer);
	for (i = 0; i < count; i++)
		check_status(kit_delete(kit, "c", key_of(i, key)), EVKV_OK);
	for (i = 0; i < count / 2; i++)
		check_status(kit_put(kit, "c", key_of(i, key),
				 evkv_bytes(value, size), 0),
		    EVKV_OK);
}

static void test_map(size_t size, enum evkv_disk_durability durability)
{
	const struct evkv_disk_options options = { .durability = durability,
		.max_bytes = (size_t)4 << 20 };
	struct kit kit;
	unsigned count, again;

	kit_begin(&kit);
	kit_open(&kit, &options);
	count = fill(&kit, size);
	/* Most of the map can be used. */
	check(count * (size + 40) > (size_t)2 << 20);
	check(kit_file_size(&kit) <= (size_t)4 << 20);
	check_full(&kit, count, size);
	/* Over and over. */
	for (again = 0; again < 5; again++) {
		count = fill(&kit, size);
		check(count * (size + 40) > (size_t)2 << 20);
		check_full(&kit, count, size);
	}
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "c"), EVKV_OK);
	kit_end(&kit);
}

EVKV_TEST(disk_space, full_of_small_entries)
{
	test_map(500, EVKV_DISK_NONE);
}

EVKV_TEST(disk_space, full_of_large_entries)
{
	test_map(100000, EVKV_DISK_OS);
}

EVKV_TEST(disk_space, full_of_huge_entries)
{
	test_map(700000, EVKV_DISK_FULL);
}

EVKV_TEST(disk_space, only_the_put_that_is_too_much_fails)
{
	const struct evkv_disk_options options = { .durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)4 << 20 };
	struct answer answer = ANSWER_INIT;
	struct evkv_slice keys[200], values[200];
	char names[200][16];
	struct kit kit;
	unsigned i;

	kit_begin(&kit);
	kit_open(&kit, &options);
	for (i = 0; i < 200; i++) {
		keys[i] = key_of(i, names[i]);
		values[i] = evkv_bytes(value, i == 77 ? sizeof(value) : 1000);
	}
	kit_do(&kit,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.collection = EVKV_LIT("c"),
		.count = 200,
		.keys = keys,
		.values = values },
	    &answer);
	check_status(answer.status, EVKV_NOSPACE);
	for (i = 0; i < 200; i++) {
		check_status(answer.entries[i].status,
		    i == 77 ? EVKV_NOSPACE : EVKV_OK);
		check_status(kit_get(&kit, "c", keys[i], values[i]),
		    i == 77 ? EVKV_NOT_FOUND : EVKV_OK);
	}
	answer_free(&answer);
	kit_end(&kit);
}

EVKV_TEST(disk_space, a_big_group_near_the_bound_fits_in_parts)
{
	const struct evkv_disk_options options = { .durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)8 << 20 };
	struct answer answer = ANSWER_INIT;
	static struct evkv_slice keys[3000], values[3000];
	static char names[3000][16];
	struct kit kit;
	unsigned i;

	kit_begin(&kit);
	kit_open(&kit, &options);
	for (i = 0; i < 3000; i++) {
		keys[i] = key_of(i, names[i]);
		values[i] = evkv_bytes(value, 1000);
	}
	/* Twice: the second overwrites, and needs copies of all pages. */
	for (i = 0; i < 2; i++) {
		kit_do(&kit,
		    &(struct evkv_request){ .kind = EVKV_OP_PUT,
			.collection = EVKV_LIT("c"),
			.count = 3000,
			.keys = keys,
			.values = values },
		    &answer);
		check_status(answer.status, EVKV_OK);
		answer_reset(&answer);
	}
	answer_free(&answer);
	kit_end(&kit);
}

/* ---- A full disk --------------------------------------------------------- */

/* Take all the room that is left on the file system. */
static void fill_disk(const struct kit *kit)
{
	char path[400];
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "%s/filler", kit->folder);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	check(fd >= 0);
	do {
		size = write(fd, value, 4096);
	} while (size > 0);
	close(fd);
}

static void test_disk(bool with_filler)
{
	const struct evkv_disk_options options = { .durability = EVKV_DISK_FULL,
		.max_bytes = (size_t)64 << 20 };
	struct kit kit;
	char path[400];
	unsigned count;

	kit_begin(&kit);
	if (mount("tmpfs", kit.folder, "tmpfs", 0, "size=6m") != 0) {
		kit_end(&kit);
		skip_test("mounting a tmpfs is not allowed here");
	}
	kit_open(&kit, &options);
	count = fill(&kit, 3000);
	check(count > 300);
	if (with_filler)
		fill_disk(&kit);
	check_full(&kit, count, 3000);
	/* Room on the disk is room for puts. */
	snprintf(path, sizeof(path), "%s/filler", kit.folder);
	unlink(path);
	check(fill(&kit, 3000) > 300);
	kit_close(&kit);
	kit_open(&kit, &options);
	check_status(kit_span(&kit, EVKV_OP_CLEAR_ALL, ""), EVKV_OK);
	kit_close(&kit);
	check_int(umount(kit.folder), 0);
	kit_end(&kit);
}

EVKV_TEST(disk_space, a_full_disk)
{
	test_disk(false);
}

EVKV_TEST(disk_space, a_disk_that_others_have_filled)
{
	test_disk(true);
}

/* As by "ulimit -f", or where the file system knows no longer files. */
EVKV_TEST(disk_space, a_file_that_may_not_grow)
{
	const struct evkv_disk_options options = { .durability = EVKV_DISK_FULL,
		.max_bytes = (size_t)64 << 20 };
	struct rlimit before, less;
	struct kit kit;
	unsigned count;

	kit_begin(&kit);
	check_int(getrlimit(RLIMIT_FSIZE, &before), 0);
	less = before;
	less.rlim_cur = (rlim_t)6 << 20;
	check_int(setrlimit(RLIMIT_FSIZE, &less), 0);
	kit_open(&kit, &options);
	count = fill(&kit, 3000);
	check(count > 300);
	check_full(&kit, count, 3000);
	/* What it may grow to is room for puts. */
	check_int(setrlimit(RLIMIT_FSIZE, &before), 0);
	check_status(kit_put(&kit, "c", EVKV_LIT("more"),
			 evkv_bytes(value, (size_t)8 << 20), 0),
	    EVKV_OK);
	kit_close(&kit);
	kit_end(&kit);
}

EVKV_TEST(disk_space, a_compaction_without_room_leaves_the_old_one)
{
	char path[400];
	struct kit kit;
	unsigned count, i;
	char key[16];

	kit_begin(&kit);
	if (mount("tmpfs", kit.folder, "tmpfs", 0, "size=6m") != 0) {
		kit_end(&kit);
		skip_test("mounting a tmpfs is not allowed here");
	}
	kit_open(&kit, NULL);
	count = fill(&kit, 3000);
	check_status(kit_span(&kit, EVKV_OP_COMPACT, ""), EVKV_NOSPACE);
	snprintf(path, sizeof(path), "%s/g-2", kit.path);
	check(access(path, F_OK) != 0);
	for (i = 0; i < count; i++)
		check_status(kit_get(&kit, "c", key_of(i, key),
				 evkv_bytes(value, 3000)),
		    EVKV_OK);
	for (i = 0; i < count; i++)
		if (i % 4 != 0)
			check_status(kit_delete(&kit, "c", key_of(i, key)),
			    EVKV_OK);
	/* It needs room for the copy beside the old one. */
	check_int(mount("tmpfs", kit.folder, "tmpfs", MS_REMOUNT, "size=12m"),
	    0);
	check_status(kit_span(&kit, EVKV_OP_COMPACT, ""), EVKV_OK);
	check_status(kit_get(&kit, "c", key_of(0, key),
			 evkv_bytes(value, 3000)),
	    EVKV_OK);
	kit_close(&kit);
	check_int(umount(kit.folder), 0);
	kit_end(&kit);
}

EVKV_TEST(disk_space, a_disk_without_room_for_a_store)
{
	struct answer answer = ANSWER_INIT;
	struct kit kit;

	kit_begin(&kit);
	if (mount("tmpfs", kit.folder, "tmpfs", 0, "size=64k") != 0) {
		kit_end(&kit);
		skip_test("mounting a tmpfs is not allowed here");
	}
	fill_disk(&kit);
	check_status(kit_try_open(&kit, NULL, &answer), EVKV_NOSPACE);
	answer_free(&answer);
	kit_close(&kit);
	check_int(umount(kit.folder), 0);
	kit_end(&kit);
}

/* ---- Refusals ------------------------------------------------------------ */

/* Transactions that were committed since the store was made. */
static size_t last_transaction(struct kit *kit)
{
	char path[400];
	size_t ids[2] = { 0, 0 };
	int fd, i;

	kit_data_file(kit, path, sizeof(path));
	fd = open(path, O_RDONLY);
	for (i = 0; i < 2; i++)
		check_int(pread(fd, &ids[i], sizeof(ids[i]), i * 4096 + 144),
		    sizeof(ids[i]));
	close(fd);
	return ids[ids[1] > ids[0]];
}

static void refuse_many(struct kit *kit, enum evkv_condition condition,
    struct evkv_slice collection)
{
	struct answer answers[64];
	struct evkv_slice keys[64], values[64];
	char names[64][16];
	unsigned i;

	memset(answers, 0, sizeof(answers));
	for (i = 0; i < 64; i++) {
		keys[i] = key_of(900000 + i, names[i]);
		values[i] = evkv_bytes(value, 2000);
		evkv_submit(kit->store,
		    &(struct evkv_request){ .kind = EVKV_OP_PUT,
			.collection = collection,
			.count = 1,
			.keys = &keys[i],
			.values = &values[i],
			.condition = condition },
		    answer_cb, &answers[i]);
	}
	for (i = 0; i < 64; i++) {
		rig_wait(&kit->rig, &answers[i].calls);
		check_status(answers[i].status, EVKV_NOSPACE);
		answer_free(&answers[i]);
	}
}

/* A full store; some larger ones and some smaller ones don't fit either. */
static void open_filled(struct kit *kit, enum evkv_disk_durability durability)
{
	const struct evkv_disk_options options = { .durability = durability,
		.max_bytes = (size_t)4 << 20 };

	kit_begin(kit);
	kit_open(kit, &options);
	fill(kit, 2000);
}

EVKV_TEST(disk_space, a_refused_put_costs_no_commit)
{
	struct kit kit;
	size_t before;
	int i;

	open_filled(&kit, EVKV_DISK_FULL);
	refuse_many(&kit, EVKV_IF_ANY, EVKV_LIT("c"));
	before = last_transaction(&kit);
	for (i = 0; i < 20; i++) {
		refuse_many(&kit, EVKV_IF_ANY, EVKV_LIT("c"));
		refuse_many(&kit, EVKV_IF_ABSENT, EVKV_LIT("c"));
		/* One that would make a collection leaves none. */
		refuse_many(&kit, EVKV_IF_ANY, EVKV_LIT("new"));
		check_status(kit_delete(&kit, "c", EVKV_LIT("never")),
		    EVKV_NOT_FOUND);
	}
	check_int(last_transaction(&kit), before);
	/* What a condition says goes before what there is room for. */
	{
		char name[16];
		struct evkv_slice key = key_of(0, name);
		struct evkv_slice text = evkv_bytes(value, 2000);
		struct answer answer = ANSWER_INIT;

		check_status(kit_do(&kit,
				 &(struct evkv_request){ .kind = EVKV_OP_PUT,
				     .flags = EVKV_FLAG_SINGLE,
				     .collection = EVKV_LIT("c"),
				     .count = 1,
				     .keys = &key,
				     .values = &text,
				     .condition = EVKV_IF_ABSENT },
				 &answer),
		    EVKV_EXISTS);
		answer_free(&answer);
	}
	kit_end(&kit);
}

/* What is freed is found at once, by this process or another's commit. */
EVKV_TEST(disk_space, a_delete_makes_room_for_the_next_put)
{
	char key[16];
	struct kit kit;
	unsigned i, j;

	open_filled(&kit, EVKV_DISK_NONE);
	for (i = 0; i < 40; i++) {
		for (j = 0; j < 10; j++)
			check_status(kit_delete(&kit, "c",
					 key_of(10 * i + j, key)),
			    EVKV_OK);
		for (j = 0; j < 100; j++) {
			if (kit_put(&kit, "c", key_of(10000 + 100 * i + j, key),
				evkv_bytes(value, 2000), 0) != EVKV_OK)
				break;
		}
		check_between(j, 5, 20);
		refuse_many(&kit, EVKV_IF_ANY, EVKV_LIT("c"));
	}
	kit_end(&kit);
}

/* The same size right after a large delete, in one turn and in two. */
EVKV_TEST(disk_space, a_large_delete_makes_room_for_a_large_put)
{
	const struct evkv_disk_options options = { .durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)4 << 20 };
	struct evkv_slice big = evkv_bytes(value, 100000);
	struct answer put = ANSWER_INIT;
	char key[16];
	struct kit kit;
	unsigned count, i;

	kit_begin(&kit);
	kit_open(&kit, &options);
	count = fill(&kit, 100000);
	check(count >= 25);
	for (i = 0; i < 30; i++) {
		check_status(kit_put(&kit, "c", EVKV_LIT("one more"), big, 0),
		    EVKV_NOSPACE);
		if (i % 2 == 0) {
			check_status(kit_delete(&kit, "c",
					 key_of(i % count, key)),
			    EVKV_OK);
		} else {
			evkv_delete(kit.store, EVKV_LIT("c"),
			    key_of(i % count, key), NULL, NULL);
		}
		evkv_put(kit.store, EVKV_LIT("c"), key_of(i % count, key), big,
		    0, answer_cb, &put);
		rig_wait(&kit.rig, &put.calls);
		check_status(put.status, EVKV_OK);
		answer_reset(&put);
	}
	answer_free(&put);
	kit_end(&kit);
}

/*
 * Room that comes from outside, here on the disk, is found although nothing
 * was committed.
 */
EVKV_TEST(disk_space, room_from_outside_is_found)
{
	const struct evkv_disk_options options = { .durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)64 << 20 };
	enum evkv_status status;
	struct kit kit;

	kit_begin_real(&kit);
	if (mount("tmpfs", kit.folder, "tmpfs", 0, "size=6m") != 0) {
		kit_end(&kit);
		skip_test("mounting a tmpfs is not allowed here");
	}
	kit_open(&kit, &options);
	fill(&kit, 3000);
	check_int(mount("tmpfs", kit.folder, "tmpfs", MS_REMOUNT, "size=12m"),
	    0);
	rig_until(&kit.rig,
	    (status = kit_put(&kit, "c", EVKV_LIT("more"),
		 evkv_bytes(value, 3000), 0)) != EVKV_NOSPACE);
	check_status(status, EVKV_OK);
	kit_close(&kit);
	check_int(umount(kit.folder), 0);
	kit_end(&kit);
}
