/*
 * statistics: the text for Prometheus.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

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
