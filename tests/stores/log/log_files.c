#include "log_files.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stores/log/env.h"

static struct log_env *files_open(const char *path, char *wrong, size_t size)
{
	const struct log_config config = {
		.path = (char *)(uintptr_t)path,
		.durability = LOG_SYNC_NONE,
		.max_bytes = (uint64_t)1 << 40,
		.segment_bytes = 1 << 20,
		.compact_ratio = 0.5,
		.hash_mask = UINT64_MAX,
	};
	struct file_failure failure = { .status = EVKV_OK };
	struct log_env *env = evkv__log_env_new(&config);

	if (env != NULL && evkv__log_open(env, 0, &failure))
		return env;
	snprintf(wrong, size, "%s", failure.message);
	evkv__log_env_free(env);
	return NULL;
}

static void remove_indexes(const char *path)
{
	DIR *list = opendir(path);
	struct dirent *entry;

	while (list != NULL && (entry = readdir(list)) != NULL) {
		if (strstr(entry->d_name, ".index") != NULL)
			unlinkat(dirfd(list), entry->d_name, 0);
	}
	if (list != NULL)
		closedir(list);
}

/* An order-free sum over all that the index has. */
static uint64_t files_sum(const struct log_env *env, size_t *count)
{
	struct log_entry entries[256];
	uint64_t hash = 0, sum = 0;
	bool more = true;
	size_t n, i;

	*count = 0;
	while (more) {
		n = evkv__log_index_walk(&env->index, hash, entries, 256,
		    &more);
		for (i = 0; i < n; i++)
			sum += entries[i].hash * 31 +
			    log_place_offset(entries[i].place) * 7 +
			    log_place_file(env, entries[i].place)->head.number *
				1009 +
			    entries[i].expiry;
		*count += n;
		if (n > 0)
			hash = entries[n - 1].hash + 1;
		more = more && hash != 0;
	}
	return sum;
}

bool log_files_sound(const char *path, char *wrong, size_t size)
{
	struct log_env *env;
	uint64_t sums[2];
	size_t counts[2];
	int i;

	for (i = 0; i < 2; i++) {
		env = files_open(path, wrong, size);
		if (env == NULL)
			return false;
		sums[i] = files_sum(env, &counts[i]);
		evkv__log_close(env);
		evkv__log_env_free(env);
		remove_indexes(path);
	}
	if (sums[0] == sums[1] && counts[0] == counts[1])
		return true;
	snprintf(wrong, size, "%zu entries by index files, %zu without",
	    counts[0], counts[1]);
	return false;
}
