/*
 * tests/loop/post_test.c - work posted from other threads, and values shared
 * between them. ThreadSanitizer watches.
 */
#include <pthread.h>

#include "evkv/driver.h"
#include "faults.h"
#include "rig.h"
#include "test.h"

#define POST_THREADS 4
#define POST_EACH 2000

struct post_sender {
	struct evkv_loop *loop;
	pthread_t loop_thread;
	unsigned next; /* expected by the loop */
	unsigned out_of_order, elsewhere, lost;
	unsigned *done;
	struct post_item {
		struct post_sender *sender;
		unsigned number;
	} items[POST_EACH];
};

static void post_on_item(void *arg)
{
	struct post_item *item = arg;
	struct post_sender *sender = item->sender;

	if (!pthread_equal(pthread_self(), sender->loop_thread))
		sender->elsewhere++;
	if (item->number != sender->next++)
		sender->out_of_order++;
	(*sender->done)++;
}

static void *post_send(void *arg)
{
	struct post_sender *sender = arg;
	unsigned i;

	for (i = 0; i < POST_EACH; i++) {
		sender->items[i].sender = sender;
		sender->items[i].number = i;
		if (!evkv_loop_post(sender->loop, post_on_item,
			&sender->items[i]))
			sender->lost++;
	}
	return NULL;
}

static struct post_sender post_senders[POST_THREADS];

EVKV_TEST(core_post, posts_from_threads_run_on_the_loop_in_order)
{
	pthread_t threads[POST_THREADS];
	unsigned done = 0, i;
	struct rig rig;

	rig_open_real(&rig);
	for (i = 0; i < POST_THREADS; i++) {
		post_senders[i] = (struct post_sender){ .loop = rig.loop,
			.loop_thread = pthread_self(),
			.done = &done };
		check_int(pthread_create(&threads[i], NULL, post_send,
			      &post_senders[i]),
		    0);
	}
	rig_until(&rig, done == POST_THREADS * POST_EACH);
	for (i = 0; i < POST_THREADS; i++) {
		check_int(pthread_join(threads[i], NULL), 0);
		check_int(post_senders[i].out_of_order, 0);
		check_int(post_senders[i].elsewhere, 0);
		check_int(post_senders[i].lost, 0);
	}
	rig_close(&rig);
}

struct post_count {
	struct evkv_loop *loop;
	unsigned runs;
};

static void post_on_count(void *arg)
{
	((struct post_count *)arg)->runs++;
}

static void post_on_again(void *arg)
{
	struct post_count *count = arg;

	if (++count->runs < 3)
		check(evkv_loop_post(count->loop, post_on_again, count));
}

EVKV_TEST(core_post, never_inside_the_call)
{
	struct post_count count = { NULL, 0 };
	struct rig rig;

	rig_open(&rig);
	/* A post alone does not keep the loop going. */
	evkv_loop_hold(rig.loop);
	check(evkv_loop_post(rig.loop, post_on_count, &count));
	check_int(count.runs, 0);
	rig_turn(&rig);
	check_int(count.runs, 1);
	rig_turn(&rig);
	check_int(count.runs, 1);
	evkv_loop_release(rig.loop);
	rig_close(&rig);
}

EVKV_TEST(core_post, what_is_posted_runs_when_the_loop_is_freed)
{
	struct post_count count = { NULL, 0 }, again = { NULL, 0 };
	struct rig rig;

	rig_open(&rig);
	again.loop = rig.loop;
	check(evkv_loop_post(rig.loop, post_on_count, &count));
	check(evkv_loop_post(rig.loop, post_on_again, &again));
	rig_close(&rig);
	check_int(count.runs, 1);
	check_int(again.runs, 3);
}

EVKV_TEST(core_post, without_memory_it_says_so)
{
	struct post_count count = { NULL, 0 };
	struct rig rig;

	rig_open(&rig);
	evkv_loop_hold(rig.loop);
	faults_fail_nth(1);
	check(!evkv_loop_post(rig.loop, post_on_count, &count));
	check(evkv_loop_post(rig.loop, post_on_count, &count));
	rig_turn(&rig);
	check_int(count.runs, 1);
	evkv_loop_release(rig.loop);
	rig_close(&rig);
}

static void *post_share(void *arg)
{
	struct evkv_value *value = arg;
	unsigned i;

	for (i = 0; i < 10000; i++)
		evkv_value_unref(evkv_value_ref(value));
	/* The reference that came with the thread. */
	evkv_value_unref(value);
	return NULL;
}

static void post_keep(struct answer *answer, const struct evkv_result *result,
    void *arg)
{
	(void)answer;
	*(struct evkv_value **)
	    arg = evkv_value_ref(evkv_result_entry(result, 0)->value);
}

EVKV_TEST(core_post, values_of_a_store_are_shared_between_threads)
{
	struct evkv_value *value = NULL;
	struct answer a = { .then = post_keep, .arg = &value };
	struct answer put = ANSWER_INIT;
	pthread_t threads[POST_THREADS];
	struct evkv_store *store;
	struct rig rig;
	unsigned i;

	rig_open(&rig);
	store = evkv_memory_new(rig.loop, NULL, NULL);
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("shared"), 0,
	    answer_cb, &put);
	evkv_get(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &a);
	rig_wait(&rig, &a.calls);
	check(value != NULL);
	for (i = 0; i < POST_THREADS; i++)
		check_int(pthread_create(&threads[i], NULL, post_share,
			      evkv_value_ref(value)),
		    0);
	/* Meanwhile the store gives its entry up. */
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("new"), 0,
	    answer_cb, &put);
	rig_settle(&rig);
	check_slice(evkv_value_bytes(value), "shared");
	evkv_value_unref(value);
	for (i = 0; i < POST_THREADS; i++)
		check_int(pthread_join(threads[i], NULL), 0);
	answer_free(&a);
	answer_free(&put);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* Many loops in a process, each on a thread of its own. */
static void *post_own_loop(void *arg)
{
	struct answer a = ANSWER_INIT;
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_store *store = evkv_memory_new(loop, NULL, NULL);
	unsigned i;

	for (i = 0; i < 100; i++) {
		evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
		    answer_cb, &a);
		(void)event_base_dispatch(base);
	}
	*(int *)arg = a.calls;
	answer_free(&a);
	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	return NULL;
}

EVKV_TEST(core_post, loops_on_several_threads)
{
	pthread_t threads[POST_THREADS];
	int calls[POST_THREADS] = { 0 };
	unsigned i;

	for (i = 0; i < POST_THREADS; i++)
		check_int(pthread_create(&threads[i], NULL, post_own_loop,
			      &calls[i]),
		    0);
	for (i = 0; i < POST_THREADS; i++) {
		check_int(pthread_join(threads[i], NULL), 0);
		check_int(calls[i], 100);
	}
}

/* A loop made here and dispatched there, where an event of its own is first. */
struct post_server {
	struct event_base *base;
	struct evkv_store *store;
	struct answer answer;
};

static void post_on_request(evutil_socket_t fd, short what, void *arg)
{
	struct post_server *server = arg;

	(void)fd;
	(void)what;
	evkv_get(server->store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
	    &server->answer);
}

static void *post_serve(void *arg)
{
	struct post_server *server = arg;
	const struct timeval soon = { 0, 1000 };

	if (event_base_once(server->base, -1, EV_TIMEOUT, post_on_request,
		server, &soon) == 0)
		(void)event_base_dispatch(server->base);
	return NULL;
}

EVKV_TEST(core_post, a_loop_made_before_its_thread)
{
	struct post_server server = { .answer = ANSWER_INIT };
	struct evkv_loop *loop;
	pthread_t thread;

	server.base = event_base_new();
	loop = evkv_loop_new(server.base);
	server.store = evkv_memory_new(loop, NULL, NULL);
	check_int(pthread_create(&thread, NULL, post_serve, &server), 0);
	check_int(pthread_join(thread, NULL), 0);
	check_int(server.answer.calls, 1);
	check_status(server.answer.status, EVKV_NOT_FOUND);
	/* That thread has ended: freeing the loop is what is left, here. */
	evkv_loop_free(loop);
	evkv_store_unref(server.store);
	event_base_free(server.base);
	answer_free(&server.answer);
}
