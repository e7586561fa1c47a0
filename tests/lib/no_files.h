/*
 * tests/lib/no_files.h - a program whose fopen() fails while `no_files` is set.
 *
 * Its fopen() stands before the C library's: without descriptors resolv.conf
 * can't be read, and c-ares asks whoever is at 127.0.0.1.
 */
#ifndef TESTS_LIB_NO_FILES_H
#define TESTS_LIB_NO_FILES_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool no_files;

typedef FILE *fopen_fn(const char *path, const char *mode);

__attribute__((visibility("default"))) FILE *fopen(const char *restrict path,
    const char *restrict mode)
{
	void *found = dlsym(RTLD_NEXT, "fopen");
	fopen_fn *next;

	memcpy(&next, &found, sizeof(next));
	if (!no_files)
		return next(path, mode);
	errno = EMFILE;
	return NULL;
}

#endif
