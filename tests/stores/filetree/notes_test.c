/*
 * A file system without extended attributes: what is kept with a file is in a
 * note beside it, and counts for that file alone.
 */
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "no_attributes.h"
#include "tree_kit.h"

static void notes_begin(struct kit *kit)
{
	no_attributes = true;
	tree_begin(kit);
}

static void notes_end(struct kit *kit)
{
	kit_end(kit);
	no_attributes = false;
}

/* The only note of collection "c", or "". */
static const char *the_note(struct kit *kit)
{
	static char name[300];
	glob_t found;

	name[0] = '\0';
	if (glob(kit_file(kit, "tree/c/.evkv-*"), 0, NULL, &found) == 0) {
		check_int(found.gl_pathc, 1);
		snprintf(name, sizeof(name), "%s",
		    found.gl_pathv[0] + strlen(kit->folder) + 1);
	}
	globfree(&found);
	return name;
}

static int64_t ttl_of(struct kit *kit, const char *key)
{
	check_status(kit_keyed(kit, EVKV_OP_TTL, "c", evkv_str(key)), EVKV_OK);
	return kit->answer.entries[0].ttl_ms;
}

EVKV_TEST(filetree_notes, a_ttl_is_in_a_note_that_can_be_read)
{
	char expected[200];
	struct stat stat_;
	struct kit kit;

	notes_begin(&kit);
	kit_must_put(&kit, "c", "k", "v", 5000);
	check_int(stat(kit_file(&kit, "tree/c/k"), &stat_), 0);
	snprintf(expected, sizeof(expected), "tree/c/.evkv-%" PRIu64,
	    (uint64_t)stat_.st_ino);
	check_str(the_note(&kit), expected);
	snprintf(expected, sizeof(expected),
	    "evkv filetree 1\nfile k\nexpires %lld\n",
	    (long long)(kit.rig.wall_us / 1000 + 5000));
	check_str(kit_read_file(&kit, the_note(&kit)), expected);
	check_int(ttl_of(&kit, "k"), 5000);
	kit_close(&kit);
	kit_open(&kit);
	check_int(ttl_of(&kit, "k"), 5000);
	notes_end(&kit);
}

EVKV_TEST(filetree_notes, a_note_goes_with_its_file)
{
	struct kit kit;

	notes_begin(&kit);
	kit_must_put(&kit, "c", "k", "v", 5000);
	kit_must_put(&kit, "c", "k", "w", 9000);
	check(the_note(&kit)[0] != '\0');
	check_int(ttl_of(&kit, "k"), 9000);
	check_status(kit_keyed(&kit, EVKV_OP_TOUCH, "c", EVKV_LIT("k")),
	    EVKV_OK);
	check_int(ttl_of(&kit, "k"), EVKV_TTL_NONE);
	check_str(the_note(&kit), "");
	kit_must_put(&kit, "c", "k", "w", 9000);
	kit_must_put(&kit, "c", "k", "x", 0);
	check_str(the_note(&kit), "");
	kit_must_put(&kit, "c", "k", "w", 9000);
	check_status(kit_keyed(&kit, EVKV_OP_DELETE, "c", EVKV_LIT("k")),
	    EVKV_OK);
	check_str(the_note(&kit), "");
	notes_end(&kit);
}

/* As after a crash, or when somebody replaces the file. */
EVKV_TEST(filetree_notes, a_note_counts_for_its_own_file_alone)
{
	char note[300], other[300];
	struct stat stat_;
	struct kit kit;

	notes_begin(&kit);
	kit_must_put(&kit, "c", "k", "v", 5000);
	snprintf(note, sizeof(note), "%s", the_note(&kit));
	/* The file is another one. */
	kit_write_file(&kit, "tree/c/new", "replaced");
	check_int(rename(kit_file(&kit, "tree/c/new"),
		      kit_file(&kit, "tree/c/k")),
	    0);
	check_int(ttl_of(&kit, "k"), EVKV_TTL_NONE);
	check(kit_has_file(&kit, note));
	/* The inode of the note is that of a file of another name. */
	check_int(stat(kit_file(&kit, "tree/c/k"), &stat_), 0);
	snprintf(other, sizeof(other), "tree/c/.evkv-%" PRIu64,
	    (uint64_t)stat_.st_ino);
	kit_write_file(&kit, other, "evkv filetree 1\nfile x\nexpires 1\n");
	check_int(ttl_of(&kit, "k"), EVKV_TTL_NONE);
	kit_write_file(&kit, other, "evkv filetree 1\nfile k\nexpires x\n");
	check_int(ttl_of(&kit, "k"), EVKV_TTL_NONE);
	kit_write_file(&kit, other, "evkv filetree 1\nfile k\nexpires 1\n");
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("k")),
	    EVKV_NOT_FOUND);
	/* What is about nothing is removed when all is gone through. */
	check_status(kit_span(&kit, EVKV_OP_PURGE_EXPIRED, ""), EVKV_OK);
	check_int(kit.answer.affected, 1);
	check(!kit_has_file(&kit, note));
	check(!kit_has_file(&kit, other));
	notes_end(&kit);
}

/* One that is left over says nothing about a new file with its inode. */
EVKV_TEST(filetree_notes, a_put_removes_a_note_that_is_left_over)
{
	char name[300];
	struct stat stat_;
	struct kit kit;
	int i;

	notes_begin(&kit);
	for (i = 0; i < 50; i++) {
		kit_must_put(&kit, "c", "k", "v", 0);
		check_int(stat(kit_file(&kit, "tree/c/k"), &stat_), 0);
		snprintf(name, sizeof(name), "tree/c/.evkv-%" PRIu64,
		    (uint64_t)stat_.st_ino);
		kit_write_file(&kit, name,
		    "evkv filetree 1\nfile k\nexpires 1\n");
		check_int(unlink(kit_file(&kit, "tree/c/k")), 0);
		kit_must_put(&kit, "c", "k", "v", 0);
		kit_check(&kit, "c", "k", "v");
	}
	notes_end(&kit);
}

/* The note of a file, where it is or will be. */
static void note_of(struct kit *kit, const char *file, char note[300])
{
	struct stat stat_;

	check_int(stat(kit_file(kit, file), &stat_), 0);
	snprintf(note, 300, "tree/c/.evkv-%" PRIu64, (uint64_t)stat_.st_ino);
}

/*
 * A crash may leave the temporary file: alone, and then its note goes with it,
 * or as a second name of the entry, whose note stays.
 */
EVKV_TEST(filetree_notes, a_put_removes_what_a_crash_has_left)
{
	const char *temporary = "tree/c/.evkv-tmp";
	char note[300];
	struct kit kit;

	notes_begin(&kit);
	kit_must_put(&kit, "c", "k", "v", 5000);
	note_of(&kit, "tree/c/k", note);
	check_int(link(kit_file(&kit, "tree/c/k"), kit_file(&kit, temporary)),
	    0);
	kit_must_put(&kit, "c", "other", "v", 0);
	check(!kit_has_file(&kit, temporary));
	check(kit_has_file(&kit, note));
	check_int(ttl_of(&kit, "k"), 5000);

	kit_write_file(&kit, temporary, "half");
	note_of(&kit, temporary, note);
	kit_write_file(&kit, note, "evkv filetree 1\nfile x\nexpires 1\n");
	kit_must_put(&kit, "c", "other", "v", 0);
	check(!kit_has_file(&kit, temporary));
	check(!kit_has_file(&kit, note));
	check_int(ttl_of(&kit, "k"), 5000);
	notes_end(&kit);
}

/* A reader that is between the file and its note sees both or neither. */
EVKV_TEST(filetree_notes, a_reader_never_sees_a_file_without_its_note)
{
	struct answer put = ANSWER_INIT, ttl = ANSWER_INIT;
	struct evkv_slice c = EVKV_LIT("c"), k = EVKV_LIT("k");
	struct evkv_store *reader;
	struct kit kit;
	int i;

	notes_begin(&kit);
	kit_must_put(&kit, "c", "k", "v", 60000);
	reader = tree_make(&kit, NULL);
	for (i = 0; i < 500; i++) {
		evkv_put(kit.store, c, k, EVKV_LIT("v"), 60000, answer_cb,
		    &put);
		evkv_ttl(reader, c, k, answer_cb, &ttl);
		rig_wait(&kit.rig, &put.calls);
		rig_wait(&kit.rig, &ttl.calls);
		check_status(put.status, EVKV_OK);
		check_status(ttl.status, EVKV_OK);
		check_int(ttl.entries[0].ttl_ms, 60000);
		answer_reset(&put);
		answer_reset(&ttl);
	}
	answer_free(&put);
	answer_free(&ttl);
	evkv_store_unref(reader);
	notes_end(&kit);
}
