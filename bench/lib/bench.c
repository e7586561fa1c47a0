/* bench/lib/bench.c - compare programs, interleaved in one run. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- Measuring ----------------------------------------------------- */

int64_t bench_wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t timeval_ns(struct timeval time)
{
	return (int64_t)time.tv_sec * 1000000000 + time.tv_usec * 1000;
}

int64_t bench_cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
}

size_t bench_rss(void)
{
	unsigned long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(file);
	return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void settle(const struct bench_row *row)
{
	if (row->settle != NULL)
		row->settle(row->arg);
}

static void measure_one(struct bench_row *row, size_t ops)
{
	int64_t wall = bench_wall_ns(), cpu = bench_cpu_ns();

	row->run(row->arg, ops);
	row->cpu_ns[row->repetitions] = (double)(bench_cpu_ns() - cpu) /
	    (double)ops;
	row->wall_ns[row->repetitions] = (double)(bench_wall_ns() - wall) /
	    (double)ops;
	row->repetitions++;
	settle(row);
}

void bench_measure(struct bench_row *rows, size_t count, size_t ops,
    unsigned repetitions)
{
	unsigned repetition;
	size_t i;

	if (repetitions > BENCH_REPETITIONS_MAX)
		repetitions = BENCH_REPETITIONS_MAX;
	for (i = 0; i < count; i++) {
		rows[i].run(rows[i].arg, ops / 10 + 1);
		settle(&rows[i]);
	}
	for (repetition = 0; repetition < repetitions; repetition++) {
		for (i = 0; i < count; i++)
			measure_one(&rows[i], ops);
	}
}

/* ---- Printing ------------------------------------------------------ */

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct bench_spread bench_spread(double *samples, size_t n)
{
	struct bench_spread spread;

	qsort(samples, n, sizeof(*samples), compare_doubles);
	spread.median = n % 2 == 1 ? samples[n / 2]
				   : (samples[n / 2 - 1] + samples[n / 2]) / 2;
	spread.min = samples[0];
	spread.max = samples[n - 1];
	return spread;
}

static void print_cell(const double *values, const double *base, unsigned n,
    const char *format)
{
	double samples[BENCH_REPETITIONS_MAX];
	struct bench_spread spread;
	char cell[64];
	unsigned i;

	for (i = 0; i < n; i++)
		samples[i] = base != NULL ? values[i] / base[i] : values[i];
	spread = bench_spread(samples, n);
	snprintf(cell, sizeof(cell), format, spread.median, spread.min,
	    spread.max);
	printf(" %-22s", cell);
}

void bench_print(const char *title, const struct bench_row *rows, size_t count)
{
	double ratios[BENCH_REPETITIONS_MAX];
	struct bench_spread spread;
	unsigned n, r;
	size_t i;

	printf("\n%-34s %-22s %-22s %-22s\n", title, "wall ns/op", "CPU ns/op",
	    "CPU / first row");
	for (i = 0; i < count; i++) {
		n = rows[i].repetitions;
		printf("%-34s", rows[i].name);
		print_cell(rows[i].wall_ns, NULL, n, "%.1f [%.1f-%.1f]");
		print_cell(rows[i].cpu_ns, NULL, n, "%.1f [%.1f-%.1f]");
		print_cell(rows[i].cpu_ns, rows[0].cpu_ns, n,
		    "%.2f [%.2f-%.2f]");
		if (rows[i].promised > 0) {
			for (r = 0; r < n; r++)
				ratios[r] = rows[i].cpu_ns[r] /
				    rows[0].cpu_ns[r];
			spread = bench_spread(ratios, n);
			printf(" promised %.2f: %s", rows[i].promised,
			    spread.median <= rows[i].promised ? "kept"
							      : "MISSED");
		}
		putchar('\n');
	}
	fflush(stdout);
}

void bench_print_throughput(const struct bench_row *row,
    const struct bench_row *base, double wanted)
{
	double ratios[BENCH_REPETITIONS_MAX];
	struct bench_spread spread;
	unsigned i, n = row->repetitions;

	for (i = 0; i < n; i++)
		ratios[i] = base->wall_ns[i] / row->wall_ns[i];
	spread = bench_spread(ratios, n);
	printf("  throughput, %s / %s: %.2f [%.2f-%.2f]", row->name, base->name,
	    spread.median, spread.min, spread.max);
	if (wanted > 0)
		printf(", at least %.2f: %s", wanted,
		    spread.median >= wanted ? "kept" : "NOT kept");
	printf("\n");
	fflush(stdout);
}

/* ---- The machine --------------------------------------------------- */

/* Dependent loads over `size` bytes in random order, ns each. */
static double chase_ns(size_t size)
{
	size_t count = size / 64, i, j, at = 0, steps = 2000000;
	uint64_t state = 1;
	size_t *order = bench_malloc(count * sizeof(*order)), swap;
	char *memory = bench_malloc(count * 64);
	int64_t begin;

	for (i = 0; i < count; i++)
		order[i] = i;
	for (i = count - 1; i > 0; i--) {
		j = bench_random(&state) % i;
		swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
	for (i = 0; i < count; i++)
		memcpy(memory + order[i] * 64, &order[(i + 1) % count],
		    sizeof(size_t));
	begin = bench_wall_ns();
	for (i = 0; i < steps; i++)
		memcpy(&at, memory + at * 64, sizeof(at));
	bench_use(&at);
	free(order);
	free(memory);
	return (double)(bench_wall_ns() - begin) / (double)steps;
}

static double malloc_ns(void)
{
	int64_t begin = bench_wall_ns();
	void *memory;
	int i;

	for (i = 0; i < 1000000; i++) {
		memory = malloc(168);
		bench_use(memory);
		free(memory);
	}
	return (double)(bench_wall_ns() - begin) / 1000000;
}

static double clock_ns(void)
{
	int64_t begin = bench_wall_ns();
	int i;

	for (i = 0; i < 1000000; i++)
		bench_wall_ns();
	return (double)(bench_wall_ns() - begin) / 1000000;
}

static double syscall_ns(void)
{
	int64_t begin = bench_wall_ns();
	int i;

	for (i = 0; i < 300000; i++)
		getppid();
	return (double)(bench_wall_ns() - begin) / 300000;
}

/*
 * In a process of its own: freeing large blocks would change the thresholds of
 * glibc's malloc, and so what is measured afterwards.
 */
unsigned bench_number(int argc, char **argv, int index, unsigned otherwise)
{
	unsigned long number;
	char *end;

	if (argc <= index)
		return otherwise;
	number = strtoul(argv[index], &end, 10);
	if (*end == '\0' && number > 0 && number <= INT32_MAX &&
	    argv[index][0] != '-')
		return (unsigned)number;
	fprintf(stderr,
	    "%s: argument %d: expected a positive number, not "
	    "\"%s\"\n",
	    argv[0], index, argv[index]);
	exit(2);
}

void bench_machine(void)
{
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child > 0)
		waitpid(child, NULL, 0);
	if (child != 0)
		return;
	printf("machine: %ld processors; ns: dependent load in 1 MB %.1f, "
	       "32 MB %.0f, 256 MB %.0f; clock %.1f; malloc+free %.1f; "
	       "system call %.0f\n",
	    sysconf(_SC_NPROCESSORS_ONLN), chase_ns((size_t)1 << 20),
	    chase_ns((size_t)32 << 20), chase_ns((size_t)256 << 20), clock_ns(),
	    malloc_ns(), syscall_ns());
	fflush(stdout);
	_exit(0);
}

/* ---- Numbers ------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood 2014). */
uint64_t bench_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void bench_uniform(uint32_t *numbers, size_t count, uint32_t below)
{
	uint64_t state = 42;
	size_t i;

	for (i = 0; i < count; i++)
		numbers[i] = (uint32_t)(bench_random(&state) % below);
}

/*
 * By bisection of the cumulated weights. Ranks are scattered by a step that is
 * prime to the range.
 */
void bench_zipf(uint32_t *numbers, size_t count, uint32_t below)
{
	double *sums = bench_malloc(below * sizeof(*sums)), sum = 0, at;
	uint64_t state = 43;
	uint32_t rank, low, high;
	size_t i;

	for (rank = 0; rank < below; rank++) {
		sum += pow(rank + 1, -0.99);
		sums[rank] = sum;
	}
	for (i = 0; i < count; i++) {
		at = (double)(bench_random(&state) >> 11) / 9007199254740992.0 *
		    sum;
		for (low = 0, high = below - 1; low < high;) {
			rank = low + (high - low) / 2;
			if (sums[rank] < at)
				low = rank + 1;
			else
				high = rank;
		}
		numbers[i] = (uint32_t)(low * UINT64_C(2654435761) % below);
	}
	free(sums);
}

void *bench_malloc(size_t size)
{
	void *memory = malloc(size);

	bench_check(memory != NULL);
	return memory;
}

void bench_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	exit(1);
}
