/*
 * bench/lib/bench.h - compare programs, interleaved in one run.
 *
 *     static void raw_get(void *arg, size_t ops);
 *     static void evkv_side(void *arg, size_t ops);
 *
 *     struct bench_row rows[] = {
 *         { .name = "raw", .run = raw_get, .arg = &raw },
 *         { .name = "evkv", .run = evkv_side, .arg = &side },
 *     };
 *     bench_measure(rows, 2, 1000000, 7);
 *     bench_print("get", rows, 2);
 *
 * Each repetition runs every row once, so that what disturbs the machine
 * disturbs all alike. What counts is the ratio to the first row, taken within
 * each repetition; figures of rows that were not interleaved are not
 * comparable. Cells are median [min-max].
 */
#ifndef BENCH_LIB_BENCH_H
#define BENCH_LIB_BENCH_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_REPETITIONS_MAX 64

struct bench_row {
	const char *name;
	/* Do about `ops` operations. */
	void (*run)(void *arg, size_t ops);
	void *arg;
	/*
	 * Wait, unmeasured, until threads of its own have done what it has left
	 * to them, which would be counted to the next row; NULL: there are none.
	 */
	void (*settle)(void *arg);
	/*
	 * What the row must keep to, as a ratio to the first row's CPU time; 0
	 * = nothing was promised.
	 */
	double promised;
	/* Filled in by bench_measure(), per operation and repetition. */
	double wall_ns[BENCH_REPETITIONS_MAX];
	double cpu_ns[BENCH_REPETITIONS_MAX];
	unsigned repetitions;
};

/*
 * Run each row once with a tenth of the operations, then `repetitions` times.
 * CPU time is that of the whole process (getrusage), so of all its threads.
 */
void bench_measure(struct bench_row *rows, size_t count, size_t ops,
    unsigned repetitions);

/*
 * The positive number that argument `index` of a program gives, or `otherwise`
 * where it gives none. Anything else ends the program with a word on it.
 */
unsigned bench_number(int argc, char **argv, int index, unsigned otherwise);

/* A table of wall and CPU time per operation and of the ratios. */
void bench_print(const char *title, const struct bench_row *rows, size_t count);

/*
 * How many times as much one row gets done as another, and whether that is
 * what was wanted; 0 = nothing was.
 */
void bench_print_throughput(const struct bench_row *row,
    const struct bench_row *base, double wanted);

/* Of n samples; they are sorted. */
struct bench_spread {
	double median, min, max;
};
struct bench_spread bench_spread(double *samples, size_t n);

/* Wall time, monotonic, and CPU time of the process, in nanoseconds. */
int64_t bench_wall_ns(void);
int64_t bench_cpu_ns(void);

/* Resident memory of the process, in bytes. */
size_t bench_rss(void);

/* Print what this machine's basic costs are; figures need them beside. */
void bench_machine(void);

/* Pseudo-random numbers, the same in every run. */
uint64_t bench_random(uint64_t *state);

/*
 * Fill `numbers` with `count` numbers below `below`: all equally likely, or
 * with probabilities as 1/rank^0.99 (Zipf), ranks scattered over the range.
 */
void bench_uniform(uint32_t *numbers, size_t count, uint32_t below);
void bench_zipf(uint32_t *numbers, size_t count, uint32_t below);

/* Keep the compiler from dropping a result. */
static inline void bench_use(const void *pointer)
{
	__asm__ volatile("" : : "r"(pointer) : "memory");
}

/* malloc(), or the end of the program. */
void *bench_malloc(size_t size);

/* Where the condition does not hold, say so and end the program. */
#define bench_check(condition_)                                                \
	do {                                                                   \
		if (!(condition_))                                             \
			bench_fail(__FILE__, __LINE__, #condition_);           \
	} while (0)
void bench_fail(const char *file, int line, const char *what)
    __attribute__((noreturn));

#endif
