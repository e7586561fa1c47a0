/*
 * A process beside a test, on the same store.
 *
 *     writer <url> put <first>   put numbered entries until it is killed, and
 *                                report each acknowledgement on the standard
 *                                output as four bytes
 *     writer <url> incr <n>      add 1 to "counter" n times
 *     writer <url> take <n>      take "n0" ... and report those that it got
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evkv/evkv.h"
#ifdef HAVE_FILETREE
#include "evkv/stores/filetree.h"
#endif
#ifdef HAVE_JSONFILE
#include "evkv/stores/jsonfile.h"
#endif
#include "writer.h"

#define OUTSTANDING 16

static struct evkv_store *store;
static const char *mode;
static uint32_t next_number, end_number;

static void next(void);

static void report(uint32_t n)
{
	if (write(STDOUT_FILENO, &n, sizeof(n)) != sizeof(n))
		exit(EXIT_FAILURE);
}

static void on_done(const struct evkv_result *result, void *arg)
{
	if (result->status == EVKV_OK && mode[0] != 'i')
		report((uint32_t)(uintptr_t)arg);
	if (result->status != EVKV_OK && result->status != EVKV_NOT_FOUND) {
		fprintf(stderr, "writer: %s: %s\n",
		    evkv_status_name(result->status), result->message);
		exit(EXIT_FAILURE);
	}
	next();
}

static void next(void)
{
	static char key[WRITER_KEY_MAX], value[WRITER_VALUE_MAX];
	uint32_t n = next_number++;
	void *arg = (void *)(uintptr_t)n;
	struct evkv_slice collection = EVKV_LIT(WRITER_COLLECTION);

	if (n >= end_number)
		return;
	writer_key(n, key);
	writer_value(n, value);
	if (mode[0] == 'p')
		evkv_put(store, collection, evkv_str(key), evkv_str(value),
		    n % 3 == 0 ? WRITER_TTL_MS : 0, on_done, arg);
	else if (mode[0] == 't')
		evkv_take(store, collection, evkv_str(key), on_done, arg);
	else
		evkv_incr(store, collection, EVKV_LIT("counter"), 1, on_done,
		    arg);
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_error error = EVKV_ERROR_INIT;
	uint32_t number;
	int i;

	if (argc != 4)
		return EXIT_FAILURE;
#ifdef HAVE_FILETREE
	evkv_filetree_register(loop);
#endif
#ifdef HAVE_JSONFILE
	evkv_jsonfile_register(loop);
#endif
	store = evkv_open(loop, argv[1], &error);
	if (store == NULL) {
		fprintf(stderr, "writer: %s\n", error.message);
		return EXIT_FAILURE;
	}
	mode = argv[2];
	number = (uint32_t)strtoul(argv[3], NULL, 10);
	next_number = mode[0] == 'p' ? number : 0;
	end_number = mode[0] == 'p' ? UINT32_MAX : number;
	for (i = 0; i < OUTSTANDING; i++)
		next();
	event_base_dispatch(base);
	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	return EXIT_SUCCESS;
}
