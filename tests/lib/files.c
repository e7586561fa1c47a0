/* tests/lib/files.c - small looks at directories and files. */
#include "files.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>

#include "test.h"

int files_count(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	check(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

void files_await_count(const char *path, int count)
{
	int looks;

	for (looks = 0; looks < 1000000; looks++) {
		if (files_count(path) == count)
			return;
		sched_yield();
	}
	fail_test("%s has %d entries, expected %d", path, files_count(path),
	    count);
}

void files_write(const char *folder, const char *name, const char *text)
{
	char path[400];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	check(file != NULL);
	check(fputs(text, file) >= 0);
	check(fclose(file) == 0);
}
