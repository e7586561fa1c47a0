/*
 * tests/adapters/crowd_test.c - many threads and many loops on one store, each
 * with keys of its own, of which it knows what must be there, and one counter
 * for all.
 *
 * EVKV_CROWD_CALLS is how many calls each makes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evkv/adapters/bridge.h"
#include "evkv/adapters/sync.h"
#include "evkv/evkv.h"
#include "far.h"
#include "test.h"
#ifdef CROWD_HAS_DISK
#include "evkv/stores/disk.h"
#include "lib/folder.h"
#endif
#ifdef CROWD_HAS_REDIS
#include "evkv/stores/redis.h"
#include "lib/server_shared.h"
#endif

#define CALLS 500
#define THREADS 8
#define LOOPS 4
#define KEYS 24
#define OUTSTANDING 64

static unsigned crowd_calls(void)
{
	const char *text = getenv("EVKV_CROWD_CALLS");

	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : CALLS;
}

/* ---- What must be there --------------------------------------------------- */

enum sort { GET, PUT, ADD, UPDATE, DELETE, TAKE, INCR, EXISTS, SORTS };

struct shadow {
	char collection[16];
	uint64_t random;
	bool there[KEYS];
	int64_t number[KEYS]; /* the value, as text */
};

/* One call, and what it must answer. */
struct step {
	enum sort sort;
	char key[8], value[24];
	enum evkv_status status;
	int64_t number; /* that is answered: of GET, TAKE, INCR */
};

static void shadow_open(struct shadow *shadow, unsigned who)
{
	memset(shadow, 0, sizeof(*shadow));
	snprintf(shadow->collection, sizeof(shadow->collection), "own %u", who);
	shadow->random = who + 1;
}

static unsigned draw(struct shadow *shadow, unsigned below)
{
	shadow->random ^= shadow->random << 13;
	shadow->random ^= shadow->random >> 7;
	shadow->random ^= shadow->random << 17;
	return (unsigned)(shadow->random >> 33) % below;
}

static enum evkv_status status_of(enum sort sort, bool there)
{
	if (sort == ADD)
		return there ? EVKV_EXISTS : EVKV_OK;
	if (sort == PUT || sort == INCR)
		return EVKV_OK;
	return there ? EVKV_OK : EVKV_NOT_FOUND;
}

/* As the operations on one key have their order, all is known beforehand. */
static struct step step_draw(struct shadow *shadow)
{
	unsigned k = draw(shadow, KEYS);
	struct step step = { .sort = (enum sort)draw(shadow, SORTS) };
	int64_t drawn = draw(shadow, 1000);
	bool there = shadow->there[k];

	snprintf(step.key, sizeof(step.key), "k%u", k);
	snprintf(step.value, sizeof(step.value), "%lld", (long long)drawn);
	step.status = status_of(step.sort, there);
	step.number = there ? shadow->number[k] : 0;
	if (step.status != EVKV_OK)
		return step;
	if (step.sort == PUT || step.sort == ADD || step.sort == UPDATE)
		shadow->number[k] = drawn;
	else if (step.sort == INCR)
		step.number = shadow->number[k] = step.number + 1;
	if (step.sort == DELETE || step.sort == TAKE)
		shadow->there[k] = false;
	else if (step.sort != GET && step.sort != EXISTS)
		shadow->there[k] = true;
	return step;
}

static bool same_number(struct evkv_slice bytes, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)number);
	return evkv_slice_equal(bytes, evkv_str(text));
}

/* Whether a value was answered that is not the right one. */
static bool is_wrong(const struct step *step, enum evkv_status status,
    struct evkv_slice bytes, int64_t number)
{
	if (status != step->status)
		return true;
	if (status == EVKV_OK && (step->sort == GET || step->sort == TAKE))
		return !same_number(bytes, step->number);
	return step->sort == INCR && number != step->number;
}

/* ---- Threads, by blocking calls ------------------------------------------- */

struct caller {
	pthread_t thread;
	struct evkv_sync *db;
	struct shadow shadow;
	unsigned wrong;
};

static void call_once(struct caller *caller)
{
	struct step step = step_draw(&caller->shadow);
	struct evkv_slice c = evkv_str(caller->shadow.collection);
	struct evkv_slice k = evkv_str(step.key), v = evkv_str(step.value);
	struct evkv_sync *db = caller->db;
	struct evkv_value *value = NULL;
	enum evkv_status status = EVKV_OK;
	int64_t number = 0;

	switch (step.sort) {
	case GET: status = evkv_sync_get(db, c, k, &value); break;
	case PUT: status = evkv_sync_put(db, c, k, v, 0); break;
	case ADD: status = evkv_sync_add(db, c, k, v, 0); break;
	case UPDATE: status = evkv_sync_update(db, c, k, v, 0); break;
	case DELETE: status = evkv_sync_delete(db, c, k); break;
	case TAKE: status = evkv_sync_take(db, c, k, &value); break;
	case INCR: status = evkv_sync_incr(db, c, k, 1, &number); break;
	default: status = evkv_sync_exists(db, c, k); break;
	}
	caller->wrong += is_wrong(&step, status, evkv_value_bytes(value),
	    number);
	evkv_value_unref(value);
}

static void *caller_run(void *arg)
{
	unsigned calls = crowd_calls(), i;
	struct caller *caller = arg;
	int64_t number;

	for (i = 0; i < calls; i++) {
		call_once(caller);
		if (i % 16 == 0)
			caller->wrong += evkv_sync_incr(caller->db,
					     EVKV_LIT("all"), EVKV_LIT("n"), 1,
					     &number) != EVKV_OK;
	}
	return NULL;
}

static void crowd_by_threads(struct evkv_sync *db)
{
	struct caller *callers = calloc(THREADS, sizeof(*callers));
	int64_t number = 0;
	unsigned i;

	check(callers != NULL);
	for (i = 0; i < THREADS; i++) {
		callers[i].db = db;
		shadow_open(&callers[i].shadow, i);
		check(pthread_create(&callers[i].thread, NULL, caller_run,
			  &callers[i]) == 0);
	}
	for (i = 0; i < THREADS; i++) {
		check(pthread_join(callers[i].thread, NULL) == 0);
		check_int(callers[i].wrong, 0);
	}
	check_status(evkv_sync_incr(db, EVKV_LIT("all"), EVKV_LIT("n"), 0,
			 &number),
	    EVKV_OK);
	check_int(number, THREADS * ((crowd_calls() + 15) / 16));
	check_status(evkv_sync_close(db, -1), EVKV_OK);
	free(callers);
}

EVKV_TEST(adapters_crowd, threads_on_memory)
{
	crowd_by_threads(evkv_sync_open("memory:", NULL, NULL));
}

#ifdef CROWD_HAS_DISK
static struct evkv_store *disk_open(struct evkv_loop *loop, const char *url,
    void *arg, struct evkv_error *error)
{
	(void)arg;
	return evkv_disk_register(loop) ? evkv_open(loop, url, error) : NULL;
}

EVKV_TEST(adapters_crowd, threads_on_disk)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	char folder[128], url[192];
	struct evkv_sync *db;

	folder_make(folder, sizeof(folder));
	snprintf(url, sizeof(url), "disk:%s/d?durability=os", folder);
	db = evkv_sync_open(url,
	    &(struct evkv_sync_options){ .open = disk_open }, &error);
	if (db == NULL)
		fail_test("%s", error.message);
	crowd_by_threads(db);
	folder_remove(folder);
}
#endif

#ifdef CROWD_HAS_REDIS
SERVER_SHARED(SERVER_REDIS)

static struct evkv_store *redis_open(struct evkv_loop *loop, const char *url,
    void *arg, struct evkv_error *error)
{
	(void)url;
	return evkv_redis_new(loop, arg, error);
}

static struct evkv_redis_options redis_options(void)
{
	struct server *server = server_shared(SERVER_REDIS);

	return (struct evkv_redis_options){
		.path = server->socket_path,
		.password = SERVER_SHARED_PASSWORD,
		.db = server_shared_db(server),
		.connections = 2,
	};
}

EVKV_TEST(adapters_crowd, threads_on_redis)
{
	struct evkv_redis_options options = redis_options();

	crowd_by_threads(evkv_sync_open("",
	    &(struct evkv_sync_options){ .open = redis_open, .arg = &options },
	    NULL));
}
#endif

/* ---- Loops, by a bridge ---------------------------------------------------- */

struct user {
	struct far far;
	struct evkv_store *store, *there;
	struct shadow shadow;
	unsigned submitted, called, wrong, calls;
};

struct asked {
	struct user *user;
	struct step step;
};

static void user_ask(struct user *user);

static void on_answer(const struct evkv_result *result, void *arg)
{
	const struct evkv_entry *entry = evkv_result_entry(result, 0);
	struct asked *asked = arg;
	struct user *user = asked->user;

	user->called++;
	user->wrong += is_wrong(&asked->step, result->status, entry->bytes,
	    entry->number);
	free(asked);
	if (user->called == user->calls)
		event_base_loopbreak(user->far.base);
	else
		user_ask(user);
}

static void ask_once(struct user *user)
{
	static const enum evkv_kind kinds[SORTS] = {
		[GET] = EVKV_OP_GET,
		[PUT] = EVKV_OP_PUT,
		[ADD] = EVKV_OP_PUT,
		[UPDATE] = EVKV_OP_PUT,
		[DELETE] = EVKV_OP_DELETE,
		[TAKE] = EVKV_OP_TAKE,
		[INCR] = EVKV_OP_INCR,
		[EXISTS] = EVKV_OP_EXISTS,
	};
	struct asked *asked = malloc(sizeof(*asked));
	struct evkv_slice key, value;
	struct evkv_request request = {
		.flags = EVKV_FLAG_SINGLE,
		.collection = evkv_str(user->shadow.collection),
		.count = 1,
		.keys = &key,
	};

	asked->user = user;
	asked->step = step_draw(&user->shadow);
	key = evkv_str(asked->step.key);
	value = evkv_str(asked->step.value);
	request.kind = kinds[asked->step.sort];
	if (request.kind == EVKV_OP_PUT)
		request.values = &value;
	if (asked->step.sort == ADD)
		request.condition = EVKV_IF_ABSENT;
	else if (asked->step.sort == UPDATE)
		request.condition = EVKV_IF_PRESENT;
	else if (asked->step.sort == INCR)
		request.delta = 1;
	user->submitted++;
	evkv_submit(user->store, &request, on_answer, asked);
}

static void user_ask(struct user *user)
{
	while (user->submitted < user->calls &&
	    user->submitted - user->called < OUTSTANDING)
		ask_once(user);
}

static void *user_run(void *arg)
{
	struct user *user = arg;

	user->store = evkv_bridge_new(user->far.loop, user->there, NULL);
	user_ask(user);
	event_base_loop(user->far.base, EVLOOP_NO_EXIT_ON_EMPTY);
	evkv_store_unref(user->store);
	evkv_loop_free(user->far.loop);
	event_base_free(user->far.base);
	return NULL;
}

static void crowd_by_loops(struct far *far, struct evkv_store *store)
{
	struct user *users = calloc(LOOPS, sizeof(*users));
	unsigned i;

	check(users != NULL && store != NULL);
	for (i = 0; i < LOOPS; i++) {
		far_open(&users[i].far);
		users[i].there = evkv_store_ref(store);
		users[i].calls = crowd_calls();
		shadow_open(&users[i].shadow, i);
	}
	far_start(far);
	for (i = 0; i < LOOPS; i++)
		check(pthread_create(&users[i].far.thread, NULL, user_run,
			  &users[i]) == 0);
	for (i = 0; i < LOOPS; i++) {
		check(pthread_join(users[i].far.thread, NULL) == 0);
		check_int(users[i].called, users[i].calls);
		check_int(users[i].wrong, 0);
	}
	far_stop(far);
	far_close(far);
	evkv_store_unref(store);
	free(users);
}

EVKV_TEST(adapters_crowd, loops_on_memory)
{
	struct far far;

	far_open(&far);
	crowd_by_loops(&far, evkv_memory_new(far.loop, NULL, NULL));
}

#ifdef CROWD_HAS_REDIS
/* What a bridge is for: one set of connections, one cache. */
EVKV_TEST(adapters_crowd, loops_on_a_cached_redis)
{
	struct evkv_redis_options options = redis_options();
	struct evkv_store *store;
	struct far far;

	far_open(&far);
	store = evkv_passthrough_cache_new(evkv_redis_new(far.loop, &options,
					       NULL),
	    evkv_memory_new(far.loop, NULL, NULL), NULL, NULL);
	crowd_by_loops(&far, store);
}
#endif
