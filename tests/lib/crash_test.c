/*
 * What was acknowledged survives SIGKILL at any moment, whole and with its TTL;
 * what was not is there whole or not at all. One test for all stores that are
 * durable: CRASH_URL has a %s for the folder, CRASH_HEADER and CRASH_REGISTER
 * are the store's, CRASH_WRITER is the program that writes.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/crash_entry.h"
#include "evkv/evkv.h"
#include CRASH_HEADER
#include "lib/folder.h"
#include "lib/pick.h"
#include "lib/rig.h"
#include "lib/test.h"

#define BATCH 64
#define UNREPORTED 128 /* numbers that may have been put beyond the last one */

struct crash {
	struct rig rig;
	struct evkv_store *store;
	char folder[200], url[300];
	int64_t begun_us;
	uint64_t random;
	uint32_t first;       /* of this round */
	uint32_t end;         /* above every number that was reported */
	unsigned char *acked; /* by number */
	size_t acked_room, acked_count;
	uint32_t counter; /* the last that was acknowledged */
	bool counted;
	unsigned compactions;
	size_t checked;
};

static uint32_t crash_random(struct crash *crash, uint32_t below)
{
	return pick_below(&crash->random, below);
}

static void crash_note(struct crash *crash, uint32_t what)
{
	if (what == CRASH_COMPACTED) {
		crash->compactions++;
		return;
	}
	if ((what & CRASH_COUNTER) != 0) {
		crash->counted = true;
		crash->counter = what & ~CRASH_COUNTER;
		return;
	}
	if (what >= crash->acked_room) {
		size_t room = (size_t)what * 2 + 1024;

		crash->acked = realloc(crash->acked, room);
		memset(crash->acked + crash->acked_room, 0,
		    room - crash->acked_room);
		crash->acked_room = room;
	}
	check_int(crash->acked[what], 0);
	crash->acked[what] = 1;
	crash->acked_count++;
	if (what >= crash->end)
		crash->end = what + 1;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* false: the pipe is at its end. */
static bool crash_read(struct crash *crash, int fd)
{
	uint32_t reports[256];
	size_t have = 0, i;
	ssize_t size;

	do {
		size = read(fd, (char *)reports + have, sizeof(reports) - have);
		if (size <= 0)
			return false;
		have += (size_t)size;
	} while (have % sizeof(reports[0]) != 0);
	for (i = 0; i < have / sizeof(reports[0]); i++)
		crash_note(crash, reports[i]);
	return true;
}

/* ---- The store ----------------------------------------------------------- */

static void crash_open(struct crash *crash)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct answer answer = ANSWER_INIT;

	crash->store = evkv_open(crash->rig.loop, crash->url, &error);
	check_str(error.message, "");
	evkv_store_wait_ready(crash->store, -1, answer_cb, &answer);
	rig_wait(&crash->rig, &answer.calls);
	if (answer.status != EVKV_OK)
		fail_test("can't open: %s", answer.message);
	answer_free(&answer);
}

static void crash_close(struct crash *crash)
{
	struct answer answer = ANSWER_INIT;

	evkv_store_close(crash->store, -1, answer_cb, &answer);
	rig_wait(&crash->rig, &answer.calls);
	answer_free(&answer);
	evkv_store_unref(crash->store);
	rig_turn(&crash->rig);
}

static void crash_do(struct crash *crash, const struct evkv_request *request,
    struct answer *answer)
{
	evkv_submit(crash->store, request, answer_cb, answer);
	rig_wait(&crash->rig, &answer->calls);
}

/* ---- The writer ---------------------------------------------------------- */

static pid_t crash_start(struct crash *crash, const char *compact, int *fd)
{
	char first[16];
	int fds[2];
	pid_t pid;

	snprintf(first, sizeof(first), "%u", crash->first);
	check_int(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], STDOUT_FILENO);
		execl(CRASH_WRITER, "crash_writer", crash->url, first, compact,
		    (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	*fd = fds[0];
	return pid;
}

/*
 * Let it write for a random time after its first report or, of a compaction,
 * that, then kill it.
 */
static void crash_run(struct crash *crash, const char *compact,
    uint32_t most_us, bool after_compaction)
{
	struct pollfd poll_fd = { .events = POLLIN };
	int64_t end_us = now_us() + 20000000, run_us;
	unsigned compactions = crash->compactions;
	int status;
	pid_t pid = crash_start(crash, compact, &poll_fd.fd);

	run_us = 200 + crash_random(crash, most_us);
	while (now_us() < end_us) {
		if (poll(&poll_fd, 1, 1) <= 0)
			continue;
		if (!crash_read(crash, poll_fd.fd))
			break;
		if (after_compaction && crash->compactions == compactions)
			continue;
		if (end_us > now_us() + run_us)
			end_us = now_us() + run_us;
	}
	kill(pid, SIGKILL);
	while (crash_read(crash, poll_fd.fd))
		;
	close(poll_fd.fd);
	check(waitpid(pid, &status, 0) == pid);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* No entry is older than the test; a minute in case the clock is set. */
static int64_t crash_ttl_least(const struct crash *crash)
{
	return CRASH_TTL_MS - (now_us() - crash->begun_us) / 1000 - 60000;
}

static void crash_check_one(struct crash *crash, uint32_t n,
    const struct answer_entry *entry)
{
	static char value[CRASH_VALUE_MAX];
	bool acked = n < crash->acked_room && crash->acked[n] != 0;

	if (!acked && entry->status == EVKV_NOT_FOUND)
		return;
	check_status(entry->status, EVKV_OK);
	check_bytes(entry->bytes, crash_value(n, value));
	if (crash_ttl_ms(n) == 0)
		check_int(entry->ttl_ms, EVKV_TTL_NONE);
	else
		check_between(entry->ttl_ms, crash_ttl_least(crash),
		    CRASH_TTL_MS);
	crash->checked += acked;
}

static void crash_check_range(struct crash *crash, uint32_t from, uint32_t to)
{
	static char names[BATCH][CRASH_KEY_MAX];
	struct evkv_slice keys[BATCH];
	struct answer answer = ANSWER_INIT;
	size_t count, i;

	for (; from < to; from += (uint32_t)count) {
		count = to - from < BATCH ? to - from : BATCH;
		for (i = 0; i < count; i++)
			keys[i] = crash_key(from + (uint32_t)i, names[i]);
		crash_do(crash,
		    &(struct evkv_request){ .kind = EVKV_OP_TTL,
			.collection = CRASH_COLLECTION,
			.count = count,
			.keys = keys },
		    &answer);
		check_int(answer.count, count);
		for (i = 0; i < count; i++)
			crash_check_one(crash, from + (uint32_t)i,
			    &answer.entries[i]);
		answer_reset(&answer);
	}
	answer_free(&answer);
}

static void crash_check_counter(struct crash *crash)
{
	struct evkv_slice key = EVKV_LIT("counter");
	struct answer answer = ANSWER_INIT;
	uint32_t n;

	if (!crash->counted)
		return;
	crash_do(crash,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = CRASH_COLLECTION,
		.count = 1,
		.keys = &key },
	    &answer);
	check_status(answer.entries[0].status, EVKV_OK);
	check_int(answer.entries[0].bytes.size, sizeof(n));
	memcpy(&n, answer.entries[0].bytes.data, sizeof(n));
	check(n >= crash->counter);
	answer_free(&answer);
}

static unsigned crash_rounds(unsigned rounds)
{
	const char *given = getenv("EVKV_CRASH_ROUNDS");

	if (given != NULL)
		return (unsigned)atoi(given);
#ifdef TEST_SANITIZED
	return rounds / 10;
#else
	return rounds;
#endif
}

static void crash_test(const char *compact, unsigned rounds, uint32_t most_us)
{
	struct crash *crash = calloc(1, sizeof(*crash));
	const char *seed = getenv("EVKV_TEST_SEED");
	unsigned round;

	rounds = crash_rounds(rounds);
	crash->begun_us = now_us();
	crash->random = seed != NULL ? strtoull(seed, NULL, 10)
				     : (uint64_t)crash->begun_us;
	fprintf(stderr, "EVKV_TEST_SEED=%llu\n",
	    (unsigned long long)crash->random);
	folder_make(crash->folder, sizeof(crash->folder));
	snprintf(crash->url, sizeof(crash->url), CRASH_URL, crash->folder);
	rig_open_real(&crash->rig);
	check(CRASH_REGISTER(crash->rig.loop));
	for (round = 0; round < rounds; round++) {
		crash_run(crash, compact, most_us,
		    compact[0] != '0' && round % 2 == 1);
		crash_open(crash);
		crash_check_range(crash, crash->first, crash->end + UNREPORTED);
		crash_check_counter(crash);
		crash_close(crash);
		crash->first = crash->end + UNREPORTED;
	}
	crash_open(crash);
	crash->checked = 0;
	crash_check_range(crash, 0, crash->end);
	check_int(crash->checked, crash->acked_count);
	check(crash->acked_count > rounds);
	fprintf(stderr,
	    "crash: %u of %u kills; %zu acknowledged entries, all "
	    "there; %u compactions\n",
	    rounds, rounds, crash->acked_count, crash->compactions);
	if (compact[0] != '0')
		check(crash->compactions > 0);
	crash_close(crash);
	rig_close(&crash->rig);
	folder_remove(crash->folder);
	free(crash->acked);
	free(crash);
}

EVKV_TEST(store_crash, what_was_acknowledged_survives)
{
	crash_test("0", 200, 30000);
}

EVKV_TEST(store_crash, also_across_compact)
{
	crash_test("100", 200, 50000);
}
