/*
 * Chains by text: what is built, what is described, which errors are told
 * where, and that nothing is left behind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "evkv/wrapper.h"
#include "lib/faults.h"
#include "lib/pick.h"
#include "lib/rig.h"
#include "lib/test.h"

static struct evkv_store *open_chain(struct rig *rig, const char *text)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_open(rig->loop, text, &error);

	if (store == NULL)
		fail_test("%s: %s", text, error.message);
	return store;
}

/* `text` is described as `described`, and that as itself. */
static void check_described(struct rig *rig, const char *text,
    const char *described)
{
	struct evkv_store *store = open_chain(rig, text), *again;
	char *first = evkv_store_describe(store, 0), *second;

	check_str(first, described);
	again = open_chain(rig, first);
	second = evkv_store_describe(again, 0);
	check_str(second, described);
	evkv_free(first);
	evkv_free(second);
	evkv_store_unref(store);
	evkv_store_unref(again);
}

EVKV_TEST(unit_chain, what_is_built_is_described)
{
	static const char *const rows[][2] = {
		{ "memory:", "memory:" },
		{ "  memory:\n", "memory:" },
		{ "\"memory:\"", "memory:" },
		{ "memory:?max_bytes=65536k&max_entries=10",
		    "memory:?max_entries=10&max_bytes=64m" },
		{ "simple:|read_only", "simple: | read_only" },
		{ "simple: | read_only()", "simple: | read_only" },
		{ "simple: | prefix_keys(app:)",
		    "simple: | prefix_keys(app:)" },
		{ "simple: | prefix_keys( prefix = app: )",
		    "simple: | prefix_keys(app:)" },
		{ "simple: | prefix_keys({tag}:)",
		    "simple: | prefix_keys({tag}:)" },
		{ "simple: | prefix_keys(\"a b\")",
		    "simple: | prefix_keys(\"a b\")" },
		{ "simple: | prefix_keys(\"a|(),\\\"\\\\=\")",
		    "simple: | prefix_keys(\"a|(),\\\"\\\\=\")" },
		{ "simple: | prefix_keys(\"\\x00\\xff\\x0a\")",
		    "simple: | prefix_keys(\"\\x00\xff\\x0a\")" },
		{ "simple: | clamp_ttl(min=1000, max=3600000, missing=90s)",
		    "simple: | clamp_ttl(min=1s, max=1h, missing=90s)" },
		{ "simple: | ttl_clamp(max_ms=1500)",
		    "simple: | clamp_ttl(max=1500ms)" },
		{ "simple: | passthrough_cache(memory:?max_bytes=64m, "
		  "max_ttl=5m) | prefix_keys(app:)",
		    "simple: | passthrough_cache(memory:?max_bytes=64m, "
		    "max_ttl=5m) | prefix_keys(app:)" },
		{ "simple:|passthrough_cache(max_bypass=7,"
		  "memory:|prefix_keys(c:))",
		    "simple: | passthrough_cache(memory: | prefix_keys(c:), "
		    "max_bypass=7)" },
	};
	struct rig rig;
	size_t i;

	rig_open(&rig);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_described(&rig, rows[i][0], rows[i][1]);
	rig_close(&rig);
}

/* What was built by calls is described as well, and works as it says. */
EVKV_TEST(unit_chain, stores_made_by_calls)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;
	char *text;

	rig_open(&rig);
	store = evkv_simple_new(rig.loop, NULL);
	store = evkv_prefix_keys_new(store, EVKV_LIT("a:"), NULL);
	store = evkv_clamp_ttl_new(store,
	    &(struct evkv_clamp_ttl_options){ .max_ms = 60000 }, NULL);
	store = evkv_passthrough_cache_new(store,
	    evkv_memory_new(rig.loop,
		&(struct evkv_memory_options){ .max_entries = 5 }, NULL),
	    &(struct evkv_passthrough_cache_options){ .max_ttl_ms = 1000 },
	    NULL);
	text = evkv_store_describe(store, 0);
	check_str(text,
	    "simple: | prefix_keys(a:) | clamp_ttl(max=1m) | "
	    "passthrough_cache(memory:?max_entries=5, max_ttl=1s)");
	evkv_store_unref(store);

	store = open_chain(&rig, text);
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 3600000,
	    NULL, NULL);
	evkv_ttl(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_slice(answer.entries[0].bytes, "v");
	check_int(answer.entries[0].ttl_ms, 60000);
	answer_free(&answer);
	evkv_free(text);
	evkv_store_unref(store);
	check(evkv_store_describe(NULL, 0) == NULL);
	rig_close(&rig);
}

/* In braces, which are skipped when the text is read. */
EVKV_TEST(unit_chain, counters)
{
	struct evkv_store *store, *again;
	char *text, *plain;
	struct rig rig;

	rig_open(&rig);
	store = open_chain(&rig,
	    "simple: | passthrough_cache(simple:) | read_only");
	evkv_put(evkv_store_inner(store, 0), EVKV_LIT("c"), EVKV_LIT("k"),
	    EVKV_LIT("v"), 0, NULL, NULL);
	rig_settle(&rig);
	text = evkv_store_describe(store, EVKV_DESCRIBE_COUNTERS);
	check_contains(text, "simple: {READY pending=0 entries=1 bytes=");
	check_contains(text,
	    "passthrough_cache(simple: {READY pending=0}) "
	    "{READY pending=0} | read_only {");
	again = open_chain(&rig, text);
	plain = evkv_store_describe(again, 0);
	check_str(plain, "simple: | passthrough_cache(simple:) | read_only");
	evkv_free(text);
	evkv_free(plain);
	evkv_store_unref(store);
	evkv_store_unref(again);
	rig_close(&rig);
}

/* ---- Other people's stores ----------------------------------------------- */

static struct evkv_store *open_scheme(struct evkv_loop *loop,
    const struct evkv_url *url, struct evkv_error *error)
{
	(void)url;
	return evkv_null_new(loop, error);
}

struct secret_options {
	const char *key;
	int level;
};

static struct evkv_store *make_secret(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	const struct secret_options *options = making->options;

	(void)type;
	check_str(options->key, "s3cret");
	check_str(making->url->host, "h");
	return evkv_null_new(making->loop, error);
}

static const struct evkv_url_option secret_table[] = {
	{ .name = "key",
	    .type = EVKV_URL_STRING,
	    .offset = offsetof(struct secret_options, key),
	    .flags = EVKV_OPTION_SECRET },
	{ .name = "level",
	    .type = EVKV_URL_INT,
	    .offset = offsetof(struct secret_options, level) },
};
static const struct evkv_type secret_type = {
	.size = sizeof(struct evkv_type),
	.name = "vault",
	.also = "vaults",
	.options = secret_table,
	.option_count = 2,
	.options_size = sizeof(struct secret_options),
	.url_parts = EVKV_URL_HOST,
	.make = make_secret,
};

static void refuse(struct rig *rig, const char *text, size_t column,
    const char *part);

static void check_text(struct rig *rig, const char *text, const char *described)
{
	struct evkv_store *store = open_chain(rig, text);
	char *is = evkv_store_describe(store, 0);

	check_str(is, described);
	evkv_free(is);
	evkv_store_unref(store);
}

EVKV_TEST(unit_chain, passwords_are_not_described)
{
	struct rig rig;

	rig_open(&rig);
	check(evkv_loop_register_scheme(rig.loop, "net", open_scheme));
	check(evkv_loop_register(rig.loop, &secret_type));
	check_text(&rig, "net://ann:pass%7Cword@[::1]:80/a%20b?x=1%2C2",
	    "net://ann:***@[::1]:80/a%20b?x=1%2C2");
	check_text(&rig, "net://:pw@host", "net://:***@host");
	check_text(&rig, "net://host?password=pw&x_token=t&x=a",
	    "net://host?password=***&x_token=***&x=a");
	check_text(&rig, "vaults://h?key=s3cret&level=3 | read_only",
	    "vaults://h?key=***&level=3 | read_only");
	check_text(&rig, "\"vault://h?key=s3cret\"", "vault://h?key=***");
	rig_close(&rig);
}

static enum evkv_verdict pair_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	return evkv_op_forward(op, arg, request);
}

static void pair_free(void *arg)
{
	(void)arg;
}

/* Of what has no text of its own the name is told, and what is inside. */
EVKV_TEST(unit_chain, stores_without_a_text)
{
	static const struct evkv_vtable pair = {
		.size = sizeof(pair),
		.name = "pair",
		.flags = EVKV_VTABLE_TRANSPARENT,
		.submit = pair_submit,
		.free = pair_free,
	};
	struct evkv_store *inner[2], *store;
	struct rig rig;
	char *text;

	rig_open(&rig);
	check(evkv_loop_register_scheme(rig.loop, "net", open_scheme));
	check_text(&rig, "net://a:1*3,[::1],b*65535/p",
	    "net://a:1*3,[::1],b*65535/p");
	inner[0] = evkv_simple_new(rig.loop, NULL);
	inner[1] = evkv_null_new(rig.loop, NULL);
	store = evkv_store_create(NULL, &pair, inner[0],
	    &(struct evkv_store_config){ .inner = inner, .inner_count = 2 },
	    NULL);
	text = evkv_store_describe(store, 0);
	check_str(text, "simple: | pair(null:)");
	evkv_free(text);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* A ',' belongs to a URL outside of parentheses, and ends it inside. */
EVKV_TEST(unit_chain, commas_in_urls)
{
	struct rig rig;

	rig_open(&rig);
	check(evkv_loop_register_scheme(rig.loop, "net", open_scheme));
	check_text(&rig, "net://h0/a,b9", "net://h0/a%2Cb9");
	check_text(&rig, "net://h0/a,b,c,d | read_only",
	    "net://h0/a%2Cb%2Cc%2Cd | read_only");
	check_text(&rig, "net://h0/a,,b", "net://h0/a%2C%2Cb");
	check_text(&rig, "net://h0/a,", "net://h0/a%2C");
	check_text(&rig,
	    "simple: | passthrough_cache(simple: | prefix_keys(a), "
	    "max_bypass=7)",
	    "simple: | passthrough_cache(simple: | prefix_keys(a), "
	    "max_bypass=7)");
	refuse(&rig, "net://h0/a, | read_only", 11, "expected '|'");
	refuse(&rig, "net://h0/a,b|c", 14, "the name of a wrapper");
	rig_close(&rig);
}

/* What needs no escape stands as it is, up to the ends of each range. */
EVKV_TEST(unit_chain, plain_bytes_are_not_escaped)
{
	struct rig rig;

	rig_open(&rig);
	check(evkv_loop_register_scheme(rig.loop, "net", open_scheme));
	check_text(&rig, "net://h/azAZ09-._~/b", "net://h/azAZ09-._~/b");
	check_text(&rig, "net://h/%60%7B%40%5B%2F%3A",
	    "net://h/%60%7B%40%5B/:");
	rig_close(&rig);
}

EVKV_TEST(unit_chain, names_that_no_text_can_have)
{
	static const char *const bad[] = { "", " ", "1a", "a b c d-e", "A",
		"a.b", "a  b" };
	struct evkv_wrapper hooks = { .size = sizeof(hooks) };
	struct evkv_type type = { .size = sizeof(type), .wrapper = &hooks };
	struct rig rig;
	size_t i;

	rig_open(&rig);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		type.name = bad[i];
		if (evkv_loop_register(rig.loop, &type))
			fail_test("'%s' is taken", bad[i]);
	}
	check(!evkv_loop_register(NULL, &secret_type));
	check(!evkv_loop_register(rig.loop, NULL));
	type.name = "my_own";
	type.also = "another2 a b-c";
	check(!evkv_loop_register(rig.loop, &type));
	type.also = "another2 a";
	type.summary = "";
	check(evkv_loop_register(rig.loop, &type));
	check_text(&rig, "null: | another2 | my_own",
	    "null: | my_own | my_own");
	rig_close(&rig);
}

/* A user's own is not overruled, whenever it was registered. */
EVKV_TEST(unit_chain, a_name_of_the_library_may_be_replaced)
{
	static const struct evkv_wrapper hooks = { .size = sizeof(hooks) };
	static const struct evkv_type type = {
		.size = sizeof(type), .name = "read_only", .wrapper = &hooks
	};
	struct answer answer = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	check(evkv_loop_register(rig.loop, &type));
	store = open_chain(&rig, "simple: | read_only");
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0,
	    answer_cb, &answer);
	rig_wait(&rig, &answer.calls);
	check_status(answer.status, EVKV_OK);
	answer_free(&answer);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* ---- Errors -------------------------------------------------------------- */

static void refuse(struct rig *rig, const char *text, size_t column,
    const char *part)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	char at[32];

	snprintf(at, sizeof(at), "column %zu: ", column);
	if (evkv_open(rig->loop, text, &error) != NULL)
		fail_test("%s is taken", text);
	check_status(error.status, EVKV_INVALID);
	if (strncmp(error.message, at, strlen(at)) != 0)
		fail_test("%s: %s", text, error.message);
	check_invalid(error, part);
}

EVKV_TEST(unit_chain, errors_tell_the_column_and_what_was_expected)
{
	struct rig rig;

	rig_open(&rig);
	refuse(&rig, " ", 2, "expected the URL of a store");
	refuse(&rig, "| read_only", 1, "expected the URL of a store");
	refuse(&rig, "read_only | memory:", 1, "expected the URL of a store");
	refuse(&rig, "prefix_keys(a:)", 1, "expected the URL of a store");
	refuse(&rig, "memory: |", 10, "expected the name of a wrapper");
	refuse(&rig, "memory: | memory:", 11, "expected the name of a wrapper");
	refuse(&rig, "memory: | Read_only", 11,
	    "the name of a wrapper: read_only, ");
	refuse(&rig, "memory: | read-only", 11,
	    "the name of a wrapper: read_only, ");
	refuse(&rig, "memory: read_only", 9, "expected '|'");
	refuse(&rig, "memory:, simple:", 8, "expected '|'");
	refuse(&rig, "memory: | readonly", 11,
	    "expected the name of a wrapper: read_only, ");
	refuse(&rig, "memory: | prefix_key(a)", 11, "wrapper: prefix_keys, ");
	refuse(&rig, "memory: | prefix_keys(a:", 25, "expected ',' or ')'");
	refuse(&rig, "memory: | prefix_keys(a:,", 26, "expected a value");
	refuse(&rig, "memory: | prefix_keys(a:,b:)", 26,
	    "prefix is given twice");
	refuse(&rig, "memory: | prefix_keys(prefx=a:)", 23,
	    "expected an option of prefix_keys, which has prefix");
	refuse(&rig, "memory: | prefix_keys", 11, "prefix must be given");
	refuse(&rig, "memory: | read_only(x)", 21,
	    "expected an option of read_only, which has none");
	refuse(&rig, "memory: | clamp_ttl(mx=1s)", 21,
	    "which has max, min, missing");
	refuse(&rig, "memory: | clamp_ttl(max=)", 25, "expected the value");
	refuse(&rig, "memory: | clamp_ttl(max=5x)", 21,
	    "option max: '5x' is not a duration");
	refuse(&rig, "memory: | clamp_ttl(max=1s, max_ms=2)", 29,
	    "max is given twice");
	refuse(&rig, "memory: | clamp_ttl(max=1s, min=2s)", 11,
	    "min is above max");
	refuse(&rig, "memory: | clamp_ttl(\"max=1s\")", 21, "an option of");
	refuse(&rig, "memory: | passthrough_cache", 28,
	    "expected 1 store in the parentheses of passthrough_cache");
	refuse(&rig, "memory: | passthrough_cache(memory:, memory:)", 38,
	    "expected name=value, an option of passthrough_cache, which has ");
	refuse(&rig, "memory: | passthrough_cache(nope:)", 29,
	    "the scheme nope: is not known");
	refuse(&rig, "memory: | passthrough_cache(memory: | x)", 39,
	    "expected the name of a wrapper");
	refuse(&rig, "memory:?max_bytes=1|read_only", 1,
	    "memory: max_bytes is 1");
	refuse(&rig, "memory:?nope=1 | read_only", 1, "no option nope");
	refuse(&rig, "\"memory:", 1, "a \" that ends this one");
	refuse(&rig, "memory: | prefix_keys(\"\\n\")", 24, "\\x and two hex");
	refuse(&rig, "\"memory:\\x00\"", 1, "a NUL byte");
	rig_close(&rig);
}

/* A lone URL has the errors of docs/urls.md. */
EVKV_TEST(unit_chain, a_lone_url_needs_no_column)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;

	rig_open(&rig);
	check(evkv_open(rig.loop, "memory:?max_bytes=64mb", &error) == NULL);
	check(strncmp(error.message, "URL: option max_bytes", 21) == 0);
	evkv_error_clear(&error);
	check(evkv_open(rig.loop, NULL, &error) == NULL);
	check_invalid(error, "NULL");
	rig_close(&rig);
}

/* Whatever a password that should have been quoted is taken for. */
EVKV_TEST(unit_chain, no_error_has_a_password)
{
	static const char *const texts[] = {
		"net://u:se|cret@h/0",
		"net://u:se|cret|@h/0",
		"net://u:12|cret|@h/0",
		"net://u:12 cret@h/0",
		"net://u:12 |cret@h/0",
		"memory: | passthrough_cache(net://u:12,cret@h/0)",
		"net://u:12(cret)@h/0",
		"net://u:12\"cret\"@h/0",
		"net://u:12|cret(@h/0)",
		"net://u:12|read_only(cret)@h",
		"net://u:12|read_only(cret=1)@h",
		"net://u:12|clamp_ttl(cret=1)@h",
		"net://u:12|read_only cret@h",
		"\"net://u:cret@h/0",
		"net://u:\"cret\\q\"@h/0",
		"net://u:12{cret}cret",
		"net://u:12|passthrough_cache(cret)@h",
		"net://u:12|passthrough_cache(cret@h)",
		"net://u:12|passthrough_cache(memory:|cret)@h",
	};
	struct evkv_error error;
	struct rig rig;
	size_t i;

	rig_open(&rig);
	check(evkv_loop_register_scheme(rig.loop, "net", open_scheme));
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		evkv_error_clear(&error);
		check(evkv_open(rig.loop, texts[i], &error) == NULL);
		if (strstr(error.message, "cret") != NULL)
			fail_test("%s: %s", texts[i], error.message);
	}
	rig_close(&rig);
}

EVKV_TEST(unit_chain, nesting_is_bounded)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	char *text = calloc(1, 65540);
	struct rig rig;
	int i;

	rig_open(&rig);
	for (i = 0; i < 1000; i++)
		strcat(text, "simple:|passthrough_cache(");
	check(evkv_open(rig.loop, text, &error) == NULL);
	check_invalid(error, "fewer parentheses");
	evkv_error_clear(&error);
	memset(text, 'x', 65537);
	check(evkv_open(rig.loop, text, &error) == NULL);
	check_invalid(error, "longer than 65536");
	free(text);
	rig_close(&rig);
}

/* ---- Without memory, and at random --------------------------------------- */

EVKV_TEST(unit_chain, every_allocation_fails_once)
{
	static const char text[] = "memory: | passthrough_cache(simple: | "
				   "prefix_keys(c:), max_ttl=5m) | "
				   "clamp_ttl(max=1h) | prefix_keys(app:)";
	struct evkv_store *store = NULL;
	struct evkv_error error;
	char *described = NULL;
	struct rig rig;
	size_t n;

	for (n = 1; store == NULL; n++) {
		rig_open(&rig);
		evkv_error_clear(&error);
		faults_fail_nth(n);
		store = evkv_open(rig.loop, text, &error);
		faults_off();
		if (store == NULL) {
			check_status(error.status, EVKV_NOMEM);
			rig_close(&rig);
		}
		check(n < 100);
	}
	check(n > 10);
	for (n = 1; described == NULL; n++) {
		faults_fail_nth(n);
		described = evkv_store_describe(store, 0);
		faults_off();
		check(n < 20);
	}
	check_str(described, text);
	evkv_free(described);
	evkv_store_unref(store);
	rig_close(&rig);
}

/* A chain at random, with so many parentheses at most in each other. */
static void random_chain(uint64_t *seed, char *text, unsigned depth)
{
	static const char *const stores[] = {
		"memory:", "simple:", "memory:?max_entries=1000", "null:"
	};
	static const char *const wrappers[] = { "read_only",
		"prefix_keys(app:)", "prefix_keys(\"a b|\\x01\")",
		"clamp_ttl(min=1s)", "clamp_ttl(min=1s, max=1h, missing=1m)" };
	unsigned count = pick_below(seed, 4), i;

	strcat(text, stores[pick_below(seed, 4)]);
	for (i = 0; i < count; i++) {
		strcat(text, " | ");
		if (depth > 0 && pick_below(seed, 3) == 0) {
			strcat(text, "passthrough_cache(");
			random_chain(seed, text, depth - 1);
			strcat(text, ", max_ttl=5m)");
		} else {
			strcat(text, wrappers[pick_below(seed, 5)]);
		}
	}
}

/* Cut anywhere it is an error with a column, or another chain. */
static void cut(struct rig *rig, char *text, size_t size)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	char was = text[size];

	text[size] = '\0';
	store = evkv_open(rig->loop, text, &error);
	if (store == NULL && strncmp(error.message, "column ", 7) != 0 &&
	    strncmp(error.message, "URL: ", 5) != 0 &&
	    strncmp(error.message, "passthrough_cache: ", 19) != 0)
		fail_test("%s: %s", text, error.message);
	evkv_store_unref(store);
	text[size] = was;
}

EVKV_TEST(unit_chain, chains_at_random)
{
	struct evkv_error error;
	struct evkv_store *store;
	char text[8192], *described;
	struct rig rig;
	uint64_t seed;
	size_t n, built = 0;

	rig_open(&rig);
	for (n = 0; n < 300; n++) {
		seed = n * 7919 + 1;
		text[0] = '\0';
		random_chain(&seed, text, 3);
		evkv_error_clear(&error);
		store = evkv_open(rig.loop, text, &error);
		if (store == NULL) {
			/* A cache needs a store that can put and delete. */
			check_invalid(error, "passthrough_cache: ");
			continue;
		}
		built++;
		described = evkv_store_describe(store, 0);
		check_str(described, text);
		evkv_free(described);
		evkv_store_unref(store);
		cut(&rig, text, pick_below(&seed, (unsigned)strlen(text)));
	}
	check(built > 200);
	rig_close(&rig);
}
