#define _XOPEN_SOURCE 700
#include "lib/folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/test.h"

void folder_make(char *path, size_t size)
{
	const char *base = getenv("TMPDIR");

	snprintf(path, size, "%s/evkv-test-XXXXXX",
	    base != NULL ? base : "/tmp");
	check(mkdtemp(path) != NULL);
}

static int remove_one(const char *path, const struct stat *stat, int kind,
    struct FTW *place)
{
	(void)stat;
	(void)kind;
	(void)place;
	return remove(path);
}

void folder_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
