/*
 * Copies of a store in use: they open as stores, hold what was there at one
 * moment, and are broken off when the store closes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit.h"
#include "lib/files.h"

#define ROWS 2000

static void copy_path(const struct kit *kit, char path[400])
{
	snprintf(path, 400, "%s/copy", kit->folder);
}

static enum evkv_status backup(struct kit *kit, const char *path,
    uint32_t flags, struct answer *answer)
{
	check(evkv_disk_backup(kit->store, path, flags, answer_cb, answer));
	check_int(answer->calls, 0);
	rig_wait(&kit->rig, &answer->calls);
	return answer->status;
}

static struct evkv_slice key_of(unsigned i, char *buffer)
{
	return evkv_bytes(buffer, (size_t)snprintf(buffer, 16, "k%06u", i));
}

static void fill(struct kit *kit)
{
	static char value[300];
	char key[16];
	unsigned i;

	for (i = 0; i < ROWS; i++)
		evkv_put(kit->store, EVKV_LIT("c"), key_of(i, key),
		    evkv_bytes(value, sizeof(value)), 0, NULL, NULL);
	check_status(kit_span(kit, EVKV_OP_SYNC, ""), EVKV_OK);
}

static size_t entries(const struct kit *kit)
{
	struct evkv_counters counters;

	evkv_store_counters(kit->store, &counters);
	return counters.entries;
}

static void test_backup(uint32_t flags)
{
	struct answer answer = ANSWER_INIT;
	char path[400];
	struct kit kit;
	size_t size;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	fill(&kit);
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "none"), EVKV_OK);
	size = kit_file_size(&kit);
	copy_path(&kit, path);
	check_status(backup(&kit, path, flags, &answer), EVKV_OK);
	answer_reset(&answer);
	/* The original goes on; the copy is what it was. */
	check_status(kit_put(&kit, "c", EVKV_LIT("later"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	/* Not over it. */
	check_status(backup(&kit, path, flags, &answer), EVKV_REFUSED);
	answer_free(&answer);
	kit_close(&kit);
	snprintf(kit.path, sizeof(kit.path), "%.250s", path);
	kit_open(&kit, NULL);
	check_status(kit_get(&kit, "c", EVKV_LIT("later"), EVKV_LIT("v")),
	    EVKV_NOT_FOUND);
	check_status(kit_put(&kit, "c", EVKV_LIT("more"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	check_int(entries(&kit), ROWS + 1);
	check(kit_file_size(&kit) <= size + (2 << 20));
	kit_end(&kit);
}

EVKV_TEST(disk_backup, a_copy_opens_as_a_store)
{
	test_backup(0);
	test_backup(EVKV_DISK_BACKUP_PAGES);
}

/* Each copy, taken while puts go on, is a whole one. */
EVKV_TEST(disk_backup, a_copy_while_it_is_written_is_whole)
{
	struct answer answer = ANSWER_INIT, put = ANSWER_INIT;
	char path[400], key[16];
	struct kit kit, copy;
	unsigned i, n = 0;
	size_t count;

	kit_begin_real(&kit);
	kit_open(&kit, NULL);
	check_status(kit_put(&kit, "c", key_of(n++, key), EVKV_LIT("value"), 0),
	    EVKV_OK);
	for (i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "%s/copy%u", kit.folder, i);
		check(evkv_disk_backup(kit.store, path,
		    i % 2 != 0 ? EVKV_DISK_BACKUP_PAGES : 0, answer_cb,
		    &answer));
		while (answer.calls == 0) {
			evkv_put(kit.store, EVKV_LIT("c"), key_of(n++, key),
			    EVKV_LIT("value"), 0, answer_cb, &put);
			rig_wait(&kit.rig, &put.calls);
			check_status(put.status, EVKV_OK);
			answer_reset(&put);
		}
		check_status(answer.status, EVKV_OK);
		answer_reset(&answer);
		kit_begin(&copy);
		snprintf(copy.path, sizeof(copy.path), "%.250s", path);
		kit_open(&copy, NULL);
		check_status(kit_get(&copy, "c", key_of(0, key),
				 EVKV_LIT("value")),
		    EVKV_OK);
		/* Without gaps: what was there at one moment. */
		count = entries(&copy);
		check_between(count, 1, n);
		check_status(kit_get(&copy, "c",
				 key_of((unsigned)count - 1, key),
				 EVKV_LIT("value")),
		    EVKV_OK);
		check_status(kit_get(&copy, "c", key_of((unsigned)count, key),
				 EVKV_LIT("value")),
		    EVKV_NOT_FOUND);
		kit_end(&copy);
	}
	answer_free(&answer);
	kit_end(&kit);
}

EVKV_TEST(disk_backup, what_can_t_be_copied_is_told)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	struct rig freed;
	char path[400];
	struct kit kit;

	kit_begin(&kit);
	copy_path(&kit, path);
	check(!evkv_disk_backup(NULL, path, 0, answer_cb, &answer));
	rig_open(&freed);
	store = evkv_memory_new(freed.loop, NULL, NULL);
	rig_close(&freed);
	check(!evkv_disk_backup(store, path, 0, answer_cb, &answer));
	evkv_store_unref(store);
	store = evkv_memory_new(kit.rig.loop, NULL, NULL);
	check(evkv_disk_backup(store, path, 0, answer_cb, &answer));
	rig_wait(&kit.rig, &answer.calls);
	check_status(answer.status, EVKV_UNSUPPORTED);
	answer_reset(&answer);
	evkv_store_unref(store);
	kit_open(&kit, NULL);
	check_status(backup(&kit, "", 0, &answer), EVKV_INVALID);
	answer_reset(&answer);
	check_status(backup(&kit, path, 1u << 9, &answer), EVKV_INVALID);
	answer_reset(&answer);
	check_status(backup(&kit, "/no/such/parent", 0, &answer), EVKV_IO);
	answer_reset(&answer);
	/* Somebody else's directory is left alone. */
	check_int(mkdir(path, 0700), 0);
	files_write(path, "letter", "dear");
	check_status(backup(&kit, path, 0, &answer), EVKV_REFUSED);
	check_int(files_count(path), 1);
	answer_reset(&answer);
	check_status(backup(&kit, kit.path, 0, &answer), EVKV_LOCKED);
	answer_free(&answer);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	kit_end(&kit);
}

/* Versions of the original are none of the copy. */
EVKV_TEST(disk_backup, a_copy_has_versions_of_its_own)
{
	struct evkv_slice key = EVKV_LIT("k");
	struct answer answer = ANSWER_INIT;
	struct evkv_version version;
	char path[400];
	struct kit kit;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	check_status(kit_put(&kit, "c", key, EVKV_LIT("v"), 0), EVKV_OK);
	copy_path(&kit, path);
	check_status(backup(&kit, path, 0, &answer), EVKV_OK);
	answer_reset(&answer);
	version = kit_version(&kit, "c", key);
	kit_close(&kit);
	snprintf(kit.path, sizeof(kit.path), "%.250s", path);
	kit_open(&kit, NULL);
	check_status(kit_if_version(&kit, EVKV_OP_PUT, key, &version),
	    EVKV_CONFLICT);
	version = kit_version(&kit, "c", key);
	check_status(kit_if_version(&kit, EVKV_OP_PUT, key, &version), EVKV_OK);
	answer_free(&answer);
	kit_end(&kit);
}

/* Closing and freeing while a copy is under way: it comes back first. */
EVKV_TEST(disk_backup, closing_breaks_it_off)
{
	struct answer answers[4], closed = ANSWER_INIT;
	char path[400];
	struct kit kit;
	unsigned i, round;

	for (round = 0; round < 4; round++) {
		kit_begin(&kit);
		kit_open(&kit, NULL);
		fill(&kit);
		memset(answers, 0, sizeof(answers));
		for (i = 0; i < 4; i++) {
			snprintf(path, sizeof(path), "%s/copy%u", kit.folder,
			    i);
			check(evkv_disk_backup(kit.store, path,
			    i % 2 != 0 ? EVKV_DISK_BACKUP_PAGES : 0, answer_cb,
			    &answers[i]));
		}
		if (round > 0)
			rig_turn(&kit.rig);
		if (round < 3) {
			evkv_store_close(kit.store, 0, answer_cb, &closed);
			rig_wait(&kit.rig, &closed.calls);
			answer_reset(&closed);
		}
		evkv_store_unref(kit.store);
		kit.store = NULL;
		if (round == 3) {
			rig_close(&kit.rig);
			rig_open(&kit.rig);
		}
		for (i = 0; i < 4; i++) {
			check_int(answers[i].calls, 1);
			answer_free(&answers[i]);
		}
		kit_open(&kit, NULL);
		kit_end(&kit);
	}
	answer_free(&closed);
}
