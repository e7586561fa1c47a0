/*
 * tests/engines/resolver/lookups_test.c - names, and name servers of all kinds.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "dns.h"
#include "engines/resolver/resolver.h"
#include "lookup.h"
#include "loop/loop.h"
#include "rig.h"
#include "test.h"

static const struct dns_record records[] = {
	{ "server.example", "127.0.0.7" },
	{ "both.example", "127.0.0.7" },
	{ "both.example", "::1" },
	{ "alias.example", "=node.example" },
	{ "node.example", "127.0.0.8" },
	{ "found.search.example", "127.0.0.9" },
	{ "wild.search.example", "::1" },
	{ "wild", "127.0.0.10" },
	{ NULL, NULL },
};

EVKV_TEST(resolver_lookups, a_name_has_addresses_with_the_port)
{
	struct bed b;

	bed_open(&b, records);
	check_found(&b, "server.example", "127.0.0.7:6379");
	check_int(b.server.asked_a, 1);
	check_found(&b, "SERVER.example", "127.0.0.7:6379");
	check_found(&b, "alias.example", "127.0.0.8:6379");
	/* IPv6 first, where it can be reached at all. */
	look(&b, "both.example");
	check_int(b.count, 2);
	/* Nothing that was waited for is left to ring. */
	check_int(b.rig.loop->timers_count, 0);
	bed_close(&b);
}

EVKV_TEST(resolver_lookups, literals_need_nobody)
{
	struct bed b;

	bed_open(&b, records);
	check_found(&b, "127.0.0.1", "127.0.0.1:6379");
	check_found(&b, "::1", "[::1]:6379");
	check_found(&b, "fe80::1%lo", "[fe80::1%1]:6379");
	check_int(b.inside, 1);
	check_int(b.server.asked, 0);
	bed_close(&b);
}

EVKV_TEST(resolver_lookups, names_of_this_machine_need_nobody)
{
	static const char *const ours[] = { "localhost", "LocalHost.",
		"db.localhost" };
	struct bed b;
	unsigned i;

	bed_open(&b, records);
	for (i = 0; i < 3; i++) {
		look(&b, ours[i]);
		check_int(b.count, 2);
		check_contains(b.text, "127.0.0.1:6379");
		check_contains(b.text, "[::1]:6379");
	}
	/* The c-ares of Debian 13 takes "other#cache" for one word. */
	dns_hosts(&b.dns,
	    "# ours\n127.0.0.5\tcache.example cache # x\n"
	    "::1 Cache\r\n127.0.0.6 other #cache\n"
	    "nonsense cache\n127.0.0.3 localhost\n");
	check_found(&b, "cache", "127.0.0.5:6379 [::1]:6379");
	check_found(&b, "CACHE.", "127.0.0.5:6379 [::1]:6379");
	look(&b, "cache.example.");
	check_contains(b.text, "127.0.0.5:6379");
	check_found(&b, "other", "127.0.0.6:6379");
	look(&b, "localhost");
	check_contains(b.text, "127.0.0.3:6379");
	check_int(b.inside, 1);
	check_int(b.server.asked, 0);
	bed_close(&b);
}

/* The search list is for names without a final dot. */
EVKV_TEST(resolver_lookups, search_lists)
{
	struct bed b;

	bed_open(&b, records);
	dns_resolv(&b.dns,
	    "nameserver 127.0.0.1\n"
	    "search no.example search.example\n");
	check_found(&b, "found", "127.0.0.9:6379");
	check_found(&b, "server.example", "127.0.0.7:6379");
	check_found(&b, "server.example.", "127.0.0.7:6379");
	check_fails(&b, "found.", "does not exist");
	check_str(b.server.last, "found");
	check_fails(&b, "nowhere", "does not exist");
	/* What has an IPv4 address is not looked for elsewhere for IPv6. */
	dns_resolv(&b.dns,
	    "nameserver 127.0.0.1\noptions ndots:0\n"
	    "search search.example\n");
	check_found(&b, "wild", "127.0.0.10:6379");
	bed_close(&b);
}

EVKV_TEST(resolver_lookups, names_that_can_not_be)
{
	char label[65], name[301];
	struct bed b;
	unsigned i;

	memset(label, 'a', sizeof(label) - 1);
	label[64] = '\0';
	memset(name, 'b', sizeof(name) - 1);
	name[300] = '\0';
	for (i = 50; i < 300; i += 50)
		name[i] = '.';
	bed_open(&b, records);
	check_fails(&b, label, "no name may be like that");
	check_fails(&b, name, "");
	check_fails(&b, "a..b", "no name may be like that");
	check_fails(&b, "", "");
	check_fails(&b, "127.0.0.1:80", "");
	check_fails(&b, ".", "");
	/* This one may be, and is asked for. */
	check_fails(&b, label + 1, "does not exist");
	bed_close(&b);
}

/* Sixteen of them, though there are more. */
EVKV_TEST(resolver_lookups, more_addresses_than_are_tried)
{
	struct dns_record many[41] = { { NULL, NULL } };
	char data[40][16];
	struct bed b;
	unsigned i;

	for (i = 0; i < 40; i++) {
		snprintf(data[i], sizeof(data[i]), "127.0.1.%u", i + 1);
		many[i].name = "many.example";
		many[i].data = data[i];
	}
	bed_open(&b, many);
	look(&b, "many.example");
	check_status(b.status, EVKV_OK);
	check_int(b.count, EVKV_ADDRESSES_MAX);
	bed_close(&b);
}

/* ---- Servers ----------------------------------------------------------- */

EVKV_TEST(resolver_lookups, a_truncated_answer_is_asked_for_by_tcp)
{
	struct bed b;

	bed_open(&b, records);
	b.server.truncates = true;
	check_found(&b, "server.example", "127.0.0.7:6379");
	check_between(b.server.asked_tcp, 1, 2);
	/* The connection is closed, and nobody is killed by it. */
	b.server.drops_tcp = true;
	look_within(&b, "server.example", 50);
	check_int(b.count, 0);
	bed_close(&b);
}

EVKV_TEST(resolver_lookups, a_server_that_ignores_ipv6)
{
	struct bed b;
	unsigned i;

	bed_open(&b, records);
	b.server.only_a = true;
	begin(&b, "server.example", 5000);
	rig_until(&b.rig, b.server.asked == 2);
	for (i = 0; i < 3; i++)
		rig_turn_waiting(&b.rig);
	check_int(b.calls, 0);
	rig_advance(&b.rig, 801);
	rig_wait(&b.rig, &b.calls);
	check_str(b.text, "127.0.0.7:6379");
	/* What is still asked keeps nobody up. */
	settle(&b);
	bed_close(&b);
}

/* Within half a second, the try's own limit being five. */
EVKV_TEST(resolver_lookups, a_first_server_that_is_silent)
{
	struct dns_server silent = { .silent = true };
	struct bed b;
	int64_t begun;

	bed_open(&b, records);
	dns_serve(&b.dns, &silent, "127.0.0.2");
	dns_resolv(&b.dns, "nameserver 127.0.0.2\nnameserver 127.0.0.1\n");
	begun = rig_deadline();
	check_found(&b, "server.example", "127.0.0.7:6379");
	check_between(rig_deadline() - begun, 400, 2000);
	check(silent.asked > 0);
	/* Who has little time waits less for it. */
	begun = rig_deadline();
	look_within(&b, "server.example", 1000);
	check_str(b.text, "127.0.0.7:6379");
	check_between(rig_deadline() - begun, 50, 400);
	bed_close(&b);
}

EVKV_TEST(resolver_lookups, a_first_server_that_is_gone_or_fails)
{
	struct dns_server failing = { .code = 2 };
	struct bed b;
	int64_t begun = rig_deadline();

	bed_open(&b, records);
	dns_resolv(&b.dns, "nameserver 127.0.0.2\nnameserver 127.0.0.1\n");
	check_found(&b, "server.example", "127.0.0.7:6379");
	/* The newer c-ares remembers that it was gone, for a channel's life. */
	dns_serve(&b.dns, &failing, "127.0.0.2");
	evkv_resolver_doubt(b.rig.loop);
	rig_advance(&b.rig, 101);
	check_found(&b, "server.example", "127.0.0.7:6379");
	check(failing.asked > 0);
	failing.code = 5;
	evkv_resolver_doubt(b.rig.loop);
	rig_advance(&b.rig, 101);
	check_found(&b, "server.example", "127.0.0.7:6379");
	check_between(rig_deadline() - begun, 0, 400);
	b.server.code = 5;
	check_fails(&b, "server.example", "name server");
	bed_close(&b);
}

/* An answer that comes after the next server was asked counts. */
EVKV_TEST(resolver_lookups, an_answer_that_is_late)
{
	struct dns_server other = { .silent = true };
	struct bed b;

	bed_open(&b, records);
	b.server.held = true;
	dns_serve(&b.dns, &other, "127.0.0.2");
	dns_resolv(&b.dns, "nameserver 127.0.0.1\nnameserver 127.0.0.2\n");
	begin(&b, "server.example", 1000);
	rig_until(&b.rig, other.asked >= 2);
	dns_release(&b.server);
	rig_wait(&b.rig, &b.calls);
	check_str(b.text, "127.0.0.7:6379");
	bed_close(&b);
}

/* ---- Canceling --------------------------------------------------------- */

EVKV_TEST(resolver_lookups, canceled_at_once)
{
	struct bed b;
	unsigned i;

	bed_open(&b, records);
	b.server.silent = true;
	for (i = 0; i < 3; i++) {
		begin(&b, "server.example", 5000);
		if (i > 0)
			rig_until(&b.rig, b.server.asked >= 2 * i);
		evkv_lookup_cancel(b.lookup);
		settle(&b);
	}
	check_int(b.calls, 0);
	/* One of two: the other goes on. */
	b.server.silent = false;
	b.server.held = true;
	begin(&b, "server.example", 5000);
	evkv_lookup_cancel(evkv_lookup_start(b.rig.loop, "node.example", 1,
	    5000, bed_told, &b));
	rig_until(&b.rig, b.server.kept_count >= 2);
	dns_release(&b.server);
	rig_wait(&b.rig, &b.calls);
	check_str(b.text, "127.0.0.7:6379");
	check_int(b.calls, 1);
	bed_close(&b);
}

struct chain {
	struct bed *bed;
	struct evkv_lookup *other;
	unsigned calls;
};

static void chain_told(const struct evkv_lookup_result *result, void *arg)
{
	struct chain *chain = arg;

	check_status(result->status, EVKV_OK);
	chain->calls++;
	evkv_lookup_cancel(chain->other);
	chain->other = NULL;
	begin(chain->bed, "node.example", 5000);
}

/* A callback cancels one that is over too, and begins another. */
EVKV_TEST(resolver_lookups, a_callback_may_do_anything)
{
	struct chain chain = { .calls = 0 };
	struct bed b;

	bed_open(&b, records);
	chain.bed = &b;
	check(evkv_lookup_start(b.rig.loop, "server.example", 1, 5000,
		  chain_told, &chain) != NULL);
	chain.other = evkv_lookup_start(b.rig.loop, "alias.example", 1, 5000,
	    bed_told, &b);
	rig_wait(&b.rig, &b.calls);
	check_int(chain.calls, 1);
	check_int(b.calls, 1);
	check_str(b.text, "127.0.0.8:6379");
	bed_close(&b);
}

/* The loop ends with lookups under way, whose owners are gone. */
EVKV_TEST(resolver_lookups, the_loop_ends_first)
{
	struct bed b;

	bed_open(&b, records);
	b.server.silent = true;
	begin(&b, "server.example", 5000);
	begin(&b, "node.example", 5000);
	rig_until(&b.rig, b.server.asked >= 2);
	bed_close(&b);
	check_int(b.calls, 0);
}
