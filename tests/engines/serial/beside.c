#include "beside.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/pick.h"
#include "writer.h"

#define SHARED 300
#define UNREPORTED 64 /* numbers that may have been put beyond the last one */

struct beside {
	pid_t pid;
	int fd; /* what it reports */
};

static struct beside beside_start(const char *writer, const char *url,
    const char *mode, uint32_t number)
{
	struct beside beside;
	char text[16];
	int fds[2];

	snprintf(text, sizeof(text), "%u", number);
	check_int(pipe2(fds, O_CLOEXEC), 0);
	beside.pid = fork();
	check(beside.pid >= 0);
	if (beside.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		execl(writer, "writer", url, mode, text, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	beside.fd = fds[0];
	return beside;
}

/* Note what it reports, by number; false: there is no more. */
static bool beside_read(struct beside *beside, unsigned char *reported,
    uint32_t room)
{
	uint32_t numbers[256];
	size_t have = 0, i;
	ssize_t size;

	do {
		size = read(beside->fd, (char *)numbers + have,
		    sizeof(numbers) - have);
		if (size <= 0)
			return false;
		have += (size_t)size;
	} while (have % sizeof(numbers[0]) != 0);
	for (i = 0; i < have / sizeof(numbers[0]); i++) {
		check(numbers[i] < room);
		reported[numbers[i]]++;
	}
	return true;
}

static int beside_end(struct beside *beside)
{
	int status;

	close(beside->fd);
	check(waitpid(beside->pid, &status, 0) == beside->pid);
	return status;
}

/* ---- Several at once ----------------------------------------------------- */

static void share_run(const char *writer, const char *url, const char *mode,
    unsigned char *reported)
{
	struct beside one = beside_start(writer, url, mode, SHARED);
	struct beside two = beside_start(writer, url, mode, SHARED);

	while (beside_read(&one, reported, SHARED))
		;
	while (beside_read(&two, reported, SHARED))
		;
	check_int(beside_end(&one), 0);
	check_int(beside_end(&two), 0);
}

void beside_share(struct kit *kit, const char *writer, const char *url)
{
	unsigned char reported[SHARED] = { 0 };
	char key[WRITER_KEY_MAX];
	uint32_t n;

	share_run(writer, url, "incr", reported);
	kit_open(kit);
	kit_check(kit, WRITER_COLLECTION, "counter", "600");
	for (n = 0; n < SHARED; n++) {
		writer_key(n, key);
		kit_must_put(kit, WRITER_COLLECTION, key, "v", 0);
	}
	kit_close(kit);
	share_run(writer, url, "take", reported);
	for (n = 0; n < SHARED; n++)
		check_int(reported[n], 1);
	kit_open(kit);
	check_int(kit_names(kit, EVKV_OP_KEYS, WRITER_COLLECTION, 0), 1);
	kit_close(kit);
}

/* ---- One that is killed -------------------------------------------------- */

struct crash {
	struct kit *kit;
	uint64_t random;
	unsigned char *reported;
	uint32_t room, first, checked;
};

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Let it write for a random time after its first report, then kill it. */
static void crash_run(struct crash *crash, const char *writer, const char *url)
{
	struct beside beside = beside_start(writer, url, "put", crash->first);
	struct pollfd poll_fd = { .fd = beside.fd, .events = POLLIN };
	int64_t end_us = now_us() + 20000000, run_us;
	int status;

	run_us = 200 + pick_below(&crash->random, 30000);
	while (now_us() < end_us) {
		if (poll(&poll_fd, 1, 1) <= 0)
			continue;
		if (!beside_read(&beside, crash->reported, crash->room))
			break;
		if (end_us > now_us() + run_us)
			end_us = now_us() + run_us;
	}
	kill(beside.pid, SIGKILL);
	while (beside_read(&beside, crash->reported, crash->room))
		;
	status = beside_end(&beside);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void crash_check_one(struct crash *crash, uint32_t n)
{
	char key[WRITER_KEY_MAX], value[WRITER_VALUE_MAX];
	const struct answer_entry *entry;

	writer_key(n, key);
	kit_keyed(crash->kit, EVKV_OP_TTL, WRITER_COLLECTION, evkv_str(key));
	entry = &crash->kit->answer.entries[0];
	if (crash->reported[n] == 0 && entry->status == EVKV_NOT_FOUND)
		return;
	check_status(entry->status, EVKV_OK);
	writer_value(n, value);
	check_bytes(entry->bytes, evkv_str(value));
	check((entry->ttl_ms != EVKV_TTL_NONE) == (n % 3 == 0));
	crash->checked += crash->reported[n];
}

static uint32_t crash_end(const struct crash *crash)
{
	uint32_t end = crash->room;

	while (end > crash->first && crash->reported[end - 1] == 0)
		end--;
	return end;
}

void beside_crash(struct kit *kit, const char *writer, const char *url,
    unsigned rounds)
{
	const char *seed = getenv("EVKV_TEST_SEED");
	struct crash crash = { .kit = kit, .room = 1u << 20 };
	uint32_t n, end = 0;
	unsigned round;

	crash.reported = calloc(crash.room, 1);
	crash.random = seed != NULL ? strtoull(seed, NULL, 10)
				    : (uint64_t)now_us();
	fprintf(stderr, "EVKV_TEST_SEED=%llu\n",
	    (unsigned long long)crash.random);
	for (round = 0; round < rounds; round++) {
		crash_run(&crash, writer, url);
		end = crash_end(&crash);
		kit_open(kit);
		for (n = crash.first; n < end + UNREPORTED; n++)
			crash_check_one(&crash, n);
		kit_close(kit);
		crash.first = end + UNREPORTED;
	}
	fprintf(stderr, "crash: %u kills; %u acknowledged entries, all there\n",
	    rounds, crash.checked);
	check(crash.checked >= rounds);
	kit_open(kit);
	for (n = 0; n < end; n++)
		crash_check_one(&crash, n);
	kit_close(kit);
	free(crash.reported);
}
