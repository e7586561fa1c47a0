/*
 * The executor alone: order, batches, bounds, and ends with work in flight.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/executor.h"
#include "faults.h"
#include "files.h"
#include "rig.h"
#include "test.h"

#define TASKS_MAX 3000

struct work {
	struct evkv_job job;
	int number;
	int runs_left; /* asks to be run again while above 1 */
	bool waits_for_stop;
	sem_t *gate;    /* waited for by the worker */
	sem_t *entered; /* posted by the worker before it waits */
	bool ran;
};

struct bench {
	struct rig rig;
	struct evkv_executor *executor;
	struct evkv_lane *lane;
	pthread_t loop_thread;
	int ran[TASKS_MAX], ran_count;   /* the worker's */
	size_t largest_batch;            /* the worker's */
	int back[TASKS_MAX], back_count; /* the loop's */
	int withdrawn;
	int signals_open; /* the worker's */
	bool free_in_done;
	struct work *resubmit;
	sem_t occupied; /* posted by job 0 when it runs */
	struct work works[TASKS_MAX];
};

static void bench_run(struct evkv_job *jobs, void *arg)
{
	struct bench *bench = arg;
	struct evkv_job *job;
	size_t batch = 0;
	sigset_t blocked;

	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (!sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGPIPE))
		bench->signals_open++;
	for (job = jobs; job != NULL; job = evkv_job_next(job)) {
		struct work *work = (struct work *)job;

		batch++;
		if (work->entered != NULL)
			sem_post(work->entered);
		if (work->gate != NULL)
			sem_wait(work->gate);
		while (work->waits_for_stop && !evkv_job_stopped(job))
			sched_yield();
		work->ran = true;
		bench->ran[bench->ran_count++] = work->number;
		if (work->runs_left-- > 1)
			evkv_job_again(job);
	}
	if (batch > bench->largest_batch)
		bench->largest_batch = batch;
}

static void bench_done(struct evkv_job *jobs, void *arg)
{
	struct bench *bench = arg;
	struct evkv_job *next;
	struct work *again = bench->resubmit;

	check(pthread_equal(pthread_self(), bench->loop_thread));
	for (; jobs != NULL; jobs = next) {
		next = evkv_job_next(jobs);
		bench->back[bench->back_count++] = ((struct work *)jobs)
						       ->number;
		if (evkv_job_withdrawn(jobs))
			bench->withdrawn++;
	}
	bench->resubmit = NULL;
	if (again != NULL)
		check(evkv_lane_submit(bench->lane, &again->job));
	if (bench->free_in_done) {
		bench->free_in_done = false;
		evkv_lane_free(bench->lane);
		bench->lane = NULL;
	}
}

static struct evkv_lane *bench_lane(struct bench *bench, size_t max_batch,
    size_t max_jobs)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_lane *lane;

	lane = evkv_lane_new(bench->rig.loop, bench->executor,
	    &(struct evkv_lane_config){
		.run = bench_run,
		.done = bench_done,
		.arg = bench,
		.max_batch = max_batch,
		.max_jobs = max_jobs,
	    },
	    &error);
	check_str(error.message, "");
	return lane;
}

static struct bench *bench_open(unsigned threads)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	struct evkv_error error = EVKV_ERROR_INIT;
	int i;

	rig_open(&bench->rig);
	bench->loop_thread = pthread_self();
	bench->executor = evkv_executor_new(
	    &(struct evkv_executor_options){ .threads = threads }, &error);
	check(bench->executor != NULL);
	bench->lane = bench_lane(bench, 0, 0);
	for (i = 0; i < TASKS_MAX; i++)
		bench->works[i].number = i;
	return bench;
}

static void bench_close(struct bench *bench)
{
	evkv_lane_free(bench->lane);
	evkv_executor_unref(bench->executor);
	rig_close(&bench->rig);
	check_int(bench->signals_open, 0);
	free(bench);
}

static void submit(struct bench *bench, int first, int count)
{
	int i;

	for (i = first; i < first + count; i++)
		check(evkv_lane_submit(bench->lane, &bench->works[i].job));
}

EVKV_TEST(executor, runs_and_answers_in_order)
{
	struct bench *bench = bench_open(2);
	int i;

	for (i = 0; i < 30; i++) {
		submit(bench, i * 100, 100);
		rig_turn(&bench->rig);
	}
	rig_until(&bench->rig, bench->back_count == 3000);
	for (i = 0; i < 3000; i++) {
		check_int(bench->ran[i], i);
		check_int(bench->back[i], i);
	}
	check_int(evkv_lane_jobs(bench->lane), 0);
	bench_close(bench);
}

EVKV_TEST(executor, hands_over_in_bounded_batches)
{
	struct bench *bench = bench_open(1);

	submit(bench, 0, 200);
	rig_until(&bench->rig, bench->back_count == 200);
	check_int(bench->largest_batch, 64);
	evkv_lane_free(bench->lane);
	bench->lane = bench_lane(bench, 500, 0);
	submit(bench, 200, 1000);
	rig_until(&bench->rig, bench->back_count == 1200);
	check_int(bench->largest_batch, 500);
	bench_close(bench);
}

EVKV_TEST(executor, lanes_run_beside_each_other)
{
	struct bench *bench = bench_open(2);
	struct bench *other = calloc(1, sizeof(*other));
	sem_t one, two;

	/* Each waits until the other was entered. */
	sem_init(&one, 0, 0);
	sem_init(&two, 0, 0);
	*other = (struct bench){ .rig = bench->rig,
		.executor = bench->executor,
		.loop_thread = pthread_self() };
	other->lane = bench_lane(other, 0, 0);
	bench->works[0].entered = other->works[0].gate = &one;
	bench->works[0].gate = other->works[0].entered = &two;
	submit(bench, 0, 1);
	submit(other, 0, 1);
	rig_until(&bench->rig, bench->back_count + other->back_count == 2);
	evkv_lane_free(other->lane);
	free(other);
	bench_close(bench);
}

EVKV_TEST(executor, refuses_past_its_bound)
{
	struct bench *bench = bench_open(1);

	evkv_lane_free(bench->lane);
	bench->lane = bench_lane(bench, 0, 10);
	submit(bench, 0, 10);
	check(!evkv_lane_submit(bench->lane, &bench->works[10].job));
	check_int(evkv_lane_jobs(bench->lane), 10);
	rig_until(&bench->rig, bench->back_count == 10);
	submit(bench, 10, 1);
	rig_until(&bench->rig, bench->back_count == 11);
	bench_close(bench);
}

EVKV_TEST(executor, withdraws_what_waits_and_not_what_runs)
{
	struct bench *bench = bench_open(2);
	sem_t entered, gate;

	sem_init(&entered, 0, 0);
	sem_init(&gate, 0, 0);
	bench->works[0].entered = &entered;
	bench->works[0].gate = &gate;
	submit(bench, 0, 1);
	rig_turn(&bench->rig);
	sem_wait(&entered);
	submit(bench, 1, 3);
	rig_turn(&bench->rig);
	check(!evkv_job_withdraw(&bench->works[0].job));
	check(evkv_job_withdraw(&bench->works[2].job));
	check(evkv_job_withdraw(&bench->works[2].job));
	sem_post(&gate);
	rig_until(&bench->rig, bench->back_count == 4);
	check_int(bench->withdrawn, 1);
	check_int(bench->ran_count, 3);
	check(!bench->works[2].ran);
	check(!evkv_job_withdraw(&bench->works[1].job));
	bench_close(bench);
}

EVKV_TEST(executor, again_goes_behind_what_waits)
{
	struct bench *bench = bench_open(2);
	const int expected[] = { 0, 1, 2, 0, 0 };
	int i;

	evkv_lane_free(bench->lane);
	bench->lane = bench_lane(bench, 1, 0);
	bench->works[0].runs_left = 3;
	submit(bench, 0, 3);
	rig_until(&bench->rig, bench->back_count == 3);
	for (i = 0; i < 5; i++)
		check_int(bench->ran[i], expected[i]);
	check_int(bench->back[2], 0);
	bench_close(bench);
}

/* A worker is in job 0, and stays there until that is stopped. */
static void occupy(struct bench *bench)
{
	sem_init(&bench->occupied, 0, 0);
	bench->works[0].entered = &bench->occupied;
	bench->works[0].waits_for_stop = true;
	submit(bench, 0, 1);
	rig_turn(&bench->rig);
	sem_wait(&bench->occupied);
}

EVKV_TEST(executor, cancel_withdraws_what_waits_and_stops_what_runs)
{
	struct bench *bench = bench_open(1);
	unsigned i;

	occupy(bench);
	submit(bench, 1, 1);
	rig_turn(&bench->rig);
	for (i = 0; i < 2; i++) {
		evkv_job_cancel(&bench->works[1].job, NULL);
		evkv_job_cancel(&bench->works[0].job, NULL);
	}
	rig_until(&bench->rig, bench->back_count == 2);
	check_int(bench->withdrawn, 1);
	check(bench->works[0].ran && !bench->works[1].ran);
	bench_close(bench);
}

EVKV_TEST(executor, freeing_a_lane_ends_what_runs_and_returns_all)
{
	struct bench *bench = bench_open(2);

	bench->works[0].runs_left = 1000;
	occupy(bench);
	submit(bench, 1, 200);
	rig_turn(&bench->rig);
	submit(bench, 201, 100); /* not handed over */
	evkv_lane_free(bench->lane);
	bench->lane = NULL;
	check_int(bench->back_count, 301);
	check_int(bench->withdrawn, 300);
	check_int(bench->ran_count, 1);
	bench_close(bench);
}

EVKV_TEST(executor, a_lane_may_be_freed_in_done)
{
	struct bench *bench = bench_open(2);

	bench->free_in_done = true;
	submit(bench, 0, 500);
	rig_until(&bench->rig, bench->back_count == 500);
	check(bench->lane == NULL);
	bench_close(bench);
}

EVKV_TEST(executor, done_may_submit)
{
	struct bench *bench = bench_open(1);

	bench->resubmit = &bench->works[1];
	submit(bench, 0, 1);
	rig_until(&bench->rig, bench->back_count == 2);
	check_int(bench->back[1], 1);
	bench_close(bench);
}

EVKV_TEST(executor, a_stop_reaches_the_worker)
{
	struct bench *bench = bench_open(1);

	occupy(bench);
	evkv_job_stop(&bench->works[0].job);
	rig_until(&bench->rig, bench->back_count == 1);
	bench_close(bench);
}

EVKV_TEST(executor, jobs_keep_dispatch_alive_and_an_idle_one_does_not)
{
	struct bench *bench = bench_open(2);

	check_int(event_base_dispatch(bench->rig.base), 1);
	submit(bench, 0, 100);
	check(event_base_dispatch(bench->rig.base) >= 0);
	check_int(bench->back_count, 100);
	bench_close(bench);
}

EVKV_TEST(executor, threads_and_descriptors_return)
{
	int fds = files_count("/proc/self/fd");
	struct bench *bench;

	files_await_workers(0);
	bench = bench_open(8);
	files_await_workers(8);
	submit(bench, 0, 1000);
	bench_close(bench);
	check_int(files_count("/proc/self/fd"), fds);
	files_await_workers(0);
}

EVKV_TEST(executor, a_loop_carries_one)
{
	struct rig rig;
	struct evkv_executor *mine;
	struct evkv_error error = EVKV_ERROR_INIT;

	rig_open(&rig);
	mine = evkv_executor_new(NULL, &error);
	check(evkv_loop_set_executor(rig.loop, mine));
	check(evkv_loop_executor(rig.loop, &error) == mine);
	check(!evkv_loop_set_executor(rig.loop, mine));
	evkv_executor_unref(mine);
	rig_close(&rig);

	rig_open(&rig);
	mine = evkv_loop_executor(rig.loop, &error);
	check(mine != NULL && evkv_loop_executor(rig.loop, &error) == mine);
	check(!evkv_loop_set_executor(rig.loop, mine));
	rig_close(&rig);
}

EVKV_TEST(executor, bad_options_are_named)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	check(
	    evkv_executor_new(&(struct evkv_executor_options){ .threads = 65 },
		&error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, "threads");
}

static void check_no_lane(struct evkv_loop *loop,
    struct evkv_executor *executor, const struct evkv_lane_config *config)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	check(evkv_lane_new(loop, executor, config, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, "a lane needs");
}

EVKV_TEST(executor, a_lane_needs_both_its_ends)
{
	const struct evkv_lane_config good = { .run = bench_run,
		.done = bench_done };
	const struct evkv_lane_config no_run = { .done = bench_done };
	const struct evkv_lane_config no_done = { .run = bench_run };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_executor *executor;
	struct rig rig;

	rig_open(&rig);
	executor = evkv_loop_executor(rig.loop, &error);
	check_no_lane(NULL, executor, &good);
	check_no_lane(rig.loop, NULL, &good);
	check_no_lane(rig.loop, executor, &no_run);
	check_no_lane(rig.loop, executor, &no_done);
	check(!evkv_loop_set_executor(NULL, executor));
	check(evkv_loop_executor(NULL, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	rig_close(&rig);
}

static void try_all(struct evkv_error *error)
{
	struct rig rig;
	struct evkv_executor *executor;
	struct bench *bench = calloc(1, sizeof(*bench));

	bench->loop_thread = pthread_self();
	if (rig_try_open(&rig, false)) {
		bench->rig = rig;
		executor = evkv_loop_executor(rig.loop, error);
		if (executor != NULL) {
			bench->lane = evkv_lane_new(rig.loop, executor,
			    &(struct evkv_lane_config){ .run = bench_run,
				.done = bench_done,
				.arg = bench },
			    error);
		}
		if (bench->lane != NULL) {
			submit(bench, 0, 10);
			rig_until(&bench->rig, bench->back_count == 10);
			evkv_lane_free(bench->lane);
		}
	} else {
		evkv_error_set(error, EVKV_NOMEM, "no loop");
	}
	rig_close(&rig);
	free(bench);
}

EVKV_TEST(executor, want_of_memory_is_told)
{
	struct evkv_error error;
	size_t n, fired = 1;

	for (n = 1; fired > 0; n++) {
		evkv_error_clear(&error);
		faults_fail_nth(n);
		try_all(&error);
		fired = faults_fired();
		faults_off();
		check_int(error.status, fired > 0 ? EVKV_NOMEM : EVKV_OK);
	}
	check(n > 4);
}

/* ---- Shared between loops ------------------------------------------------ */

#define LOOPS 4
#define ROUNDS 500

struct shared {
	struct evkv_executor *executor;
	pthread_t thread;
	int back;
};

struct loop_work {
	struct evkv_job job;
	unsigned sum;
};

static void shared_run(struct evkv_job *jobs, void *arg)
{
	(void)arg;
	for (; jobs != NULL; jobs = evkv_job_next(jobs))
		((struct loop_work *)jobs)->sum++;
}

static void shared_done(struct evkv_job *jobs, void *arg)
{
	struct shared *shared = arg;

	for (; jobs != NULL; jobs = evkv_job_next(jobs))
		shared->back++;
}

static void *shared_main(void *arg)
{
	struct shared *shared = arg;
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct loop_work works[8];
	struct evkv_lane *lanes[2];
	int round, i;

	for (i = 0; i < 2; i++) {
		lanes[i] = evkv_lane_new(loop, shared->executor,
		    &(struct evkv_lane_config){
			.run = shared_run, .done = shared_done, .arg = shared },
		    NULL);
	}
	memset(works, 0, sizeof(works));
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < 8; i++)
			evkv_lane_submit(lanes[i % 2], &works[i].job);
		/* The last round ends with work in flight. */
		if (round < ROUNDS - 1)
			event_base_dispatch(base);
	}
	for (i = 0; i < 2; i++)
		evkv_lane_free(lanes[i]);
	evkv_loop_free(loop);
	event_base_free(base);
	return NULL;
}

EVKV_TEST(executor, loops_share_one)
{
	struct shared shared[LOOPS];
	struct evkv_executor *executor = evkv_executor_new(
	    &(struct evkv_executor_options){ .threads = 3 }, NULL);
	int i;

	for (i = 0; i < LOOPS; i++) {
		shared[i] = (struct shared){ .executor = executor };
		check_int(pthread_create(&shared[i].thread, NULL, shared_main,
			      &shared[i]),
		    0);
	}
	for (i = 0; i < LOOPS; i++) {
		pthread_join(shared[i].thread, NULL);
		check_int(shared[i].back, ROUNDS * 8);
	}
	evkv_executor_unref(executor);
}

/* One handover for two lanes, again and again: the woken must wake another. */
EVKV_TEST(executor, a_worker_wakes_the_next)
{
	struct bench *bench = bench_open(2);
	struct bench *other = calloc(1, sizeof(*other));
	sem_t one, two;
	int i;

	sem_init(&one, 0, 0);
	sem_init(&two, 0, 0);
	*other = (struct bench){ .rig = bench->rig,
		.executor = bench->executor,
		.loop_thread = pthread_self() };
	other->lane = bench_lane(other, 0, 0);
	bench->works[0].entered = other->works[0].gate = &one;
	bench->works[0].gate = other->works[0].entered = &two;
	for (i = 1; i <= 300; i++) {
		submit(bench, 0, 1);
		submit(other, 0, 1);
		rig_until(&bench->rig,
		    bench->back_count + other->back_count == 2 * i);
	}
	evkv_lane_free(other->lane);
	free(other);
	bench_close(bench);
}

/* Several lanes wait for the one worker; the last of them is freed. */
EVKV_TEST(executor, the_last_lane_that_waits_may_be_freed)
{
	struct bench *bench = bench_open(1);
	struct evkv_lane *lanes[3];
	int i;

	occupy(bench);
	for (i = 0; i < 3; i++) {
		lanes[i] = bench_lane(bench, 0, 0);
		check(evkv_lane_submit(lanes[i], &bench->works[1 + i].job));
		rig_turn(&bench->rig);
	}
	evkv_lane_free(lanes[2]);
	lanes[2] = bench_lane(bench, 0, 0);
	check(evkv_lane_submit(lanes[2], &bench->works[4].job));
	rig_turn(&bench->rig);
	evkv_job_stop(&bench->works[0].job);
	rig_until(&bench->rig, bench->back_count == 5);
	check_int(bench->withdrawn, 1);
	check(bench->works[4].ran);
	for (i = 0; i < 3; i++)
		evkv_lane_free(lanes[i]);
	bench_close(bench);
}

/* ---- Lanes that wait for something outside ------------------------------- */

/* Another lane goes on meanwhile, and the pool is as large as before after. */
EVKV_TEST(executor, a_relieved_lane_holds_up_no_other)
{
	struct bench *bench = bench_open(1);
	struct bench *other = calloc(1, sizeof(*other));
	int round;

	*other = (struct bench){ .rig = bench->rig,
		.executor = bench->executor,
		.loop_thread = pthread_self() };
	other->lane = bench_lane(other, 0, 0);
	for (round = 1; round <= 50; round++) {
		occupy(bench);
		check(evkv_lane_relieve(bench->lane));
		check(evkv_lane_relieve(bench->lane));
		submit(other, 0, 1);
		rig_until(&bench->rig, other->back_count == 2 * round - 1);
		evkv_job_stop(&bench->works[0].job);
		submit(other, 0, 1);
		rig_until(&bench->rig,
		    bench->back_count == round &&
			other->back_count == 2 * round);
		sem_destroy(&bench->occupied);
	}
	/* Not inside run(): nothing is to be done. */
	check(evkv_lane_relieve(bench->lane));
	files_await_workers(1);
	evkv_lane_free(other->lane);
	free(other);
	bench_close(bench);
}

struct stuck {
	sem_t entered, gate, released;
	int back, withdrawn;
};

static void stuck_run(struct evkv_job *jobs, void *arg)
{
	struct stuck *stuck = arg;

	(void)jobs;
	sem_post(&stuck->entered);
	sem_wait(&stuck->gate);
}

static void stuck_done(struct evkv_job *jobs, void *arg)
{
	struct stuck *stuck = arg;

	for (; jobs != NULL; jobs = evkv_job_next(jobs)) {
		stuck->back++;
		stuck->withdrawn += evkv_job_withdrawn(jobs);
	}
}

static void stuck_released(void *arg)
{
	struct stuck *stuck = arg;

	sem_post(&stuck->released);
}

#define RELIEVED 64 /* as many again as the pool may have */

/* No thread is started for the last: the pool has no place for it. */
EVKV_TEST(executor, threads_that_stand_in_are_bounded)
{
	struct evkv_executor *executor = evkv_executor_new(
	    &(struct evkv_executor_options){ .threads = 64 }, NULL);
	struct evkv_lane *lanes[RELIEVED + 1];
	struct evkv_job jobs[RELIEVED + 1];
	struct stuck stuck;
	struct rig rig;
	int i;

	rig_open(&rig);
	memset(&stuck, 0, sizeof(stuck));
	memset(jobs, 0, sizeof(jobs));
	sem_init(&stuck.entered, 0, 0);
	sem_init(&stuck.gate, 0, 0);
	for (i = 0; i <= RELIEVED; i++) {
		lanes[i] = evkv_lane_new(rig.loop, executor,
		    &(struct evkv_lane_config){
			.run = stuck_run, .done = stuck_done, .arg = &stuck },
		    NULL);
		check(evkv_lane_submit(lanes[i], &jobs[i]));
		rig_turn(&rig);
		sem_wait(&stuck.entered);
		check_int(evkv_lane_relieve(lanes[i]), i < RELIEVED);
	}
	for (i = 0; i <= RELIEVED; i++)
		sem_post(&stuck.gate);
	rig_until(&rig, stuck.back == RELIEVED + 1);
	for (i = 0; i <= RELIEVED; i++)
		evkv_lane_free(lanes[i]);
	evkv_executor_unref(executor);
	rig_close(&rig);
	files_await_workers(0);
}

/*
 * All that is out comes back at once; the loop and the executor end without the
 * thread, which releases what it has when it returns, if ever.
 */
EVKV_TEST(executor, an_abandoned_lane_is_not_waited_for)
{
	struct evkv_executor *executor = evkv_executor_new(
	    &(struct evkv_executor_options){ .threads = 1 }, NULL);
	struct evkv_job jobs[5];
	struct evkv_lane *lane;
	struct stuck stuck;
	struct rig rig;
	int i;

	rig_open(&rig);
	memset(&stuck, 0, sizeof(stuck));
	memset(jobs, 0, sizeof(jobs));
	sem_init(&stuck.entered, 0, 0);
	sem_init(&stuck.gate, 0, 0);
	sem_init(&stuck.released, 0, 0);
	lane = evkv_lane_new(rig.loop, executor,
	    &(struct evkv_lane_config){ .run = stuck_run,
		.done = stuck_done,
		.arg = &stuck,
		.max_batch = 2 },
	    NULL);
	for (i = 0; i < 4; i++)
		check(evkv_lane_submit(lane, &jobs[i]));
	rig_turn(&rig);
	sem_wait(&stuck.entered);
	check(evkv_lane_submit(lane, &jobs[4])); /* not handed over */
	evkv_lane_abandon(lane, stuck_released, &stuck);
	check_int(stuck.back, 5);
	check(stuck.withdrawn >= 3);
	evkv_executor_unref(executor);
	rig_close(&rig);
	memset(jobs, 0xee, sizeof(jobs));
	sem_post(&stuck.gate);
	sem_post(&stuck.gate);
	sem_wait(&stuck.released);
	/* The thread ends after that: leave nothing for it. */
	files_await_workers(0);
}

/* Nothing of it runs: it is gone at once. */
EVKV_TEST(executor, an_idle_lane_may_be_abandoned)
{
	struct evkv_executor *executor = evkv_executor_new(
	    &(struct evkv_executor_options){ .threads = 1 }, NULL);
	struct evkv_job job;
	struct evkv_lane *lane;
	struct stuck stuck;
	struct rig rig;
	int released;

	rig_open(&rig);
	memset(&stuck, 0, sizeof(stuck));
	memset(&job, 0, sizeof(job));
	sem_init(&stuck.released, 0, 0);
	lane = evkv_lane_new(rig.loop, executor,
	    &(struct evkv_lane_config){
		.run = stuck_run, .done = stuck_done, .arg = &stuck },
	    NULL);
	check(evkv_lane_submit(lane, &job)); /* not handed over */
	evkv_lane_abandon(lane, stuck_released, &stuck);
	check_int(stuck.back, 1);
	check_int(stuck.withdrawn, 1);
	check(sem_getvalue(&stuck.released, &released) == 0);
	check_int(released, 1);
	evkv_executor_unref(executor);
	rig_close(&rig);
	files_await_workers(0);
}

/* The only thread is left behind with a lane: another one takes its place. */
EVKV_TEST(executor, a_thread_that_is_left_behind_is_replaced)
{
	struct evkv_executor *executor = evkv_executor_new(
	    &(struct evkv_executor_options){ .threads = 1 }, NULL);
	struct evkv_job jobs[2];
	struct stuck stuck, other;
	struct evkv_lane *lane, *next;
	struct rig rig;

	rig_open(&rig);
	memset(&stuck, 0, sizeof(stuck));
	memset(&other, 0, sizeof(other));
	memset(jobs, 0, sizeof(jobs));
	sem_init(&stuck.entered, 0, 0);
	sem_init(&stuck.gate, 0, 0);
	sem_init(&stuck.released, 0, 0);
	sem_init(&other.entered, 0, 0);
	sem_init(&other.gate, 0, 1);
	lane = evkv_lane_new(rig.loop, executor,
	    &(struct evkv_lane_config){
		.run = stuck_run, .done = stuck_done, .arg = &stuck },
	    NULL);
	/* It is there before: a new lane would start the threads itself. */
	next = evkv_lane_new(rig.loop, executor,
	    &(struct evkv_lane_config){
		.run = stuck_run, .done = stuck_done, .arg = &other },
	    NULL);
	check(evkv_lane_submit(lane, &jobs[0]));
	rig_turn(&rig);
	sem_wait(&stuck.entered);
	evkv_lane_abandon(lane, stuck_released, &stuck);
	check(evkv_lane_submit(next, &jobs[1]));
	rig_wait(&rig, &other.back);
	check_int(other.withdrawn, 0);
	evkv_lane_free(next);
	evkv_executor_unref(executor);
	rig_close(&rig);
	sem_post(&stuck.gate);
	sem_wait(&stuck.released);
	files_await_workers(0);
}

/* One that was withdrawn while it waited comes back with all the others. */
EVKV_TEST(executor, an_abandoned_lane_returns_what_was_withdrawn)
{
	struct evkv_executor *executor = evkv_executor_new(
	    &(struct evkv_executor_options){ .threads = 1 }, NULL);
	struct evkv_job jobs[3];
	struct stuck stuck;
	struct evkv_lane *lane;
	struct rig rig;
	int i;

	rig_open(&rig);
	memset(&stuck, 0, sizeof(stuck));
	memset(jobs, 0, sizeof(jobs));
	sem_init(&stuck.entered, 0, 0);
	sem_init(&stuck.gate, 0, 0);
	sem_init(&stuck.released, 0, 0);
	lane = evkv_lane_new(rig.loop, executor,
	    &(struct evkv_lane_config){ .run = stuck_run,
		.done = stuck_done,
		.arg = &stuck,
		.max_batch = 2 },
	    NULL);
	check(evkv_lane_submit(lane, &jobs[0]));
	rig_turn(&rig);
	sem_wait(&stuck.entered);
	for (i = 1; i < 3; i++)
		check(evkv_lane_submit(lane, &jobs[i]));
	rig_turn(&rig);
	check(evkv_job_withdraw(&jobs[1]));
	sem_post(&stuck.gate);
	sem_wait(&stuck.entered); /* with the last one; the other is skipped */
	evkv_lane_abandon(lane, stuck_released, &stuck);
	check_int(stuck.back, 3);
	evkv_executor_unref(executor);
	rig_close(&rig);
	sem_post(&stuck.gate);
	sem_wait(&stuck.released);
	files_await_workers(0);
}
