/*
 * prefix_keys: the kinds that are forwarded, making one, stacks. What it has in
 * common with every store is in the conformance suite.
 */
#include "faults.h"
#include "prefix_keys_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct evkv_request keys_like(const char *prefix, const char *pattern)
{
	return (struct evkv_request){
		.kind = EVKV_OP_KEYS,
		.collection = EVKV_LIT("c"),
		.match.prefix = evkv_str(prefix),
		.match.pattern = evkv_str(pattern),
	};
}

/* ---- One-to-one kinds --------------------------------------------------- */

EVKV_TEST(unit_prefix_keys, keys_are_prefixed_below)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;
	struct evkv_slice keys[3] = { EVKV_LIT("a"), EVKV_LIT("x"),
		EVKV_LIT("b") };

	open_fixture(&f, EVKV_LIT("app:"));
	put(&f, f.store, "c", "a");
	put(&f, f.store, "c", "b");
	put(&f, f.simple, "c", "x");
	check_bottom(&f, "c/app:a c/app:b c/x ");

	submit(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.collection = EVKV_LIT("c"),
		.count = 3,
		.keys = keys },
	    &answer);
	check_int(answer.count, 3);
	check_slice(answer.entries[0].bytes, "v");
	check_status(answer.entries[1].status, EVKV_NOT_FOUND);
	check_slice(answer.entries[2].bytes, "v");
	check_affected(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_DELETE,
		.collection = EVKV_LIT("c"),
		.count = 2,
		.keys = keys },
	    1);
	check_bottom(&f, "c/app:b c/x ");
	answer_free(&answer);
	close_fixture(&f);
}

/* Without memory for what is asked below, nothing is asked there. */
static bool clear_without_memory(size_t nth)
{
	struct answer answer = ANSWER_INIT;
	char name[3000]; /* more than an op has room for */
	struct fixture f;
	bool met;

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	open_fixture(&f, EVKV_LIT("app:"));
	put(&f, f.store, "c", name);
	faults_fail_nth(nth);
	check(evkv_clear(f.store, EVKV_LIT("c"), evkv_str(name), answer_cb,
		  &answer) != 0);
	rig_wait(&f.rig, &answer.calls);
	met = faults_fired() > 0;
	faults_off();
	if (answer.status == EVKV_OK) {
		check_bottom(&f, "");
	} else {
		check_status(answer.status, EVKV_NOMEM);
		answer_reset(&answer);
		evkv_get(f.store, EVKV_LIT("c"), evkv_str(name), answer_cb,
		    &answer);
		rig_wait(&f.rig, &answer.calls);
		check_status(answer.status, EVKV_OK);
	}
	answer_free(&answer);
	close_fixture(&f);
	return met;
}

EVKV_TEST(unit_prefix_keys, a_clear_without_memory_has_no_effect)
{
	size_t nth = 1;

	while (clear_without_memory(nth))
		check(++nth < 100);
	check(nth > 1);
}

/* The prefix's own bytes are no pattern, whatever they are. */
EVKV_TEST(unit_prefix_keys, patterns)
{
	static const char *const prefixes[] = { "app:", "*", "?", "[ab]", "\\",
		"[", "a*b\\?[c", "]" };
	struct fixture f;
	size_t i;

	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		open_fixture(&f, evkv_str(prefixes[i]));
		put(&f, f.store, "c", "one");
		put(&f, f.store, "c", "two");
		put(&f, f.store, "c", "*");
		put(&f, f.store, "d", "one");
		put(&f, f.simple, "c", "one");
		put(&f, f.simple, "c", "axxone");
		check_names(&f, keys_like("", ""), "* one two |");
		check_names(&f, keys_like("", "*"), "* one two |");
		check_names(&f, keys_like("", "***"), "* one two |");
		check_names(&f, keys_like("", "o*"), "one |");
		check_names(&f, keys_like("", "*o"), "two |");
		check_names(&f, keys_like("", "[!o]*"), "* two |");
		check_names(&f, keys_like("", "\\*"), "* |");
		check_names(&f, keys_like("t", ""), "two |");
		check_names(&f, keys_like("t", "*"), "two |");
		check_names(&f, keys_like("t", "o*"), "|");
		check_names(&f, keys_like("on", "?ne"), "one |");
		close_fixture(&f);
	}
}

EVKV_TEST(unit_prefix_keys, pages_of_keys)
{
	struct fixture f;
	struct evkv_request request = keys_like("", "");

	open_fixture(&f, EVKV_LIT("p"));
	put(&f, f.store, "c", "1");
	put(&f, f.store, "c", "2");
	put(&f, f.store, "c", "3");
	put(&f, f.simple, "c", "a");
	put(&f, f.simple, "c", "z");
	request.match.limit = 2;
	check_names(&f, request, "1 2 |3 |");
	close_fixture(&f);
}

/* Nobody could have written it through the wrapper. */
EVKV_TEST(unit_prefix_keys, the_prefix_alone_is_not_ours)
{
	struct fixture f;

	open_fixture(&f, EVKV_LIT("app:"));
	put(&f, f.simple, "c", "app:");
	check_names(&f, keys_like("", ""), "|");
	check_names(&f, keys_like("", "*"), "|");
	check_names(&f, (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    "|");
	put(&f, f.store, "c", "a");
	check_affected(&f,
	    &(struct evkv_request){
		.kind = EVKV_OP_CLEAR, .collection = EVKV_LIT("c") },
	    1);
	put(&f, f.store, "c", "a");
	check_affected(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
		.collection = EVKV_LIT("c"),
		.match.pattern = EVKV_LIT("**") },
	    1);
	put(&f, f.store, "c", "a");
	check_affected(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL },
	    1);
	check_bottom(&f, "c/app: ");
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, clear_takes_only_ours)
{
	struct fixture f;

	open_fixture(&f, EVKV_LIT("p"));
	put(&f, f.store, "c", "a1");
	put(&f, f.store, "c", "b1");
	put(&f, f.store, "d", "a1");
	put(&f, f.simple, "c", "a1");
	check_affected(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
		.collection = EVKV_LIT("c"),
		.match.pattern = EVKV_LIT("a*") },
	    1);
	check_bottom(&f, "c/a1 c/pb1 d/pa1 ");
	check_affected(&f,
	    &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
		.collection = EVKV_LIT("c"),
		.match.prefix = EVKV_LIT("b") },
	    1);
	check_bottom(&f, "c/a1 d/pa1 ");
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, a_pattern_may_be_too_long_with_the_prefix)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;
	struct evkv_request request = keys_like("", "");
	char pattern[EVKV_PATTERN_MAX];

	open_fixture(&f, EVKV_LIT("12*4"));
	memset(pattern, '?', sizeof(pattern));
	request.match.pattern = evkv_bytes(pattern, sizeof(pattern) - 4);
	submit(&f, &request, &answer);
	check_status(answer.status, EVKV_OK);
	request.match.pattern = evkv_bytes(pattern, sizeof(pattern) - 3);
	submit(&f, &request, &answer);
	check_status(answer.status, EVKV_INVALID);
	check_contains(answer.message, "pattern");
	check_contains(answer.message, "4096");
	answer_free(&answer);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, keys_are_as_much_shorter)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;
	char *bytes = malloc(EVKV_KEY_MAX);
	struct evkv_slice key;

	memset(bytes, 'k', EVKV_KEY_MAX);
	open_fixture(&f, EVKV_LIT("app:"));
	check_int(evkv_store_capabilities(f.store)->max_key, EVKV_KEY_MAX - 4);
	key = evkv_bytes(bytes, EVKV_KEY_MAX - 4);
	evkv_put(f.store, EVKV_LIT("c"), key, EVKV_LIT("v"), 0, answer_cb,
	    &answer);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_reset(&answer);
	key = evkv_bytes(bytes, EVKV_KEY_MAX - 3);
	evkv_put(f.store, EVKV_LIT("c"), key, EVKV_LIT("v"), 0, answer_cb,
	    &answer);
	rig_wait(&f.rig, &answer.calls);
	check_status(answer.status, EVKV_INVALID);
	answer_free(&answer);
	close_fixture(&f);
	free(bytes);
}

/* ---- Inline gets --------------------------------------------------------- */

#define LENGTHS 41

static const char text[] =
    "0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "!?+-*/=()[]{}";

/* Put below by its whole name, and got through the prefix without an op. */
static void check_inline_get(struct rig *rig, struct evkv_store *below,
    struct evkv_store *store, size_t prefix, size_t size)
{
	const struct evkv_slice key = evkv_bytes(text + prefix, size);
	struct answer answer = ANSWER_INIT;

	evkv_put(below, EVKV_LIT("c"), evkv_bytes(text, prefix + size), key, 0,
	    answer_cb, &answer);
	rig_wait(rig, &answer.calls);
	answer_reset(&answer);
	evkv_submit(store,
	    &(struct evkv_request){ .kind = EVKV_OP_GET,
		.flags = EVKV_FLAG_SINGLE | EVKV_FLAG_INLINE,
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key },
	    answer_cb, &answer);
	check_int(answer.calls, 1);
	check_status(answer.status, EVKV_OK);
	check(evkv_slice_equal(answer.entries[0].bytes, key));
	answer_free(&answer);
}

EVKV_TEST(unit_prefix_keys, inline_gets_with_prefixes_of_all_lengths)
{
	struct evkv_store *below, *store;
	struct rig rig;
	size_t prefix, size;

	rig_open(&rig);
	for (prefix = 1; prefix < LENGTHS; prefix++) {
		below = evkv_memory_new(rig.loop, NULL, NULL);
		store = evkv_prefix_keys_new(evkv_store_ref(below),
		    evkv_bytes(text, prefix), NULL);
		for (size = 1; size < LENGTHS; size++)
			check_inline_get(&rig, below, store, prefix, size);
		evkv_store_unref(store);
		evkv_store_unref(below);
	}
	rig_close(&rig);
}

/* ---- Making ------------------------------------------------------------- */

EVKV_TEST(unit_prefix_keys, bad_prefixes_are_refused)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	char long_prefix[1025];
	struct rig rig;

	memset(long_prefix, 'p', sizeof(long_prefix));
	rig_open(&rig);
	check(evkv_prefix_keys_new(evkv_simple_new(rig.loop, &error),
		  EVKV_LIT(""), &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, "prefix");
	evkv_error_clear(&error);
	check(evkv_prefix_keys_new(evkv_simple_new(rig.loop, &error),
		  evkv_bytes(long_prefix, 1025), &error) == NULL);
	check_invalid(error, "1025");
	evkv_error_clear(&error);
	check(evkv_prefix_keys_new(evkv_simple_new(rig.loop, &error),
		  evkv_bytes(NULL, 3), &error) == NULL);
	check_invalid(error, "the prefix is NULL");
	evkv_error_clear(&error);

	/* The first error of a chain goes through. */
	check(evkv_prefix_keys_new(evkv_open(rig.loop, "nope:", &error),
		  EVKV_LIT("p"), &error) == NULL);
	check_invalid(error, "nope");
	evkv_error_clear(&error);
	check(evkv_prefix_keys_new(NULL, EVKV_LIT("p"), &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	rig_close(&rig);
}

/* ---- Stacks ------------------------------------------------------------- */

static void stack_ten(struct fixture *f)
{
	char prefix[16];
	int i;

	for (i = 8; i >= 0; i--) {
		snprintf(prefix, sizeof(prefix), "%d*", i);
		f->store = evkv_prefix_keys_new(f->store, evkv_str(prefix),
		    NULL);
		check(f->store != NULL);
	}
}

EVKV_TEST(unit_prefix_keys, a_stack_of_ten)
{
	struct fixture f;

	open_fixture(&f, EVKV_LIT("9*"));
	stack_ten(&f);
	put(&f, f.store, "c", "one");
	put(&f, f.store, "c", "two");
	put(&f, f.store, "d", "two");
	put(&f, f.simple, "c", "9*8*7*");
	put(&f, f.simple, "e", "one");
	check_bottom(&f,
	    "c/9*8*7* c/9*8*7*6*5*4*3*2*1*0*one "
	    "c/9*8*7*6*5*4*3*2*1*0*two "
	    "d/9*8*7*6*5*4*3*2*1*0*two e/one ");
	check_names(&f, keys_like("", "t*"), "two |");
	check_names(&f, keys_like("", ""), "one two |");
	check_names(&f, (struct evkv_request){ .kind = EVKV_OP_COLLECTIONS },
	    "c d |");
	check_affected(&f, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL },
	    3);
	check_bottom(&f, "c/9*8*7* e/one ");
	close_fixture(&f);
}

/* The boundary defers, once; the levels do not. */
EVKV_TEST(unit_prefix_keys, a_stack_of_ten_takes_one_turn)
{
	struct fixture f;
	struct answer one = ANSWER_INIT, ten = ANSWER_INIT;

	open_fixture(&f, EVKV_LIT("9*"));
	stack_ten(&f);
	evkv_get(f.simple, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &one);
	evkv_get(f.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &ten);
	check_int(one.calls + ten.calls, 0);
	rig_single_turn(&f.rig);
	check_int(one.calls, 1);
	check_int(ten.calls, 1);
	check_status(ten.status, EVKV_NOT_FOUND);
	answer_free(&one);
	answer_free(&ten);
	close_fixture(&f);
}

EVKV_TEST(unit_prefix_keys, patterns_of_deep_stacks_may_be_too_long)
{
	struct fixture f;
	struct answer answer = ANSWER_INIT;
	struct evkv_request request = keys_like("", "");
	char prefix[1024];
	int i;

	memset(prefix, '*', sizeof(prefix));
	open_fixture(&f, evkv_bytes(prefix, sizeof(prefix)));
	put(&f, f.store, "c", "k");
	check_names(&f, request, "k |");
	for (i = 0; i < 3; i++) {
		f.store = evkv_prefix_keys_new(f.store,
		    evkv_bytes(prefix, sizeof(prefix)), NULL);
	}
	submit(&f, &request, &answer);
	check_status(answer.status, EVKV_INVALID);
	check_contains(answer.message, "pattern");
	answer_free(&answer);
	close_fixture(&f);
}
