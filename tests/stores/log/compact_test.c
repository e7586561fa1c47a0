/*
 * Compaction, step by step: what is chosen and copied, and what becomes of it
 * when something fails.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "direct.h"
#include "lib/folder.h"
#include "lib/test.h"

#define SEGMENT (64u << 10)

static bool fail_folder; /* the next fsync() of a directory */

int fsync(int fd)
{
	struct stat stat;

	if (fail_folder && fstat(fd, &stat) == 0 && S_ISDIR(stat.st_mode)) {
		fail_folder = false;
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

struct compact {
	struct direct direct;
	struct direct_config config;
	char folder[200];
};

static void compact_begin(struct compact *c, uint64_t segment, uint64_t max)
{
	struct file_failure failure;

	memset(c, 0, sizeof(*c));
	folder_make(c->folder, sizeof(c->folder));
	c->config = (struct direct_config){ .path = c->folder,
		.segment_bytes = segment,
		.max_bytes = max,
		.durability = LOG_SYNC_NONE };
	check(direct_open(&c->direct, &c->config, &failure));
}

static void compact_end(struct compact *c)
{
	direct_close(&c->direct);
	folder_remove(c->folder);
}

/* Values of a kilobyte under the keys from `from` up to `to`. */
static void compact_fill(struct compact *c, unsigned from, unsigned to)
{
	char key[32], value[1001];
	unsigned i;

	memset(value, 'v', 1000);
	value[1000] = '\0';
	for (i = from; i < to; i++) {
		snprintf(key, sizeof(key), "filler-%u", i);
		check_status(direct_put(&c->direct, key, value, 0), EVKV_OK);
	}
}

static void compact_roll(struct compact *c)
{
	check_int(evkv__log_roll(c->direct.env), 0);
}

/* In the background, until nothing is left to do; what was copied. */
static uint64_t compact_some(struct compact *c)
{
	uint64_t copied, all = 0;
	bool finished = false;
	int pieces;

	for (pieces = 0; !finished && pieces < 1000; pieces++) {
		check_int(evkv__log_compact_piece(c->direct.env, false, 0,
			      c->direct.now_ms, &copied, &finished),
		    0);
		all += copied;
	}
	check(finished);
	return all;
}

static size_t files_with(const struct compact *c, const char *ending)
{
	DIR *list = opendir(c->folder);
	struct dirent *entry;
	size_t count = 0;

	check(list != NULL);
	while ((entry = readdir(list)) != NULL)
		count += strstr(entry->d_name, ending) != NULL;
	closedir(list);
	return count;
}

/* ---- What is chosen ------------------------------------------------------ */

EVKV_TEST(log_compact, a_file_without_anything_dead_stays)
{
	struct compact c;
	uint64_t number;

	compact_begin(&c, SEGMENT, 0);
	compact_fill(&c, 0, 20);
	number = c.direct.env->active->head.number;
	check_int(direct_compact(&c.direct), 0);
	check_int(c.direct.env->order_count, 1);
	check_int(c.direct.env->order[0]->head.number, number);
	compact_end(&c);
}

EVKV_TEST(log_compact, tombstones_go_when_nothing_is_left_that_they_removed)
{
	struct compact c;
	size_t i;

	compact_begin(&c, SEGMENT, 0);
	check_status(direct_put(&c.direct, "a", "v", 0), EVKV_OK);
	compact_roll(&c);
	compact_fill(&c, 0, 20); /* too large to go along with the first */
	check_status(direct_delete(&c.direct, "a"), EVKV_OK);
	check_int(direct_compact(&c.direct), 0);
	for (i = 0; i < c.direct.env->order_count; i++)
		check_int(c.direct.env->order[i]->tombstone_bytes, 0);
	compact_end(&c);
}

EVKV_TEST(log_compact, files_are_joined_up_to_a_segment)
{
	struct compact c;
	size_t i;

	compact_begin(&c, SEGMENT, 0);
	compact_fill(&c, 0, 40);
	compact_roll(&c);
	compact_fill(&c, 40, 80);
	compact_roll(&c);
	for (i = 0; i < 80; i += 20)
		compact_fill(&c, (unsigned)i, (unsigned)i + 1);
	check_int(direct_compact(&c.direct), 0);
	check(c.direct.env->order_count > 1);
	for (i = 0; i < c.direct.env->order_count; i++)
		check(c.direct.env->order[i]->size <= SEGMENT);
	compact_end(&c);
}

/* Small ones into one, each with the index file that it has got meanwhile. */
EVKV_TEST(log_compact, files_that_were_joined_are_gone_with_their_index_files)
{
	struct compact c;
	unsigned i;

	compact_begin(&c, SEGMENT, 0);
	for (i = 0; i < 4; i++) {
		compact_fill(&c, 5 * i, 5 * i + 5);
		compact_fill(&c, 5 * i, 5 * i + 3);
		compact_roll(&c);
	}
	while (evkv__log_keep(c.direct.env))
		;
	check_int(files_with(&c, ".index"), 4);
	check_int(direct_compact(&c.direct), 0);
	while (evkv__log_keep(c.direct.env))
		;
	check_int(c.direct.env->order_count, 1);
	check_int(files_with(&c, ".data"), 1);
	check_int(files_with(&c, ".index"), 1);
	compact_end(&c);
}

/* Near max_bytes a twentieth is enough, else half of a file. */
EVKV_TEST(log_compact, less_is_worth_it_where_room_is_short)
{
	static const uint64_t most[] = { 0, 256 << 10 };
	struct compact c;
	int i;

	for (i = 0; i < 2; i++) {
		compact_begin(&c, SEGMENT, most[i]);
		compact_fill(&c, 0, 60);
		compact_roll(&c);
		compact_fill(&c, 60, 104);
		compact_fill(&c, 0, 12);
		compact_roll(&c);
		check((compact_some(&c) > 0) == (i == 1));
		compact_end(&c);
	}
}

/* ---- What is copied ------------------------------------------------------ */

EVKV_TEST(log_compact, a_copy_tells_up_to_which_version_all_was_known)
{
	struct compact c;
	uint64_t version;

	compact_begin(&c, SEGMENT, 0);
	check_status(direct_put(&c.direct, "a", "1", 0), EVKV_OK);
	check_status(direct_put(&c.direct, "a", "2", 0), EVKV_OK);
	version = c.direct.env->version;
	check_int(direct_compact(&c.direct), 0);
	check_int(c.direct.env->order_count, 1);
	check_int(c.direct.env->order[0]->head.created, version);
	compact_end(&c);
}

/* Its record is gone, and the one that it has hidden is not. */
EVKV_TEST(log_compact, what_has_expired_hides_what_was_before_it)
{
	struct file_failure failure;
	char value[16];
	struct compact c;

	compact_begin(&c, SEGMENT, 0);
	check_status(direct_put(&c.direct, "a", "first", 0), EVKV_OK);
	compact_fill(&c, 0, 20);
	compact_roll(&c);
	check_status(direct_put(&c.direct, "a", "second", 1000), EVKV_OK);
	compact_fill(&c, 20, 40);
	compact_roll(&c);
	compact_fill(&c, 20, 40);
	c.direct.now_ms += 5000;
	check(direct_remove(&c.direct, EVKV_OP_PURGE_EXPIRED, NULL));
	compact_some(&c);
	check_int(c.direct.env->counts.compactions, 1);
	/* The first file is still there; now the files alone tell. */
	direct_close(&c.direct);
	check(direct_open(&c.direct, &c.config, &failure));
	check_int(c.direct.env->order[0]->head.number, 1);
	check_status(direct_get(&c.direct, "a", value, sizeof(value)),
	    EVKV_NOT_FOUND);
	compact_end(&c);
}

EVKV_TEST(log_compact, a_file_has_no_more_items_than_an_index_file_takes)
{
	struct compact c;
	uint64_t number;

	compact_begin(&c, SEGMENT, 0);
	check_status(direct_put(&c.direct, "a", "1", 0), EVKV_OK);
	check_int(c.direct.env->active_items, 1);
	number = c.direct.env->active->head.number;
	c.direct.env->active_items = LOG_FILE_ITEMS - 1;
	check_status(direct_put(&c.direct, "b", "1", 0), EVKV_OK);
	check_int(c.direct.env->active->head.number, number);
	check_status(direct_put(&c.direct, "c", "1", 0), EVKV_OK);
	check_int(c.direct.env->active->head.number, number + 1);
	check_int(c.direct.env->active_items, 1);
	compact_end(&c);
}

struct counted {
	uint64_t live_bytes, live, tombstone_bytes, puts;
};

static void count_files(const struct compact *c, struct counted counted[3])
{
	size_t i;

	check_int(c->direct.env->order_count, 3);
	for (i = 0; i < 3; i++) {
		const struct log_file *file = c->direct.env->order[i];

		counted[i] = (struct counted){ .live_bytes = file->live_bytes,
			.live = file->live,
			.tombstone_bytes = file->tombstone_bytes,
			.puts = file->puts };
	}
}

/* What is dead, too, so that the same files are chosen. */
EVKV_TEST(log_compact, a_start_counts_as_the_writes_did)
{
	struct counted before[3], after[3];
	struct file_failure failure;
	struct compact c;
	int round;

	compact_begin(&c, SEGMENT, 0);
	for (round = 0; round < 3; round++) {
		compact_fill(&c, 0, 10);
		check_status(direct_delete(&c.direct, "filler-1"), EVKV_OK);
		check_status(direct_put(&c.direct, "a", "v", 0), EVKV_OK);
		check_status(direct_delete(&c.direct, "filler-2"), EVKV_OK);
		compact_roll(&c);
	}
	count_files(&c, before);
	direct_close(&c.direct);
	check(direct_open(&c.direct, &c.config, &failure));
	count_files(&c, after);
	check(memcmp(before, after, sizeof(before)) == 0);
	compact_end(&c);
}

/* ---- What fails ---------------------------------------------------------- */

static void two_files(struct compact *c)
{
	compact_begin(c, SEGMENT, 0);
	compact_fill(c, 0, 20);
	compact_roll(c);
	compact_fill(c, 0, 10);
}

EVKV_TEST(log_compact, a_name_that_is_in_doubt_is_made_sure_later)
{
	char value[1001];
	struct compact c;

	two_files(&c);
	compact_roll(&c);
	fail_folder = true;
	check_int(direct_compact(&c.direct), EIO);
	check(!fail_folder);
	check_int(direct_compact(&c.direct), 0);
	check_int(files_with(&c, ".copy"), 0);
	check_status(direct_get(&c.direct, "filler-3", value, sizeof(value)),
	    EVKV_OK);
	compact_end(&c);
}

/* In the middle, and when it has its name already. */
EVKV_TEST(log_compact, what_is_given_up_leaves_no_file)
{
	struct compact c;
	uint64_t copied;
	bool finished;
	size_t files;

	compact_begin(&c, 4 << 20, 0);
	compact_fill(&c, 0, 3000);
	compact_roll(&c);
	compact_fill(&c, 0, 1000);
	compact_roll(&c);
	files = files_with(&c, ".data");
	check_int(evkv__log_compact_piece(c.direct.env, true, 1,
		      c.direct.now_ms, &copied, &finished),
	    0);
	check(!finished && copied >= 1 << 20);
	check_int(files_with(&c, ".copy"), 1);
	evkv__log_compact_stop(c.direct.env);
	check_int(files_with(&c, ".copy"), 0);
	check_int(files_with(&c, ".data"), files);
	fail_folder = true;
	check_int(direct_compact(&c.direct), EIO);
	evkv__log_compact_stop(c.direct.env);
	check_int(files_with(&c, ".copy"), 0);
	check_int(files_with(&c, ".data"), files);
	compact_end(&c);
}

/* What is in the rest of the file is not known. */
EVKV_TEST(log_compact, a_damaged_file_ends_it)
{
	unsigned char byte;
	struct compact c;
	int fd;

	two_files(&c);
	fd = c.direct.env->order[0]->fd;
	check_int(pread(fd, &byte, 1, 200), 1);
	byte ^= 1;
	check_int(pwrite(fd, &byte, 1, 200), 1);
	check_int(direct_compact(&c.direct), EBADMSG);
	check_int(direct_compact(&c.direct), EBADMSG);
	check_int(c.direct.env->order[0]->head.number, 1);
	check_int(files_with(&c, ".data"), 2);
	compact_end(&c);
}
