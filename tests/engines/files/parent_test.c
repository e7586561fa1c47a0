/*
 * tests/engines/files/parent_test.c - stores in a folder that may be written to,
 * but not read: there they can be made, and that they are there can't be synced.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evkv/evkv.h"
#include "lib/folder.h"
#include "lib/rig.h"
#include "lib/test.h"
#ifdef HAVE_DISK
#include "evkv/stores/disk.h"
#endif
#ifdef HAVE_LOG
#include "evkv/stores/log.h"
#endif
#ifdef HAVE_FILETREE
#include "evkv/stores/filetree.h"
#endif

#define NOBODY 65534

/* Made there by an ordinary user, closed, opened again. */
__attribute__((unused)) static void works_below(
    bool (*known)(struct evkv_loop *), const char *scheme)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	char path[128], url[200];
	struct rig rig;
	int round;

	folder_make(path, sizeof(path));
	if (geteuid() == 0)
		check(chown(path, NOBODY, (gid_t)-1) == 0);
	check(chmod(path, 0333) == 0);
	if (geteuid() == 0)
		check(seteuid(NOBODY) == 0);
	snprintf(url, sizeof(url), "%s:%s/store", scheme, path);
	for (round = 0; round < 2; round++) {
		rig_open(&rig);
		check(known(rig.loop));
		store = evkv_open(rig.loop, url, &error);
		check_str(error.message, "");
		evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
		    answer_cb, &a);
		rig_wait(&rig, &a.calls);
		check_str(a.message, "");
		check_status(a.status, EVKV_OK);
		answer_reset(&a);
		evkv_get(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &a);
		rig_wait(&rig, &a.calls);
		check_slice(a.entries[0].bytes, "v");
		answer_reset(&a);
		evkv_store_unref(store);
		rig_close(&rig);
	}
	answer_free(&a);
	if (geteuid() == NOBODY && getuid() == 0)
		check(seteuid(0) == 0);
	check(chmod(path, 0700) == 0);
	folder_remove(path);
}

EVKV_TEST(files_parent, it_need_not_be_read)
{
#ifdef HAVE_DISK
	works_below(evkv_disk_register, "disk");
#endif
#ifdef HAVE_LOG
	works_below(evkv_log_register, "log");
#endif
#ifdef HAVE_FILETREE
	works_below(evkv_filetree_register, "filetree");
#endif
}
