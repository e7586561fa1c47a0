/*
 * statistics: the text for Prometheus.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/faults.h"
#include "prometheus_reader.h"
#include "statistics_fixture.h"

static char *text_of(struct evkv_store *const *stores, size_t count)
{
	struct evbuffer *out = evbuffer_new();
	size_t size;
	char *text;

	check(evkv_statistics_write_prometheus_all(stores, count, out));
	size = evbuffer_get_length(out);
	text = malloc(size + 1);
	evbuffer_remove(out, text, size);
	text[size] = '\0';
	evbuffer_free(out);
	prometheus_check(text);
	return text;
}

/* By the program of Prometheus itself, where it is installed. */
static void check_by_promtool(const char *text)
{
	FILE *tool;

	if (system("command -v promtool >/dev/null 2>&1") != 0)
		return;
	tool = popen("promtool check metrics", "w");
	check(tool != NULL);
	fputs(text, tool);
	check_int(pclose(tool), 0);
}

EVKV_TEST(unit_statistics, prometheus_text)
{
	struct fixture f;
	char *text;

	open_fixture(&f,
	    (struct evkv_statistics_options){
		.name = "front", .sample_inline = 1 });
	step_ns = 2000;
	put(&f, "users", "1", "four");
	get(&f, "users", "1");
	get(&f, "users", "2");
	f.gate->fail = EVKV_SERVER;
	get(&f, "users", "2");
	text = text_of(&f.store, 1);
	check_by_promtool(text);
#define LABELS "{store=\"front\",collection=\"users\",kind=\"get\""
	check_int(prometheus_number(text,
		      "evkv_operations_total" LABELS ",status=\"OK\"}"),
	    1);
	check_int(prometheus_number(text,
		      "evkv_operations_total" LABELS ",status=\"NOT_FOUND\"}"),
	    1);
	check_int(prometheus_number(text,
		      "evkv_operations_total" LABELS ",status=\"SERVER\"}"),
	    1);
	check_int(prometheus_number(text,
		      "evkv_keys_total" LABELS ",result=\"hit\"}"),
	    1);
	check_int(prometheus_number(text,
		      "evkv_keys_total" LABELS ",result=\"miss\"}"),
	    1);
	check_int(prometheus_number(text,
		      "evkv_bytes_total" LABELS ",direction=\"in\"}"),
	    3);
	check_int(prometheus_number(text,
		      "evkv_bytes_total" LABELS ",direction=\"out\"}"),
	    4);
#define TIMES "evkv_operation_duration_seconds"
	check_int(prometheus_number(text,
		      TIMES "_bucket" LABELS ",le=\"1e-06\"}"),
	    0);
	check_int(prometheus_number(text,
		      TIMES "_bucket" LABELS ",le=\"2.5e-06\"}"),
	    3);
	check_int(prometheus_number(text, TIMES "_count" LABELS "}"), 3);
	check(strstr(text, TIMES "_sum" LABELS "} 0.000006000\n") != NULL);
	check_int(prometheus_number(text, "evkv_pending{store=\"front\"}"), 0);
	check_int(prometheus_number(text, "evkv_entries{store=\"front\"}"), 1);
	free(text);
	close_fixture(&f);
}

EVKV_TEST(unit_statistics, names_of_collections_do_not_collide)
{
	static const char *const names[] = { "", "other", "\\other",
		"\\\\other", "a\"b", "a\nb", "\\n", "\x80", "\\x80", "\\\\x80",
		"\xc3\xa9", "\xc3", "\xed\xa0\x80", "\xf0\x9f\x99\x82",
		"\xf4\x90\x80\x80", "\xc0\xaf", "\xe2\x82", "\x01", "\\x01",
		"{},=", "\xe0\x80\xaf" };
	const size_t count = sizeof(names) / sizeof(names[0]);
	struct fixture f;
	char *text;
	size_t i;

	open_fixture(&f,
	    (struct evkv_statistics_options){
		.max_collections = count, .name = "a\\\"b" });
	for (i = 0; i < count; i++)
		put(&f, names[i], "k", "v");
	put(&f, "one more", "k", "v");
	/* prometheus_check() fails where a line comes twice. */
	text = text_of(&f.store, 1);
	check_by_promtool(text);
#define PUTS(name_)                                                            \
	"evkv_operations_total{store=\"a\\\\\\\\\\\"b\",collection=\"" name_   \
	"\",kind=\"put\",status=\"OK\"}"
	check_int(prometheus_number(text, PUTS("\\\\other")), 1);
	check_int(prometheus_number(text, PUTS("\\\\\\\\other")), 1);
	check_int(prometheus_number(text, PUTS("\\\\x80")), 1);
	check_int(prometheus_number(text, PUTS("\\\\\\\\x80")), 1);
	check_int(prometheus_number(text, PUTS("\xc3\xa9")), 1);
	check_int(prometheus_number(text, PUTS("a\\\"b")), 1);
	free(text);
	close_fixture(&f);
}

EVKV_TEST(unit_statistics, without_a_name_it_is_called_as_the_store)
{
	struct fixture f;
	char *text;

	open_fixture(&f, (struct evkv_statistics_options){ .name = NULL });
	get(&f, "c", "k");
	text = text_of(&f.store, 1);
	check_int(prometheus_number(text,
		      "evkv_operations_total{store=\"gate\","
		      "collection=\"c\",kind=\"get\",status=\"NOT_FOUND\"}"),
	    1);
	free(text);
	close_fixture(&f);
}

EVKV_TEST(unit_statistics, two_stores_in_one_text)
{
	struct evkv_store *stores[2];
	struct fixture f;
	char *text;

	open_fixture(&f, (struct evkv_statistics_options){ .name = "below" });
	stores[0] = f.store;
	stores[1] = evkv_statistics_new(evkv_store_ref(f.store),
	    &(struct evkv_statistics_options){ .name = "above" }, NULL);
	f.store = stores[1];
	get(&f, "c", "k");
	text = text_of(stores, 2);
	check_by_promtool(text);
	check_int(prometheus_number(text,
		      "evkv_operations_total{store=\"above\","
		      "collection=\"c\",kind=\"get\",status=\"NOT_FOUND\"}"),
	    1);
	check_int(prometheus_number(text,
		      "evkv_operations_total{store=\"below\","
		      "collection=\"c\",kind=\"get\",status=\"NOT_FOUND\"}"),
	    1);
	free(text);
	evkv_store_unref(stores[0]);
	close_fixture(&f);
}

/* ---- What the stores below tell themselves ------------------------------ */

struct teller {
	struct evkv_store *inner;
	const char *value;
	uint64_t number;
	unsigned reconnects;
};

static enum evkv_verdict teller_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct teller *self = arg;

	return evkv_op_forward(op, self->inner, request);
}

static void teller_free(void *arg)
{
	(void)arg;
}

static void teller_counters(void *arg, struct evkv_counters *counters)
{
	counters->reconnects += ((struct teller *)arg)->reconnects;
}

static void teller_metrics(void *arg, struct evkv_metrics *metrics)
{
	static const struct evkv_metric loads = {
		.name = "cache_loads_total",
		.help = "Loads.",
		.label = "result",
	};
	static const struct evkv_metric open = {
		.name = "connections", .help = "Open.", .gauge = true
	};
	struct teller *self = arg;

	evkv_metrics_add(metrics, &loads, self->value, self->number);
	evkv_metrics_add(metrics, &open, NULL, self->number);
}

static const struct evkv_vtable teller_vtable = {
	.size = sizeof(teller_vtable),
	.name = "teller",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = teller_submit,
	.free = teller_free,
	.counters = teller_counters,
	.metrics = teller_metrics,
};

static struct evkv_store *teller_new(struct evkv_store *inner,
    struct teller *self)
{
	self->inner = inner;
	return evkv_store_create(NULL, &teller_vtable, self,
	    &(struct evkv_store_config){ .inner = &inner, .inner_count = 1 },
	    NULL);
}

EVKV_TEST(unit_statistics, figures_of_the_stack_are_added_up)
{
	struct teller tellers[3] = { { .value = "ok", .number = 3 },
		{ .value = "ok", .number = 4 },
		{ .value = "failed", .number = 5, .reconnects = 6 } };
	struct evkv_store *stores[2];
	struct rig rig;
	char *text;
	size_t n;

	rig_open(&rig);
	stores[0] = evkv_memory_new(rig.loop, NULL, NULL);
	for (n = 0; n < 3; n++)
		stores[0] = teller_new(stores[0], &tellers[n]);
	stores[0] = evkv_statistics_new(stores[0],
	    &(struct evkv_statistics_options){ .name = "a" }, NULL);
	stores[1] = evkv_statistics_new(evkv_store_ref(stores[0]),
	    &(struct evkv_statistics_options){ .name = "b" }, NULL);
	text = text_of(stores, 2);
	check_by_promtool(text);
#define LOADS "evkv_cache_loads_total{store=\"a\",result="
	check_int(prometheus_number(text, LOADS "\"ok\"}"), 7);
	check_int(prometheus_number(text, LOADS "\"failed\"}"), 5);
	check_int(prometheus_number(text, "evkv_connections{store=\"b\"}"), 12);
	check(strstr(text, "# TYPE evkv_connections gauge\n") != NULL);
	check(strstr(text, "# TYPE evkv_cache_loads_total counter\n") != NULL);
	/* Of a driver that does not tell why. */
	check_int(prometheus_number(text,
		      "evkv_reconnects_total{store=\"a\","
		      "cause=\"unknown\"}"),
	    6);
	free(text);
	/* Without memory for them the text is not whole, and nothing leaks. */
	for (n = 1; n < 3; n++) {
		struct evbuffer *out = evbuffer_new();
		bool whole;

		faults_fail_nth(n);
		whole = evkv_statistics_write_prometheus(stores[0], out);
		faults_off();
		check_int(whole, n > 1);
		evbuffer_free(out);
	}
	evkv_store_unref(stores[0]);
	evkv_store_unref(stores[1]);
	rig_close(&rig);
}

/* What a cache and a retry of the stack tell. */
EVKV_TEST(unit_statistics, figures_of_a_cache_and_of_retry)
{
	struct answer a = ANSWER_INIT;
	struct evkv_store *store;
	struct rig rig;
	char *text;

	rig_open(&rig);
	store = evkv_open(rig.loop,
	    "simple: | fault() | retry(backoff=-1) | "
	    "passthrough_cache(memory:?max_entries=2) | statistics(a)",
	    NULL);
	check(store != NULL);
	evkv_fault_add(evkv_store_find(store, "fault", 0),
	    &(struct evkv_fault_rule){
		.action = EVKV_FAULT_FAIL, .status = EVKV_BUSY, .limit = 1 });
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("k"), EVKV_LIT("v"), 0, NULL,
	    NULL);
	evkv_put(store, EVKV_LIT("c"), EVKV_LIT("l"), EVKV_LIT("v"), 0, NULL,
	    NULL);
	rig_turn(&rig);
	evkv_get(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &a);
	rig_wait(&rig, &a.calls);
	check_status(a.status, EVKV_OK);
	text = text_of(&store, 1);
	check_by_promtool(text);
	check_int(prometheus_number(text, "evkv_entries{store=\"a\"}"), 2);
	check_int(prometheus_number(text, "evkv_cache_entries{store=\"a\"}"),
	    1);
	check(prometheus_number(text, "evkv_cache_stored_bytes{store=\"a\"}") >
	    0);
	check_int(prometheus_number(text,
		      "evkv_retry_repeated_total{store=\"a\"}"),
	    1);
	check_int(prometheus_number(text,
		      "evkv_retry_operations_total{store=\"a\","
		      "result=\"recovered\"}"),
	    1);
	check_int(prometheus_number(text,
		      "evkv_retry_operations_total{store=\"a\","
		      "result=\"exhausted\"}"),
	    0);
	free(text);
	evkv_store_unref(store);
	answer_free(&a);
	rig_close(&rig);
}

#define STACKS 20

/* Each of many tells its own, however many there are. */
EVKV_TEST(unit_statistics, figures_of_many_stacks)
{
	struct evkv_store *stores[STACKS];
	char chain[100], line[100];
	struct rig rig;
	char *text;
	int i, j;

	rig_open(&rig);
	for (i = 0; i < STACKS; i++) {
		snprintf(chain, sizeof(chain),
		    "simple: | fault() | retry(backoff=-1) | statistics(s%d)",
		    i);
		stores[i] = evkv_open(rig.loop, chain, NULL);
		for (j = 0; j < i; j++) {
			evkv_fault_add(evkv_store_find(stores[i], "fault", 0),
			    &(struct evkv_fault_rule){
				.action = EVKV_FAULT_FAIL,
				.status = EVKV_BUSY,
				.limit = 1 });
			evkv_put(stores[i], EVKV_LIT("c"), EVKV_LIT("k"),
			    EVKV_LIT("v"), 0, NULL, NULL);
			rig_turn(&rig);
		}
	}
	text = text_of(stores, STACKS);
	for (i = 0; i < STACKS; i++) {
		snprintf(line, sizeof(line),
		    "evkv_retry_repeated_total{store=\"s%d\"}", i);
		check_int(prometheus_number(text, line), i);
	}
	free(text);
	for (i = 0; i < STACKS; i++)
		evkv_store_unref(stores[i]);
	rig_close(&rig);
}
