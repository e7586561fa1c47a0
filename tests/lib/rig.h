/*
 * tests/lib/rig.h - a loop to test on.
 *
 *     struct rig rig;
 *
 *     rig_open(&rig);
 *     ... stores on rig.loop, operations ...
 *     rig_advance(&rig, 1500);
 *     rig_wait(&rig, &answer.calls);
 *     rig_close(&rig);
 *
 * The clock of rig_open() stands still until rig_advance() moves it. Inputs are
 * scrambled when a submitting call returns. Nothing here sleeps: waiting is
 * turning the loop, bounded, and a bound that is reached fails the test.
 */
#ifndef TESTS_LIB_RIG_H
#define TESTS_LIB_RIG_H

#include <event2/event.h>

#include "answer.h"
#include "evkv/evkv.h"

struct rig {
	struct event_base *base;
	struct evkv_loop *loop;
	bool real;       /* on the system's clock */
	int64_t now_us;  /* the injected monotonic time */
	int64_t wall_us; /* the injected wall-clock time */
	unsigned turns;  /* calls that have turned the loop so far */
	struct event *tick;
	unsigned ticks;
};

/*
 * A loop with an injected clock, or with the system's; fails the test or works.
 */
void rig_open(struct rig *rig);
void rig_open_real(struct rig *rig);
/*
 * As these, but false where evkv_loop_new_with() fails, which it may only for
 * want of memory. rig_close() is due either way.
 */
bool rig_try_open(struct rig *rig, bool real);

/* Free the loop, with all that is pending on it, then the base. */
void rig_close(struct rig *rig);

/*
 * Let time pass. On an injected clock: at once, then the timers that are due
 * run (their callbacks may need a turn more). On the system's clock: by turning
 * the loop until it has passed.
 */
void rig_advance(struct rig *rig, int64_t ms);

/*
 * Turn the loop without waiting, until nothing is ready: as many turns as that
 * takes, so what is said of "a later turn" holds after it, but not of "the next
 * turn", and with something that is ready again and again it does not return.
 */
void rig_turn(struct rig *rig);
/* A single turn, one look at what is ready: for counting them. */
void rig_single_turn(struct rig *rig);
/* One turn that waits up to 10 ms for something to happen. */
void rig_turn_waiting(struct rig *rig);
/* Turn until nothing is outstanding, 1000 turns at most. */
void rig_settle(struct rig *rig);

/*
 * Turn until the flag, a number of any width, is not zero. The test fails after
 * 20 seconds.
 */
#define rig_wait(rig_, flag_)                                                  \
	rig_wait_flag((rig_), (flag_), sizeof(*(flag_)), __FILE__, __LINE__)
void rig_wait_flag(struct rig *rig, const void *flag, size_t size,
    const char *file, int line);

/* Turn until the condition holds, likewise. */
#define rig_until(rig_, condition_)                                            \
	do {                                                                   \
		int64_t rig_end_ = rig_deadline();                             \
		while (!(condition_))                                          \
			rig_turn_until((rig_), rig_end_, __FILE__, __LINE__,   \
			    #condition_);                                      \
	} while (0)
int64_t rig_deadline(void);
void rig_turn_until(struct rig *rig, int64_t deadline, const char *file,
    int line, const char *what);

/* A store of this URL is described so; it is opened and let go of. */
void rig_check_described(struct rig *rig, const char *url,
    const char *expected);

#endif
