/*
 * A file that people edit while the store is open: edits are seen, and never
 * overwritten unseen.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "json_kit.h"

#define SEEN __attribute__((visibility("default")))
#define FILE_NAME "settings.json"

/* Somebody saves, by rename, just before the store replaces the file. */
static int edits_left;    /* atomic */
static bool edits_always; /* also when the store puts an edit back */
static bool edits_pause;  /* the worker's */
static struct kit *edited;

static void edit_now(void)
{
	char text[100];
	int left = __atomic_load_n(&edits_left, __ATOMIC_RELAXED);

	if (left == 0 || edits_pause) {
		edits_pause = false;
		return;
	}
	edits_pause = !edits_always;
	__atomic_store_n(&edits_left, left - 1, __ATOMIC_RELAXED);
	snprintf(text, sizeof(text), "{\"c\": {\"hand\": %d}}", left);
	kit_write_file(edited, "draft", text);
	check_int(rename(kit_file(edited, "draft"),
		      kit_file(edited, FILE_NAME)),
	    0);
}

SEEN int renameat2(int from_dir, const char *from, int to_dir, const char *to,
    unsigned flags)
{
	if (flags == RENAME_EXCHANGE && strstr(from, "evkv-tmp") != NULL)
		edit_now();
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

SEEN int linkat(int from_dir, const char *from, int to_dir, const char *to,
    int flags)
{
	edit_now();
	return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

static void edits_begin(struct kit *kit, const char *text)
{
	json_begin(kit);
	edited = kit;
	if (text != NULL)
		kit_write_file(kit, FILE_NAME, text);
	kit_open(kit);
}

EVKV_TEST(jsonfile_edits, a_file_is_read_and_written_for_people)
{
	struct kit kit;

	edits_begin(&kit, NULL);
	check(!kit_has_file(&kit, FILE_NAME));
	kit_must_put(&kit, "app", "debug", "true", 0);
	kit_must_put(&kit, "app", "name", "Ada's", 0);
	kit_must_put(&kit, "app", "limits", "{\"a\": 1}", 0);
	check_str(kit_read_file(&kit, FILE_NAME),
	    "{\n"
	    "  \"app\": {\n"
	    "    \"debug\": true,\n"
	    "    \"limits\": {\"a\": 1},\n"
	    "    \"name\": \"Ada's\"\n"
	    "  }\n"
	    "}\n");
	check_int(kit_names(&kit, EVKV_OP_KEYS, "app", 2), 3);
	kit_end(&kit);
}

EVKV_TEST(jsonfile_edits, an_edit_is_seen_by_the_next_operation)
{
	struct kit kit;

	edits_begin(&kit, "{\"c\": {\"k\": 1}}");
	kit_check(&kit, "c", "k", "1");
	kit_write_file(&kit, FILE_NAME, "{\"c\": {\"k\": 22}}");
	kit_check(&kit, "c", "k", "22");
	kit_write_file(&kit, FILE_NAME, "{\"c\": {\"k\": 22, \"l\": 3}}");
	kit_must_put(&kit, "c", "m", "4", 0);
	kit_check(&kit, "c", "l", "3");
	kit_end(&kit);
}

/* Its time and size are as before, and so is its inode. */
EVKV_TEST(jsonfile_edits, an_edit_in_the_same_tick_is_seen)
{
	struct timespec times[2];
	struct stat stat_;
	struct kit kit;
	int i;

	edits_begin(&kit, NULL);
	for (i = 0; i < 20; i++) {
		kit_must_put(&kit, "c", "k", "1", 0);
		check_int(stat(kit.path, &stat_), 0);
		kit_write_file(&kit, FILE_NAME,
		    "{\n  \"c\": {\n    \"k\": 2\n  }\n}\n");
		times[0] = times[1] = stat_.st_mtim;
		check_int(utimensat(AT_FDCWD, kit.path, times, 0), 0);
		kit_must_put(&kit, "c", "l", "3", 0);
		kit_check(&kit, "c", "k", "2");
	}
	kit_end(&kit);
}

/* Between the look at the file and its replacement. */
EVKV_TEST(jsonfile_edits, an_edit_that_slips_in_is_not_lost)
{
	struct kit kit;
	int edits;

	for (edits = 1; edits < 8; edits++) {
		edits_begin(&kit, "{\"c\": {\"old\": 1}}");
		edits_always = edits % 2 == 0;
		__atomic_store_n(&edits_left, edits, __ATOMIC_RELAXED);
		kit_must_put(&kit, "c", "new", "2", 0);
		kit_check(&kit, "c", "hand", "1");
		kit_check(&kit, "c", "new", "2");
		check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("old")),
		    EVKV_NOT_FOUND);
		check(!kit_has_file(&kit, ".settings.json.evkv-tmp"));
		kit_end(&kit);
	}
	edits_always = false;
}

EVKV_TEST(jsonfile_edits, a_file_that_slips_in_is_not_lost)
{
	struct kit kit;

	edits_begin(&kit, NULL);
	__atomic_store_n(&edits_left, 1, __ATOMIC_RELAXED);
	kit_must_put(&kit, "c", "new", "2", 0);
	kit_check(&kit, "c", "hand", "1");
	kit_check(&kit, "c", "new", "2");
	kit_end(&kit);
}

/* What is decided is decided on the file that is replaced. */
EVKV_TEST(jsonfile_edits, an_edit_that_slips_in_counts)
{
	struct kit kit;

	edits_begin(&kit, "{\"c\": {\"hand\": 41}}");
	__atomic_store_n(&edits_left, 1, __ATOMIC_RELAXED);
	check_status(kit_keyed(&kit, EVKV_OP_INCR, "c", EVKV_LIT("hand")),
	    EVKV_OK);
	check_int(kit.answer.entries[0].number, 2);
	kit_check(&kit, "c", "hand", "2");
	kit_end(&kit);
}

EVKV_TEST(jsonfile_edits, a_file_that_keeps_changing_is_busy)
{
	struct kit kit;

	edits_begin(&kit, "{\"c\": {\"old\": 1}}");
	__atomic_store_n(&edits_left, 1000, __ATOMIC_RELAXED);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_BUSY);
	__atomic_store_n(&edits_left, 0, __ATOMIC_RELAXED);
	check_contains(kit_read_file(&kit, FILE_NAME), "\"hand\"");
	kit_must_put(&kit, "c", "k", "v", 0);
	kit_end(&kit);
}

/* ---- Damage -------------------------------------------------------------- */

EVKV_TEST(jsonfile_edits, a_damaged_file_is_corrupt_and_left_as_it_is)
{
	static const char damaged[] = "{\"c\": {\n\"k\": 1,}}";
	struct kit kit;

	edits_begin(&kit, "{\"c\": {\"k\": 1}}");
	kit_write_file(&kit, FILE_NAME, damaged);
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("k")),
	    EVKV_CORRUPT);
	check_contains(kit.answer.message, "settings.json: line 2, column 8: ");
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_CORRUPT);
	check_status(kit_span(&kit, EVKV_OP_CLEAR_ALL, ""), EVKV_CORRUPT);
	check_status(kit_span(&kit, EVKV_OP_KEYS, "c"), EVKV_CORRUPT);
	check_str(kit_read_file(&kit, FILE_NAME), damaged);
	/* When it is mended it is read at once. */
	kit_write_file(&kit, FILE_NAME, "{\"c\": {\"k\": 2}}");
	kit_check(&kit, "c", "k", "2");
	kit_end(&kit);
}

EVKV_TEST(jsonfile_edits, a_damaged_file_is_not_opened)
{
	struct kit kit;

	json_begin(&kit);
	kit_write_file(&kit, FILE_NAME, "settings = 1\n");
	check_status(kit_try_open(&kit), EVKV_CORRUPT);
	check_contains(kit.answer.message, "line 1, column 1: ");
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_CORRUPT);
	check_str(kit_read_file(&kit, FILE_NAME), "settings = 1\n");
	kit_write_file(&kit, FILE_NAME, "{}");
	rig_advance(&kit.rig, 1000);
	kit_must_put(&kit, "c", "k", "v", 0);
	kit_end(&kit);
}

/* ---- The file itself ----------------------------------------------------- */

EVKV_TEST(jsonfile_edits, a_file_that_is_removed_is_not_made_again)
{
	struct kit kit;

	edits_begin(&kit, "{\"c\": {\"k\": 1}}");
	check_int(rename(kit.path, kit_file(&kit, "away")), 0);
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("k")), EVKV_IO);
	check_contains(kit.answer.message, "was removed while it was open");
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_IO);
	check(!kit_has_file(&kit, FILE_NAME));
	check_int(rename(kit_file(&kit, "away"), kit.path), 0);
	kit_check(&kit, "c", "k", "1");
	unlink(kit.path);
	kit_close(&kit);
	kit_open(&kit);
	kit_must_put(&kit, "c", "k", "v", 0);
	kit_end(&kit);
}

EVKV_TEST(jsonfile_edits, a_link_stays_a_link_and_the_mode_is_kept)
{
	struct stat stat_;
	struct kit kit;

	json_begin(&kit);
	check_int(mkdir(kit_file(&kit, "real"), 0770), 0);
	kit_write_file(&kit, "real/file", "{\"c\": {\"k\": 1}}");
	check_int(chmod(kit_file(&kit, "real/file"), 0640), 0);
	check_int(symlink("real/file", kit.path), 0);
	kit_open(&kit);
	kit_must_put(&kit, "c", "l", "2", 0);
	check_int(lstat(kit.path, &stat_), 0);
	check(S_ISLNK(stat_.st_mode));
	check_contains(kit_read_file(&kit, "real/file"), "\"l\": 2");
	check_int(stat(kit.path, &stat_), 0);
	check_int(stat_.st_mode & 07777, 0640);
	/* It may lead elsewhere. */
	kit_write_file(&kit, "real/other", "{\"c\": {\"k\": 5}}");
	check_int(unlink(kit.path), 0);
	check_int(symlink("real/other", kit.path), 0);
	kit_check(&kit, "c", "k", "5");
	kit_must_put(&kit, "c", "l", "6", 0);
	check_contains(kit_read_file(&kit, "real/other"), "\"l\": 6");
	check_contains(kit_read_file(&kit, "real/file"), "\"l\": 2");
	kit_end(&kit);
}

EVKV_TEST(jsonfile_edits, a_trap_in_the_temporary_name_leads_nowhere)
{
	struct kit kit;

	edits_begin(&kit, "{}");
	kit_write_file(&kit, "secret", "theirs");
	check_int(symlink("secret", kit_file(&kit, ".settings.json.evkv-tmp")),
	    0);
	kit_must_put(&kit, "c", "k", "v", 0);
	check_str(kit_read_file(&kit, "secret"), "theirs");
	kit_end(&kit);
}

EVKV_TEST(jsonfile_edits, what_is_no_file_is_refused)
{
	struct kit kit;

	json_begin(&kit);
	check_int(mkfifo(kit.path, 0660), 0);
	check_status(kit_try_open(&kit), EVKV_REFUSED);
	unlink(kit.path);
	check_int(mkdir(kit.path, 0770), 0);
	rig_advance(&kit.rig, 1000);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_REFUSED);
	check_int(rmdir(kit.path), 0);
	check_int(symlink("nowhere", kit.path), 0);
	rig_advance(&kit.rig, 1000);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_REFUSED);
	check(!kit_has_file(&kit, "nowhere"));
	kit_end(&kit);
}

/* ---- Bounds, expiries, odd names ----------------------------------------- */

static struct evkv_store *make_small(struct kit *kit, struct evkv_error *error)
{
	return evkv_jsonfile_new(kit->rig.loop,
	    &(struct evkv_jsonfile_options){
		.path = kit->path, .max_bytes = 2000 },
	    error);
}

EVKV_TEST(jsonfile_edits, max_bytes_has_bounds)
{
	static const struct {
		size_t max_bytes;
		bool good;
	} rows[] = {
		{ 1023, false },
		{ 1024, true },
		{ (size_t)1 << 30, true },
		{ ((size_t)1 << 30) + 1, false },
	};
	struct kit kit;
	size_t i;

	json_begin(&kit);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct evkv_error error = EVKV_ERROR_INIT;

		kit.store = evkv_jsonfile_new(kit.rig.loop,
		    &(struct evkv_jsonfile_options){
			.path = kit.path, .max_bytes = rows[i].max_bytes },
		    &error);
		check((kit.store != NULL) == rows[i].good);
		if (rows[i].good)
			kit_close(&kit);
		else
			check_contains(error.message, "max_bytes");
	}
	kit_end(&kit);
}

EVKV_TEST(jsonfile_edits, a_full_file_takes_deletes_and_then_puts)
{
	static char large[3000];
	char key[16];
	struct stat stat_;
	struct kit kit;
	enum evkv_status status = EVKV_OK;
	int i;

	kit_begin(&kit, FILE_NAME, make_small);
	kit_open(&kit);
	memset(large, 'x', sizeof(large));
	check_status(kit_put(&kit, "c", EVKV_LIT("k"),
			 evkv_bytes(large, sizeof(large)), 0),
	    EVKV_TOO_LARGE);
	for (i = 0; status == EVKV_OK && i < 100; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		status = kit_put(&kit, "c", evkv_str(key),
		    evkv_bytes(large, 100), 0);
	}
	check_status(status, EVKV_NOSPACE);
	check_contains(kit.answer.message, "max_bytes");
	check(i > 10);
	check_int(stat(kit.path, &stat_), 0);
	check(stat_.st_size <= 2000);
	check_status(kit_keyed(&kit, EVKV_OP_DELETE, "c", EVKV_LIT("k1")),
	    EVKV_OK);
	check_status(kit_put(&kit, "c", evkv_str(key), evkv_bytes(large, 100),
			 0),
	    EVKV_OK);
	memset(large, ' ', sizeof(large));
	large[0] = '{';
	large[2990] = '}';
	large[2999] = '\0';
	kit_write_file(&kit, FILE_NAME, large);
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("k")),
	    EVKV_TOO_LARGE);
	kit_end(&kit);
}

EVKV_TEST(jsonfile_edits, what_has_expired_makes_room)
{
	static char large[900];
	struct kit kit;

	kit_begin(&kit, FILE_NAME, make_small);
	kit_open(&kit);
	memset(large, 'x', sizeof(large) - 1);
	kit_must_put(&kit, "c", "one", large, 1000);
	check_status(kit_put(&kit, "c", EVKV_LIT("two"), evkv_str(large), 1000),
	    EVKV_NOSPACE);
	rig_advance(&kit.rig, 1000);
	kit_must_put(&kit, "c", "two", large, 1000);
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("one")),
	    EVKV_NOT_FOUND);
	kit_end(&kit);
}

EVKV_TEST(jsonfile_edits, an_expiry_can_be_read_and_set_by_hand)
{
	struct kit kit;

	edits_begin(&kit, NULL);
	kit_must_put(&kit, "c", "k", "1", 5000);
	check_contains(kit_read_file(&kit, FILE_NAME), "\"$expires\": {\n");
	check_status(kit_keyed(&kit, EVKV_OP_TTL, "c", EVKV_LIT("k")), EVKV_OK);
	check_int(kit.answer.entries[0].ttl_ms, 5000);
	kit_write_file(&kit, FILE_NAME,
	    "{\"c\": {\"k\": 1, \"l\": 2}, \"$expires\": "
	    "{\"c\": {\"k\": \"1999-12-31T23:59:59Z\"}}}");
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("k")),
	    EVKV_NOT_FOUND);
	kit_check(&kit, "c", "l", "2");
	check_status(kit_span(&kit, EVKV_OP_PURGE_EXPIRED, ""), EVKV_OK);
	check_int(kit.answer.affected, 1);
	check(strstr(kit_read_file(&kit, FILE_NAME), "\"k\"") == NULL);
	kit_end(&kit);
}

/* Stands in the file as it came, whatever is changed beside it. */
EVKV_TEST(jsonfile_edits, the_text_of_a_value_is_kept)
{
	static const char value[] = "{ \"z\" : 1.0,\n   \"a\":[ ] }";
	struct kit kit;

	edits_begin(&kit, NULL);
	kit_must_put(&kit, "c", "k", value, 0);
	kit_must_put(&kit, "c", "l", "x", 0);
	kit_close(&kit);
	kit_open(&kit);
	kit_must_put(&kit, "c", "m", "y", 0);
	kit_check(&kit, "c", "k", value);
	check_contains(kit_read_file(&kit, FILE_NAME), value);
	kit_end(&kit);
}
