/* tests/lib/files.c - small looks at directories and files. */
#include "files.h"

#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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

/* Whether the thread of this number has that name. It may end meanwhile. */
static bool is_named(const char *thread, const char *expected)
{
	char path[300], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", thread);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	if (fgets(name, sizeof(name), file) == NULL)
		name[0] = '\0';
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return strcmp(name, expected) == 0;
}

static int threads_count(const char *name)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int count = 0;

	check(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		count += is_named(entry->d_name, name);
	closedir(dir);
	return count;
}

void files_await_threads(const char *name, int count)
{
	int looks;

	for (looks = 0; looks < 100000; looks++) {
		if (threads_count(name) == count)
			return;
		sched_yield();
	}
	fail_test("%d threads %s, expected %d", threads_count(name), name,
	    count);
}

void files_await_workers(int count)
{
	files_await_threads("evkv-worker", count);
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
