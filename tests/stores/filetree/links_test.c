/*
 * Symbolic links and other traps in the tree: what they lead to is neither read
 * nor written.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree_kit.h"

/* A folder "outside" with a file "secret" and a link in the tree. */
static void trap_begin(struct kit *kit, const char *to, const char *link)
{
	tree_begin(kit);
	kit_must_put(kit, "c", "mine", "v", 0);
	check_int(mkdir(kit_file(kit, "outside"), 0770), 0);
	kit_write_file(kit, "outside/secret", "theirs");
	check_int(symlink(to, kit_file(kit, link)), 0);
}

static void trap_end(struct kit *kit)
{
	check_str(kit_read_file(kit, "outside/secret"), "theirs");
	kit_end(kit);
}

EVKV_TEST(filetree_links, a_link_is_no_entry)
{
	struct evkv_slice key = EVKV_LIT("trap");
	struct kit kit;

	trap_begin(&kit, "../../outside/secret", "tree/c/trap");
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", key), EVKV_NOT_FOUND);
	check_status(kit_keyed(&kit, EVKV_OP_EXISTS, "c", key), EVKV_NOT_FOUND);
	check_status(kit_keyed(&kit, EVKV_OP_TAKE, "c", key), EVKV_NOT_FOUND);
	check_status(kit_keyed(&kit, EVKV_OP_DELETE, "c", key), EVKV_NOT_FOUND);
	check_status(kit_keyed(&kit, EVKV_OP_TOUCH, "c", key), EVKV_NOT_FOUND);
	check_status(kit_put(&kit, "c", key, EVKV_LIT("v"), 0), EVKV_REFUSED);
	check_contains(kit.answer.message, "is no plain file");
	check_status(kit_keyed(&kit, EVKV_OP_INCR, "c", key), EVKV_REFUSED);
	check_int(kit_names(&kit, EVKV_OP_KEYS, "c", 0), 1);
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "c"), EVKV_OK);
	check_int(kit.answer.affected, 1);
	check(kit_has_file(&kit, "tree/c/trap"));
	trap_end(&kit);
}

EVKV_TEST(filetree_links, a_link_to_a_folder_is_no_collection)
{
	struct evkv_slice key = EVKV_LIT("secret");
	struct kit kit;

	trap_begin(&kit, "../outside", "tree/trap");
	check_status(kit_keyed(&kit, EVKV_OP_GET, "trap", key), EVKV_NOT_FOUND);
	check_status(kit_put(&kit, "trap", key, EVKV_LIT("v"), 0),
	    EVKV_REFUSED);
	check_contains(kit.answer.message, "is no folder");
	check_status(kit_put(&kit, "trap", EVKV_LIT("new"), EVKV_LIT("v"), 0),
	    EVKV_REFUSED);
	check_int(kit_names(&kit, EVKV_OP_KEYS, "trap", 0), 0);
	check_int(kit_names(&kit, EVKV_OP_COLLECTIONS, "", 0), 1);
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "trap"), EVKV_OK);
	check_status(kit_span(&kit, EVKV_OP_CLEAR_ALL, ""), EVKV_OK);
	check_int(kit.answer.affected, 1);
	check(!kit_has_file(&kit, "outside/new"));
	trap_end(&kit);
}

EVKV_TEST(filetree_links, temporary_files_are_no_way_out)
{
	struct kit kit;

	trap_begin(&kit, "../../outside/secret", "tree/c/.evkv-tmp");
	check_int(symlink("../../outside/secret",
		      kit_file(&kit, "tree/c/.evkv-new")),
	    0);
	kit_must_put(&kit, "c", "k", "mine", 1000);
	kit_check(&kit, "c", "k", "mine");
	trap_end(&kit);
}

/* A hard link is a file like any other; a put gives the name another one. */
EVKV_TEST(filetree_links, a_put_does_not_write_through_a_hard_link)
{
	struct kit kit;

	trap_begin(&kit, "nowhere", "tree/c/dangling");
	check_int(link(kit_file(&kit, "outside/secret"),
		      kit_file(&kit, "tree/c/hard")),
	    0);
	kit_must_put(&kit, "c", "hard", "mine", 0);
	kit_check(&kit, "c", "hard", "mine");
	trap_end(&kit);
}

EVKV_TEST(filetree_links, a_lock_that_is_a_link_is_refused)
{
	struct kit kit;

	kit_begin(&kit, "tree", tree_make);
	check_int(mkdir(kit.path, 0770), 0);
	kit_open(&kit);
	check_int(symlink("../created", kit_file(&kit, "tree/.evkv-lock")), 0);
	check_status(kit_put(&kit, "c", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_IO);
	check_contains(kit.answer.message, ".evkv-lock");
	check(!kit_has_file(&kit, "created"));
	kit_end(&kit);
}

EVKV_TEST(filetree_links, pipes_and_folders_block_nothing)
{
	struct kit kit;

	tree_begin(&kit);
	kit_must_put(&kit, "c", "k", "v", 0);
	check_int(mkfifo(kit_file(&kit, "tree/c/pipe"), 0660), 0);
	check_int(mkdir(kit_file(&kit, "tree/c/folder"), 0770), 0);
	check_int(mkfifo(kit_file(&kit, "tree/pipe"), 0660), 0);
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("pipe")),
	    EVKV_NOT_FOUND);
	check_status(kit_keyed(&kit, EVKV_OP_GET, "c", EVKV_LIT("folder")),
	    EVKV_NOT_FOUND);
	check_status(kit_keyed(&kit, EVKV_OP_GET, "pipe", EVKV_LIT("k")),
	    EVKV_NOT_FOUND);
	check_status(kit_put(&kit, "c", EVKV_LIT("pipe"), EVKV_LIT("v"), 0),
	    EVKV_REFUSED);
	check_status(kit_put(&kit, "c", EVKV_LIT("folder"), EVKV_LIT("v"), 0),
	    EVKV_REFUSED);
	check_status(kit_put(&kit, "pipe", EVKV_LIT("k"), EVKV_LIT("v"), 0),
	    EVKV_REFUSED);
	check_int(kit_names(&kit, EVKV_OP_KEYS, "c", 0), 1);
	check_status(kit_span(&kit, EVKV_OP_CLEAR_ALL, ""), EVKV_OK);
	check(kit_has_file(&kit, "tree/c/pipe"));
	kit_end(&kit);
}
