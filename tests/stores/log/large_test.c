/*
 * Twenty million entries, once overwritten, so that half of the records are
 * dead: the start from index files, the memory of the index, single gets.
 * EVKV_LOG_ENTRIES takes another number. Times are told; what is checked leaves
 * room for a busy machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "direct.h"
#include "lib/folder.h"
#include "lib/test.h"

#define GROUP 4096
#define GETS 200000

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct large {
	struct direct direct;
	struct direct_config config;
	char folder[200], path[220];
	unsigned entries;
	struct direct_write writes[GROUP];
	char keys[GROUP][20], values[GROUP][20];
};

static void large_put_all(struct large *l, unsigned round)
{
	unsigned at = 0, count, i;

	for (; at < l->entries; at += count) {
		count = l->entries - at < GROUP ? l->entries - at : GROUP;
		for (i = 0; i < count; i++) {
			snprintf(l->keys[i], sizeof(l->keys[i]), "key-%012u",
			    at + i);
			snprintf(l->values[i], sizeof(l->values[i]), "%u.%u",
			    round, at + i);
			l->writes[i] = (struct direct_write){ .key = l->keys[i],
				.value = l->values[i] };
		}
		direct_group(&l->direct, l->writes, count);
		check_int(l->writes[0].status, EVKV_OK);
		check_int(l->writes[count - 1].status, EVKV_OK);
		while (evkv__log_keep(l->direct.env))
			;
	}
}

static void large_get_some(struct large *l)
{
	char key[32], value[64], wanted[64];
	uint64_t state = 88172645463325252u;
	int64_t begun = now_us();
	unsigned i, n;

	for (i = 0; i < GETS; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695;
		n = (unsigned)((state >> 33) % l->entries);
		snprintf(key, sizeof(key), "key-%012u", n);
		snprintf(wanted, sizeof(wanted), "1.%u", n);
		check_int(direct_get(&l->direct, key, value, sizeof(value)),
		    EVKV_OK);
		check_str(value, wanted);
	}
	fprintf(stderr, "large: a get: %.2f us\n",
	    (double)(now_us() - begun) / GETS);
}

static void large_start(struct large *l)
{
	struct file_failure failure;
	int64_t begun = now_us(), took;
	double per;

	check(direct_open(&l->direct, &l->config, &failure));
	took = now_us() - begun;
	per = (double)l->direct.env->index.bytes / l->entries;
	fprintf(stderr,
	    "large: %u entries and as many dead: started in %.2f s, %.1f "
	    "million records a second; %.1f bytes an entry in memory\n",
	    l->entries, (double)took / 1e6, 2.0 * l->entries / (double)took,
	    per);
	check_str(l->direct.env->notes, "");
	check_int(l->direct.env->index.entries, l->entries);
	check(per <= 32);
}

EVKV_TEST(log_large, twenty_million_entries)
{
	const char *given = getenv("EVKV_LOG_ENTRIES");
	struct large *l = calloc(1, sizeof(*l));
	struct file_failure failure;

	check(l != NULL);
	l->entries = given != NULL ? (unsigned)strtoul(given, NULL, 10)
				   : 20000000;
	folder_make(l->folder, sizeof(l->folder));
	snprintf(l->path, sizeof(l->path), "%s/log", l->folder);
	l->config = (struct direct_config){ .path = l->path,
		.durability = LOG_SYNC_OS,
		.segment_bytes = (uint64_t)256 << 20 };
	check(direct_open(&l->direct, &l->config, &failure));
	large_put_all(l, 0);
	large_put_all(l, 1);
	direct_close(&l->direct);
	large_start(l);
	large_get_some(l);
	check_int(direct_compact(&l->direct), 0);
	direct_close(&l->direct);
	large_start(l);
	large_get_some(l);
	direct_close(&l->direct);
	folder_remove(l->folder);
	free(l);
}
