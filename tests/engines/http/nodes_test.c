/*
 * tests/engines/http/nodes_test.c - several servers, and names.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dns.h"
#include "scene.h"

EVKV_TEST(http_nodes, requests_go_round)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 3);
	for (int i = 0; i < 9; i++)
		scene_get(&s, &call, "/");
	for (int i = 0; i < 3; i++)
		check_int(s.webs[i]->requests, 3);
	scene_close(&s);
}

/* A dead node costs one request a detour, and is left alone for its time. */
EVKV_TEST(http_nodes, a_dead_node_is_left_alone_and_comes_back)
{
	struct call call = { .calls = 0 };
	struct scene s;
	unsigned tries;

	scene_open(&s, 2);
	peer_refuse(s.webs[0]->peer);
	for (int i = 0; i < 6; i++) {
		scene_post(&s, &call, "/", EVKV_LIT("x"));
		check_int(call.code, 200);
	}
	check_int(s.webs[1]->requests, 6);
	check_int(scene_counters(&s).dead_nodes, 1);
	tries = (unsigned)scene_counters(&s).requests;
	check_int(tries, 7);
	check_int(s.state, EVKV_STATE_READY);
	/* A second at most after the first failure, two after the second. */
	rig_advance(&s.rig, 1000);
	for (int i = 0; i < 4; i++)
		scene_post(&s, &call, "/", EVKV_LIT("x"));
	check_int(scene_counters(&s).requests, tries + 5);
	rig_advance(&s.rig, 1400);
	for (int i = 0; i < 4; i++)
		scene_post(&s, &call, "/", EVKV_LIT("x"));
	check_int(scene_counters(&s).requests, tries + 9);
	peer_accept(s.webs[0]->peer);
	rig_advance(&s.rig, 601);
	for (int i = 0; i < 4; i++)
		scene_post(&s, &call, "/", EVKV_LIT("x"));
	check_int(s.webs[0]->requests, 2);
	check_int(scene_counters(&s).dead_nodes, 0);
	check_int(scene_counters(&s).revivals, 1);
	scene_close(&s);
}

EVKV_TEST(http_nodes, the_backoff_is_bounded)
{
	struct call call = { .calls = 0 };
	struct scene s;
	uint64_t tries;

	scene_begin(&s, 2, NULL);
	s.options.backoff_max_ms = 4000;
	scene_client(&s);
	peer_refuse(s.webs[0]->peer);
	for (int i = 0; i < 20; i++) {
		rig_advance(&s.rig, 4000);
		scene_get(&s, &call, "/");
		scene_get(&s, &call, "/");
	}
	tries = scene_counters(&s).requests;
	check_int(tries, 60);
	scene_close(&s);
}

EVKV_TEST(http_nodes, a_gateway_that_has_no_server)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 2);
	web_answer(s.webs[0], 503, "text/html", "<p>no</p>");
	web_answer(s.webs[1], 200, "text/plain", "yes");
	scene_get(&s, &call, "/");
	check_str(call.body, "yes");
	check_int(s.webs[0]->requests, 1);
	/* Whether it took effect only the driver can say. */
	rig_advance(&s.rig, 1000);
	web_answer(s.webs[1], 504, "text/plain", "no");
	scene_post(&s, &call, "/", EVKV_LIT("x"));
	check_int(call.fate, EVKV_HTTP_ANSWERED);
	check(call.code == 503 || call.code == 504);
	check_int(s.webs[0]->requests + s.webs[1]->requests, 3);
	scene_close(&s);
}

EVKV_TEST(http_nodes, a_cut_answer_is_asked_for_elsewhere)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 2);
	s.webs[0]->peer->plan.cut_out = 30;
	web_answer(s.webs[1], 200, "text/plain", "yes");
	scene_get(&s, &call, "/");
	check_str(call.body, "yes");
	check_int(call.sendings, 2);
	rig_advance(&s.rig, 1000);
	scene_post(&s, &call, "/", EVKV_LIT("x"));
	check(call.fate == EVKV_HTTP_SENT ||
	    (call.code == 200 && s.webs[1]->requests == 2));
	scene_close(&s);
}

EVKV_TEST(http_nodes, all_nodes_are_dead)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 3);
	for (int i = 0; i < 3; i++)
		peer_refuse(s.webs[i]->peer);
	scene_get(&s, &call, "/");
	check_status(call.status, EVKV_UNAVAILABLE);
	check_int(scene_counters(&s).requests, 3);
	check_int(s.state, EVKV_STATE_DOWN);
	peer_accept(s.webs[2]->peer);
	scene_get(&s, &call, "/");
	check_int(call.code, 200);
	check_int(s.webs[2]->requests, 1);
	scene_close(&s);
}

EVKV_TEST(http_nodes, a_node_by_its_ipv6_address)
{
	struct call call = { .calls = 0 };
	struct scene s;
	char host[64];

	scene_begin(&s, 1, &(struct peer_options){ .ipv6 = true });
	s.nodes[0].host = "::1";
	scene_client(&s);
	scene_post(&s, &call, "/", EVKV_LIT("x"));
	check_int(call.code, 200);
	snprintf(host, sizeof(host), "Host: [::1]:%d", s.webs[0]->peer->port);
	check(web_has_header(s.webs[0], host));
	check_contains(call.message, "http [::1]:");
	scene_close(&s);
}

/* ---- Names --------------------------------------------------------------- */

static const struct dns_record two_addresses[] = {
	{ "server.example", "127.0.0.2" },
	{ "server.example", "127.0.0.1" },
	{ NULL, NULL },
};

static void begin_named(struct scene *s, struct dns *dns,
    struct dns_server *names)
{
	scene_begin(s, 1, NULL);
	memset(names, 0, sizeof(*names));
	names->records = two_addresses;
	dns_begin(dns, names, s->rig.base, s->rig.loop);
	s->nodes[0].host = "server.example";
	scene_client(s);
}

EVKV_TEST(http_nodes, a_name_with_an_address_that_refuses)
{
	struct call call = { .calls = 0 };
	struct dns_server names;
	struct dns dns;
	struct scene s;
	char host[64];

	begin_named(&s, &dns, &names);
	scene_post(&s, &call, "/", EVKV_LIT("x"));
	check_int(call.code, 200);
	snprintf(host, sizeof(host), "Host: server.example:%d",
	    s.webs[0]->peer->port);
	check(web_has_header(s.webs[0], host));
	check(names.asked > 0);
	dns_close(&dns);
	scene_close(&s);
}

EVKV_TEST(http_nodes, a_name_that_nobody_knows)
{
	struct call calls[3];
	struct dns_server names;
	struct dns dns;
	struct scene s;

	begin_named(&s, &dns, &names);
	names.records = two_addresses + 2;
	memset(calls, 0, sizeof(calls));
	for (int i = 0; i < 3; i++)
		call_get(&s, &calls[i], "/");
	for (int i = 0; i < 3; i++) {
		rig_wait(&s.rig, &calls[i].calls);
		check_status(calls[i].status, EVKV_UNAVAILABLE);
		check_int(calls[i].cause, EVKV_CAUSE_RESOLVE);
	}
	names.records = two_addresses;
	scene_get(&s, &calls[0], "/");
	check_int(calls[0].code, 200);
	dns_close(&dns);
	scene_close(&s);
}

/* Far below what a look-up takes, far above what a busy machine adds. */
#define HELD_MOST_US 500000

static int64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Its time is over before there is a server that it could be given to. */
EVKV_TEST(http_nodes, a_request_that_finds_no_server_in_time)
{
	struct call call = { .calls = 0 };
	struct dns_server names;
	struct dns dns;
	struct scene s;

	scene_begin(&s, 1, NULL);
	memset(&names, 0, sizeof(names));
	names.records = two_addresses;
	names.silent = true;
	dns_begin(&dns, &names, s.rig.base, s.rig.loop);
	s.nodes[0].host = "server.example";
	s.options.request_timeout_ms = 500;
	scene_client(&s);
	call_get(&s, &call, "/");
	rig_until(&s.rig, names.asked > 0);
	rig_advance(&s.rig, 499);
	rig_turn(&s.rig);
	check_int(call.calls, 0);
	rig_advance(&s.rig, 1);
	rig_wait(&s.rig, &call.calls);
	check_int(call.fate, EVKV_HTTP_UNSENT);
	check_status(call.status, EVKV_UNAVAILABLE);
	check_int(call.cause, EVKV_CAUSE_OFFLINE);
	check_contains(call.message, "waited too long for a server");
	evkv_http_free(s.client);
	s.client = NULL;
	dns_close(&dns);
	scene_close(&s);
}

/* The look-ups of all nodes end with the client, not only that of the first. */
EVKV_TEST(http_nodes, closing_ends_the_look_ups_of_all)
{
	struct call calls[3];
	struct dns_server names;
	struct dns dns;
	struct scene s;

	scene_begin(&s, 3, NULL);
	memset(&names, 0, sizeof(names));
	names.records = two_addresses;
	names.silent = true;
	dns_begin(&dns, &names, s.rig.base, s.rig.loop);
	for (int i = 0; i < 3; i++)
		s.nodes[i].host = "server.example";
	scene_client(&s);
	memset(calls, 0, sizeof(calls));
	for (int i = 0; i < 3; i++)
		call_get(&s, &calls[i], "/");
	rig_until(&s.rig, names.asked > 0);
	rig_turn(&s.rig);
	evkv_http_free(s.client);
	s.client = NULL;
	for (int i = 0; i < 3; i++)
		check_status(calls[i].status, EVKV_CLOSED);
	/* What they would have ended with. */
	for (int i = 0; i < 30; i++) {
		rig_advance(&s.rig, 1000);
		rig_turn(&s.rig);
	}
	dns_close(&dns);
	scene_close(&s);
}

/* Nothing waits for a name server that is silent: not libcurl, not we. */
EVKV_TEST(http_nodes, a_silent_name_server_holds_nobody)
{
	struct call calls[8], late = { .calls = 0 };
	struct dns_server names;
	struct dns dns;
	struct scene s;
	int64_t begun, held;

	begin_named(&s, &dns, &names);
	names.silent = true;
	memset(calls, 0, sizeof(calls));
	for (int i = 0; i < 8; i++)
		call_get(&s, &calls[i], "/");
	rig_until(&s.rig, names.asked > 0);
	begun = clock_us();
	for (int i = 0; i < 8; i++)
		check(evkv_http_cancel(&calls[i].http));
	rig_turn(&s.rig);
	held = clock_us() - begun;
	check_between(held, 0, HELD_MOST_US);
	/* One that waits ends in its time, and so does the look-up. */
	call_get(&s, &late, "/");
	rig_advance(&s.rig, 5000);
	rig_wait(&s.rig, &late.calls);
	check_int(late.cause, EVKV_CAUSE_RESOLVE);
	check_int(late.fate, EVKV_HTTP_UNSENT);
	call_get(&s, &late, "/");
	rig_turn(&s.rig);
	begun = clock_us();
	evkv_http_free(s.client);
	held = clock_us() - begun;
	check_between(held, 0, HELD_MOST_US);
	check_int(late.calls, 1);
	check_status(late.status, EVKV_CLOSED);
	s.client = NULL;
	dns_close(&dns);
	scene_close(&s);
}
