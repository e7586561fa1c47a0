/*
 * What is on the disk: names, bytes and expiries, and what others put there.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree_kit.h"

/* How many names a folder holds, beside "." and "..". */
static int count_names(const char *path)
{
	DIR *list = opendir(path);
	struct dirent *item;
	int count = 0;

	if (list == NULL)
		return -1;
	while ((item = readdir(list)) != NULL)
		count += strcmp(item->d_name, ".") != 0 &&
		    strcmp(item->d_name, "..") != 0;
	closedir(list);
	return count;
}

EVKV_TEST(filetree_files, an_entry_is_a_file_with_the_bytes_of_its_value)
{
	struct kit kit;

	tree_begin(&kit);
	kit_must_put(&kit, "users", "ada", "Lovelace", 0);
	check_str(kit_read_file(&kit, "tree/users/ada"), "Lovelace");
	kit_must_put(&kit, "users", "ada", "King", 0);
	check_str(kit_read_file(&kit, "tree/users/ada"), "King");
	check_int(count_names(kit_file(&kit, "tree/users")), 1);
	check_status(kit_keyed(&kit, EVKV_OP_DELETE, "users", EVKV_LIT("ada")),
	    EVKV_OK);
	check_int(count_names(kit_file(&kit, "tree/users")), 0);
	kit_end(&kit);
}

EVKV_TEST(filetree_files, an_expiry_is_an_attribute_that_can_be_read)
{
	struct kit kit;
	char text[32] = "";
	long long expires;

	tree_begin(&kit);
	kit_must_put(&kit, "c", "k", "v", 5000);
	check(getxattr(kit_file(&kit, "tree/c/k"), "user.evkv.expires", text,
		  sizeof(text) - 1) > 0);
	expires = atoll(text);
	check_int(expires, kit.rig.wall_us / 1000 + 5000);
	kit_must_put(&kit, "c", "k", "v", 0);
	check(getxattr(kit_file(&kit, "tree/c/k"), "user.evkv.expires", text,
		  sizeof(text)) < 0);
	kit_end(&kit);
}

/* Anybody may set it, and say nonsense, which is not an expiry. */
EVKV_TEST(filetree_files, an_expiry_that_is_no_number_is_corrupt)
{
	struct kit kit;
	struct evkv_slice key = EVKV_LIT("k");

	tree_begin(&kit);
	kit_must_put(&kit, "c", "k", "v", 5000);
	check_int(setxattr(kit_file(&kit, "tree/c/k"), "user.evkv.expires",
		      "soon", 4, 0),
	    0);
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", key), EVKV_CORRUPT);
	check_contains(kit.answer.message,
	    "/tree/c/k: its user.evkv.expires is no number");
	check_status(kit_keyed(&kit, EVKV_OP_TAKE, "c", key), EVKV_CORRUPT);
	check_int(kit_names(&kit, EVKV_OP_KEYS, "c", 0), 1);
	kit_must_put(&kit, "c", "k", "w", 0);
	kit_check(&kit, "c", "k", "w");
	kit_end(&kit);
}

EVKV_TEST(filetree_files, what_others_put_there_is_an_entry_without_a_ttl)
{
	struct kit kit;

	tree_begin(&kit);
	check_int(mkdir(kit_file(&kit, "tree/etc"), 0770), 0);
	kit_write_file(&kit, "tree/etc/name", "by hand");
	check_status(kit_keyed(&kit, EVKV_OP_TTL, "etc", EVKV_LIT("name")),
	    EVKV_OK);
	check_int(kit.answer.entries[0].ttl_ms, EVKV_TTL_NONE);
	check_slice(kit.answer.entries[0].bytes, "by hand");
	check_int(kit_names(&kit, EVKV_OP_COLLECTIONS, "", 0), 1);
	/* An edit in place is seen, and keeps the expiry. */
	kit_must_put(&kit, "etc", "name", "by us", 5000);
	kit_write_file(&kit, "tree/etc/name", "edited");
	check_status(kit_keyed(&kit, EVKV_OP_TTL, "etc", EVKV_LIT("name")),
	    EVKV_OK);
	check_slice(kit.answer.entries[0].bytes, "edited");
	check_int(kit.answer.entries[0].ttl_ms, 5000);
	kit_end(&kit);
}

EVKV_TEST(filetree_files, foreign_files_are_left_alone)
{
	static const char *const foreign[] = { "tree/README.txt",
		"tree/c/.hidden", "tree/c/with space", "tree/c/%zz",
		"tree/c/%41", "tree/.git", "tree/c/caf\xc3\xa9", "tree/c/%" };
	struct kit kit;
	size_t i;

	tree_begin(&kit);
	kit_must_put(&kit, "c", "k", "v", 0);
	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		kit_write_file(&kit, foreign[i], "theirs");
	check_int(mkdir(kit_file(&kit, "tree/c/folder"), 0770), 0);
	check_int(kit_names(&kit, EVKV_OP_KEYS, "c", 0), 1);
	check_int(kit_names(&kit, EVKV_OP_COLLECTIONS, "", 0), 1);
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "c"), EVKV_OK);
	check_int(kit.answer.affected, 1);
	check_status(kit_span(&kit, EVKV_OP_CLEAR_ALL, ""), EVKV_OK);
	check_int(kit.answer.affected, 0);
	check_status(kit_span(&kit, EVKV_OP_PURGE_EXPIRED, ""), EVKV_OK);
	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		check_str(kit_read_file(&kit, foreign[i]), "theirs");
	check(kit_has_file(&kit, "tree/c/folder"));
	kit_end(&kit);
}

/* A folder that clear has emptied goes; one that others made stays. */
EVKV_TEST(filetree_files, an_emptied_folder_goes)
{
	struct kit kit;

	tree_begin(&kit);
	kit_must_put(&kit, "c", "k", "v", 0);
	check_int(mkdir(kit_file(&kit, "tree/theirs"), 0770), 0);
	check_status(kit_span(&kit, EVKV_OP_CLEAR_ALL, ""), EVKV_OK);
	check(!kit_has_file(&kit, "tree/c"));
	check(kit_has_file(&kit, "tree/theirs"));
	kit_must_put(&kit, "c", "k", "v", 0);
	kit_check(&kit, "c", "k", "v");
	kit_end(&kit);
}

/* ---- Hostile names ------------------------------------------------------- */

static void check_name(struct kit *kit, struct evkv_slice collection,
    struct evkv_slice key)
{
	struct evkv_slice value = EVKV_LIT("value");
	struct evkv_request request = { .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = collection,
		.count = 1,
		.keys = &key,
		.values = &value,
		.ttl_ms = 100000 };

	check_status(kit_do(kit, &request), EVKV_OK);
	request.kind = EVKV_OP_GET;
	request.values = NULL;
	request.ttl_ms = 0;
	check_status(kit_do(kit, &request), EVKV_OK);
	check_slice(kit->answer.entries[0].bytes, "value");
	check_status(kit_do(kit,
			 &(struct evkv_request){
			     .kind = EVKV_OP_KEYS, .collection = collection }),
	    EVKV_OK);
	check_int(kit->answer.count, 1);
	check_bytes(kit->answer.entries[0].name, key);
	check_status(kit_span(kit, EVKV_OP_COLLECTIONS, ""), EVKV_OK);
	check_int(kit->answer.count, 1);
	check_bytes(kit->answer.entries[0].name, collection);
	request.kind = EVKV_OP_CLEAR_ALL;
	check_status(kit_span(kit, EVKV_OP_CLEAR_ALL, ""), EVKV_OK);
	check_int(kit->answer.affected, 1);
}

EVKV_TEST(filetree_files, no_name_leaves_the_tree)
{
	static char longest[EVKV_KEY_MAX];
	const struct evkv_slice names[] = { EVKV_LIT(".."), EVKV_LIT("."),
		EVKV_LIT("/"), EVKV_LIT("../../etc/passwd"), EVKV_LIT("/tmp/x"),
		EVKV_LIT("a/../../b"), EVKV_LIT("a\0b"), EVKV_LIT("\0"),
		EVKV_LIT("\n"), EVKV_LIT("%"), EVKV_LIT("%2F"), EVKV_LIT("%-"),
		EVKV_LIT(".evkv-lock"), EVKV_LIT(".evkv-tmp"), EVKV_LIT("CON"),
		EVKV_LIT("\xc3\xa9\xe2\x82\xac"), EVKV_LIT("\xff\xfe"),
		EVKV_LIT("*"), EVKV_LIT("-rf"), EVKV_LIT("~"),
		evkv_bytes(longest, 255) };
	struct kit kit;
	size_t i;

	memset(longest, '/', sizeof(longest));
	tree_begin(&kit);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		check_name(&kit, names[i], names[i]);
	for (i = 80; i < 90; i++)
		check_name(&kit, EVKV_LIT("c"), evkv_bytes(longest, i));
	memset(longest, 'x', sizeof(longest));
	for (i = 250; i < 260; i++)
		check_name(&kit, EVKV_LIT("c"), evkv_bytes(longest, i));
	/* More than an attribute holds, on most file systems. */
	check_name(&kit, EVKV_LIT("c"), evkv_bytes(longest, 65535));
	check_int(count_names(kit.folder), 1);
	check_int(count_names(kit.path), 1); /* the lock */
	kit_end(&kit);
}

/* ---- The root ------------------------------------------------------------ */

EVKV_TEST(filetree_files, a_tree_that_is_only_read_is_not_written_to)
{
	struct kit kit;

	kit_begin(&kit, "tree", tree_make);
	check_int(mkdir(kit.path, 0770), 0);
	check_int(mkdir(kit_file(&kit, "tree/c"), 0770), 0);
	kit_write_file(&kit, "tree/c/k", "v");
	kit_open(&kit);
	kit_check(&kit, "c", "k", "v");
	check_int(kit_names(&kit, EVKV_OP_KEYS, "c", 0), 1);
	check_status(kit_keyed(&kit, EVKV_OP_GET, "d", EVKV_LIT("k")),
	    EVKV_NOT_FOUND);
	check_int(count_names(kit.path), 1);
	kit_end(&kit);
}

EVKV_TEST(filetree_files, a_root_that_is_lost_is_told_and_not_made_again)
{
	struct kit kit;

	tree_begin(&kit);
	kit_must_put(&kit, "c", "k", "v", 0);
	check_int(rename(kit.path, kit_file(&kit, "away")), 0);
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("k")), EVKV_IO);
	check_contains(kit.answer.message, "removed or replaced");
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("w"), 0),
	    EVKV_IO);
	check(!kit_has_file(&kit, "tree"));
	check_int(rename(kit_file(&kit, "away"), kit.path), 0);
	kit_check(&kit, "c", "k", "v");
	kit_end(&kit);
}

EVKV_TEST(filetree_files, opening_needs_the_parent)
{
	struct kit kit;

	kit_begin(&kit, "no/tree", tree_make);
	check_status(kit_try_open(&kit), EVKV_IO);
	check_contains(kit.answer.message, "can't make it");
	check_int(mkdir(kit_file(&kit, "no"), 0770), 0);
	/* Tried again at most once in a second. */
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("k")), EVKV_IO);
	rig_advance(&kit.rig, 1000);
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("k")),
	    EVKV_NOT_FOUND);
	kit_end(&kit);
}

/* ---- Pages, sizes, sweeps ------------------------------------------------ */

EVKV_TEST(filetree_files, pages_go_on_whatever_comes_between)
{
	struct evkv_request request = { .kind = EVKV_OP_KEYS,
		.collection = EVKV_LIT("c"),
		.match = { .limit = 7 } };
	char key[16], cursor[600];
	struct kit kit;
	int i, seen = 0;

	tree_begin(&kit);
	for (i = 0; i < 50; i++) {
		snprintf(key, sizeof(key), "k%02d", i);
		kit_must_put(&kit, "c", key, "v", 0);
	}
	do {
		check_status(kit_do(&kit, &request), EVKV_OK);
		seen += (int)kit.answer.count;
		request.match.cursor.size = kit.answer.cursor.size;
		if (kit.answer.cursor.size > 0)
			memcpy(cursor, kit.answer.cursor.data,
			    kit.answer.cursor.size);
		request.match.cursor.data = cursor;
		/* Another enumeration takes the window's place. */
		check_int(kit_names(&kit, EVKV_OP_KEYS, "c", 20), 50);
	} while (request.match.cursor.size > 0);
	check_int(seen, 50);
	kit_end(&kit);
}

static struct evkv_store *make_small(struct kit *kit, struct evkv_error *error)
{
	return evkv_filetree_new(kit->rig.loop,
	    &(struct evkv_filetree_options){
		.path = kit->path, .max_value = 10, .sweep_ms = 1000 },
	    error);
}

EVKV_TEST(filetree_files, what_is_too_large_is_said_to_be)
{
	struct kit kit;

	kit_begin(&kit, "tree", make_small);
	kit_open(&kit);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("12345678901"),
			 0),
	    EVKV_TOO_LARGE);
	kit_must_put(&kit, "c", "k", "1234567890", 0);
	kit_write_file(&kit, "tree/c/k", "12345678901");
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("k")),
	    EVKV_TOO_LARGE);
	check_contains(kit.answer.message, "max_value");
	check_status(kit_keyed(&kit, EVKV_OP_DELETE, "c", EVKV_LIT("k")),
	    EVKV_OK);
	kit_end(&kit);
}

EVKV_TEST(filetree_files, a_sweep_removes_what_has_expired)
{
	struct kit kit;
	int i;

	kit_begin(&kit, "tree", make_small);
	kit_open(&kit);
	kit_must_put(&kit, "c", "soon", "v", 1500);
	kit_must_put(&kit, "c", "later", "v", 5500);
	kit_write_file(&kit, "tree/c/.evkv-tmp", "left behind");
	rig_advance(&kit.rig, 2000);
	rig_until(&kit.rig, !kit_has_file(&kit, "tree/c/soon"));
	check(kit_has_file(&kit, "tree/c/later"));
	rig_until(&kit.rig, !kit_has_file(&kit, "tree/c/.evkv-tmp"));
	kit_check(&kit, "c", "later", "v");
	for (i = 0; i < 10 && kit_has_file(&kit, "tree/c/later"); i++) {
		rig_advance(&kit.rig, 1000);
		kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("other"));
	}
	check(!kit_has_file(&kit, "tree/c/later"));
	kit_end(&kit);
}
