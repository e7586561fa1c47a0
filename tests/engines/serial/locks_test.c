/*
 * Somebody else has the lock and keeps it: operations end by their deadlines, a
 * close does not wait, and afterwards all goes on.
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "either.h"
#include "kit.h"

static struct evkv_store *locks_make(struct kit *kit, struct evkv_error *error)
{
	return either_open(kit->rig.loop, kit->path, NULL, error);
}

/* As another process would, by a descriptor of its own. */
static int take_lock(struct kit *kit)
{
#ifdef SERIAL_FILETREE
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(kit_file(kit, "store/.evkv-lock"), O_RDWR);

	check(fd >= 0);
	check_int(fcntl(fd, F_OFD_SETLK, &all), 0);
#else
	int fd = open(kit->folder, O_RDONLY | O_DIRECTORY);

	check(fd >= 0);
	check_int(flock(fd, LOCK_EX | LOCK_NB), 0);
#endif
	return fd;
}

static void begin(struct kit *kit)
{
	kit_begin_real(kit, "store", locks_make);
	kit_open(kit);
	kit_must_put(kit, "c", "k", "old", 0);
}

static enum evkv_status put_within(struct kit *kit, int64_t timeout_ms)
{
	struct evkv_slice key = EVKV_LIT("k"), value = EVKV_LIT("new");

	return kit_do(kit,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.values = &value,
		.timeout_ms = timeout_ms });
}

EVKV_TEST(serial_locks, an_operation_ends_by_its_deadline)
{
	struct kit kit;
	int fd;

	begin(&kit);
	fd = take_lock(&kit);
	/* The worker has it. */
	check_status(put_within(&kit, 50), EVKV_UNKNOWN_OUTCOME);
	close(fd);
	kit_must_put(&kit, "c", "k", "next", 0);
	kit_check(&kit, "c", "k", "next");
	kit_end(&kit);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Ten seconds would be the longest that the lock is waited for. */
EVKV_TEST(serial_locks, a_close_does_not_wait_for_the_lock)
{
	struct kit kit;
	int64_t begun_ms;
	int fd;

	begin(&kit);
	fd = take_lock(&kit);
	check_status(put_within(&kit, 50), EVKV_UNKNOWN_OUTCOME);
	begun_ms = now_ms();
	answer_reset(&kit.answer);
	evkv_store_close(kit.store, 0, answer_cb, &kit.answer);
	rig_wait(&kit.rig, &kit.answer.calls);
	evkv_store_unref(kit.store);
	kit.store = NULL;
	check(now_ms() - begun_ms < 5000);
	close(fd);
	kit_open(&kit);
	kit_check(&kit, "c", "k", "old");
	kit_end(&kit);
}

static void count_lines(enum evkv_log_level level, const char *message,
    void *arg)
{
	(void)level;
	(void)message;
	++*(unsigned *)arg;
}

/* Nothing is worth a line of the log where all goes well. */
EVKV_TEST(serial_locks, a_close_that_goes_well_is_not_logged)
{
	unsigned lines = 0;
	struct kit kit;

	kit_begin_real(&kit, "store", locks_make);
	evkv_loop_set_log(kit.rig.loop, count_lines, &lines);
	kit_open(&kit);
	kit_must_put(&kit, "c", "k", "v", 0);
	answer_reset(&kit.answer);
	evkv_store_close(kit.store, 1000, answer_cb, &kit.answer);
	rig_wait(&kit.rig, &kit.answer.calls);
	check_status(kit.answer.status, EVKV_OK);
	evkv_store_unref(kit.store);
	kit.store = NULL;
	check_int(lines, 0);
	kit_end(&kit);
}
