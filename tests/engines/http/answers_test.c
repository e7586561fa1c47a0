/*
 * tests/engines/http/answers_test.c - requests and answers, where nothing goes
 * wrong but what they say.
 */
#include <stdlib.h>
#include <string.h>

#include "scene.h"

static char large[300000];

static const char *large_text(void)
{
	for (size_t i = 0; i < sizeof(large) - 1; i++)
		large[i] = (char)('a' + i * i % 23);
	return large;
}

EVKV_TEST(http_answers, a_get_and_its_answer)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	web_answer(s.webs[0], 404, "application/json; charset=UTF-8",
	    "{\"found\":false}");
	scene_get(&s, &call, "/index/_doc/1?pretty");
	check_int(call.fate, EVKV_HTTP_ANSWERED);
	check_int(call.code, 404);
	check_str(call.type, "application/json; charset=UTF-8");
	check_str(call.body, "{\"found\":false}");
	check_int(call.found, EVKV_HTTP_BODY_END);
	check_int(call.sendings, 1);
	check_str(s.webs[0]->method, "GET");
	check_str(s.webs[0]->path, "/index/_doc/1?pretty");
	check(web_has_header(s.webs[0], "User-Agent: evkv"));
	check(strstr(s.webs[0]->head, "Accept-Encoding") == NULL);
	check_int(s.state, EVKV_STATE_READY);
	scene_close(&s);
}

EVKV_TEST(http_answers, a_post_has_its_body)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	scene_post(&s, &call, "/_bulk", evkv_str(large_text()));
	check_int(call.code, 200);
	check_str(s.webs[0]->method, "POST");
	check_int(s.webs[0]->body_size, sizeof(large) - 1);
	check(memcmp(s.webs[0]->body, large, sizeof(large) - 1) == 0);
	check(web_has_header(s.webs[0], "Content-Type: application/json"));
	check(strstr(s.webs[0]->head, "Expect") == NULL);
	scene_close(&s);
}

EVKV_TEST(http_answers, other_methods)
{
	static const char *const methods[] = { "PUT", "DELETE", "HEAD", "GET",
		"HEAD", "POST" };
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		call_get(&s, &call, "/index");
		call.http.method = methods[i];
		/* It has no body to come, whatever its head says. */
		if (strcmp(methods[i], "HEAD") == 0)
			web_answer_raw(s.webs[0],
			    "HTTP/1.1 200 OK\r\n"
			    "Content-Length: 0\r\n\r\n",
			    38);
		rig_wait(&s.rig, &call.calls);
		check_int(call.code, 200);
		check_str(s.webs[0]->method, methods[i]);
		check_int(s.webs[0]->body_size, 0);
	}
	check_int(s.webs[0]->peer->accepted, 1);
	scene_close(&s);
}

EVKV_TEST(http_answers, connections_are_kept_and_bounded)
{
	struct call calls[40];
	struct scene s;
	unsigned left = 40;

	scene_open(&s, 1);
	memset(calls, 0, sizeof(calls));
	for (size_t i = 0; i < 40; i++)
		call_get(&s, &calls[i], "/");
	check_int(scene_counters(&s).waiting, 40);
	rig_until(&s.rig, scene_counters(&s).running > 0);
	check_int(scene_counters(&s).running, 4);
	for (size_t i = 0; i < 40; i++, left--)
		rig_wait(&s.rig, &calls[i].calls);
	check_int(left, 0);
	check_int(s.webs[0]->requests, 40);
	check_between(s.webs[0]->peer->accepted, 1, 4);
	check_int(scene_counters(&s).running, 0);
	scene_close(&s);
}

EVKV_TEST(http_answers, too_many_are_refused)
{
	struct call calls[3];
	struct scene s;

	scene_begin(&s, 1, NULL);
	s.options.max_waiting = 2;
	scene_client(&s);
	memset(calls, 0, sizeof(calls));
	for (size_t i = 0; i < 3; i++)
		call_get(&s, &calls[i], "/");
	check_int(calls[2].calls, 0); /* never inside start */
	rig_wait(&s.rig, &calls[2].calls);
	check_status(calls[2].status, EVKV_BUSY);
	check_int(calls[2].fate, EVKV_HTTP_UNSENT);
	rig_wait(&s.rig, &calls[1].calls);
	check_int(calls[1].code, 200);
	scene_close(&s);
}

EVKV_TEST(http_answers, chunked_and_compressed)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_begin(&s, 1, NULL);
	s.options.gzip = true;
	scene_client(&s);
	web_answer_chunked(s.webs[0], "text/plain", "some words in chunks", 3);
	scene_get(&s, &call, "/");
	check_str(call.body, "some words in chunks");
	check(web_has_header(s.webs[0], "Accept-Encoding: gzip"));
	web_answer_gzip(s.webs[0], "text/plain", "words", 5);
	scene_get(&s, &call, "/");
	check_str(call.body, "words");
	web_answer_gzip(s.webs[0], "text/plain", large_text(),
	    sizeof(large) - 1);
	scene_get(&s, &call, "/");
	check_int(call.found, EVKV_HTTP_BODY_END);
	check_int(call.body_size, sizeof(large) - 1);
	check(memcmp(call.body, large, sizeof(call.body) - 1) == 0);
	check_between(call.largest_piece, 1, EVKV_HTTP_PIECE_MAX);
	web_answer_gzip(s.webs[0], "text/plain", "", 0);
	scene_get(&s, &call, "/");
	check_int(call.found, EVKV_HTTP_BODY_END);
	check_int(call.body_size, 0);
	scene_close(&s);
}

EVKV_TEST(http_answers, a_request_is_compressed)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_begin(&s, 1, NULL);
	s.options.gzip = true;
	scene_client(&s);
	scene_post(&s, &call, "/", evkv_str(large_text()));
	check_int(call.code, 200);
	check(web_has_header(s.webs[0], "Content-Encoding: gzip"));
	check(s.webs[0]->body_size < sizeof(large) / 2);
	check_int((unsigned char)s.webs[0]->body[0], 0x1f);
	scene_post(&s, &call, "/", EVKV_LIT("short"));
	check_str(s.webs[0]->body, "short");
	check(!web_has_header(s.webs[0], "Content-Encoding: gzip"));
	scene_close(&s);
}

EVKV_TEST(http_answers, what_is_damaged_or_too_long)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_begin(&s, 1, NULL);
	s.options.gzip = true;
	s.options.max_answer_bytes = 100000;
	scene_client(&s);
	web_answer(s.webs[0], 200, "text/plain", large_text());
	scene_post(&s, &call, "/", EVKV_LIT("x"));
	check_int(call.fate, EVKV_HTTP_SENT);
	check_status(call.status, EVKV_TOO_LARGE);
	web_answer_chunked(s.webs[0], "text/plain", large_text(), 5000);
	scene_get(&s, &call, "/");
	check_status(call.status, EVKV_TOO_LARGE);
	/* A small one that unpacks to much. */
	memset(large, 'a', sizeof(large) - 1);
	web_answer_gzip(s.webs[0], "text/plain", large, sizeof(large) - 1);
	scene_get(&s, &call, "/");
	check_int(call.fate, EVKV_HTTP_ANSWERED);
	check_int(call.found, EVKV_HTTP_BODY_DAMAGED);
	check_between(call.body_size, 1, 100000);
	s.webs[0]->answer[s.webs[0]->answer_size - 9] ^= 1;
	web_answer_gzip(s.webs[0], "text/plain", "words", 5);
	s.webs[0]->answer[s.webs[0]->answer_size - 6] ^= 1;
	scene_get(&s, &call, "/");
	check_int(call.found, EVKV_HTTP_BODY_DAMAGED);
	/* The client is none the worse for it. */
	web_answer(s.webs[0], 200, "text/plain", "good");
	scene_get(&s, &call, "/");
	check_str(call.body, "good");
	scene_close(&s);
}

EVKV_TEST(http_answers, redirects_are_not_followed)
{
	static const char moved[] =
	    "HTTP/1.1 301 Moved\r\n"
	    "Location: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
	struct call call = { .calls = 0 };
	struct scene s;

	scene_open(&s, 1);
	web_answer_raw(s.webs[0], moved, sizeof(moved) - 1);
	scene_get(&s, &call, "/");
	check_int(call.fate, EVKV_HTTP_ANSWERED);
	check_int(call.code, 301);
	check_int(s.webs[0]->requests, 1);
	scene_close(&s);
}

EVKV_TEST(http_answers, the_environment_names_no_proxy)
{
	struct call call = { .calls = 0 };
	struct scene s;

	check(setenv("http_proxy", "http://127.0.0.1:1", 1) == 0);
	check(setenv("ALL_PROXY", "http://127.0.0.1:1", 1) == 0);
	scene_open(&s, 1);
	scene_get(&s, &call, "/");
	check_int(call.code, 200);
	check_str(s.webs[0]->path, "/");
	check(unsetenv("http_proxy") == 0 && unsetenv("ALL_PROXY") == 0);
	scene_close(&s);
}

EVKV_TEST(http_answers, a_proxy_that_is_asked_for)
{
	struct call call = { .calls = 0 };
	struct evkv_http_node node = { .host = "server.example", .port = 9200 };
	struct scene s;

	scene_begin(&s, 1, NULL);
	s.options.nodes = &node;
	s.options.proxy_host = "localhost";
	s.options.proxy_port = s.webs[0]->peer->port;
	scene_client(&s);
	scene_get(&s, &call, "/thing");
	check_int(call.code, 200);
	check_str(s.webs[0]->path, "http://server.example:9200/thing");
	scene_close(&s);
}

EVKV_TEST(http_answers, credentials)
{
	struct call call = { .calls = 0 };
	struct scene s;

	scene_begin(&s, 1, NULL);
	s.options.user = "elastic";
	s.options.password = "pa:ss";
	scene_client(&s);
	scene_get(&s, &call, "/");
	check(web_has_header(s.webs[0],
	    "Authorization: Basic ZWxhc3RpYzpwYTpzcw=="));
	evkv_http_free(s.client);
	s.options.user = s.options.password = NULL;
	s.options.api_key = "aWQ6a2V5";
	scene_client(&s);
	scene_get(&s, &call, "/");
	check(web_has_header(s.webs[0], "Authorization: ApiKey aWQ6a2V5"));
	evkv_http_free(s.client);
	s.options.api_key = NULL;
	s.options.bearer = "token";
	scene_client(&s);
	scene_get(&s, &call, "/");
	check(web_has_header(s.webs[0], "Authorization: Bearer token"));
	scene_close(&s);
}

#define OPTIONS_(...)                                                          \
	{                                                                      \
		.nodes = &good, .node_count = 1, __VA_ARGS__                   \
	}

/* Each with a word of what is said of it; those without are taken. */
EVKV_TEST(http_answers, options_and_their_bounds)
{
	static char name[257], header[4098];
	const struct evkv_http_node good = { "localhost", 65535 };
	const struct evkv_http_node nodes[] = { { "a/b", 1 }, { "a b", 1 },
		{ NULL, 1 }, { "", 1 }, { name, 1 }, { name + 1, 1 },
		{ "h", 0 }, { "h", 65536 } };
	const struct evkv_http_node many[65] = { good };
	const struct {
		struct evkv_http_options options;
		const char *word;
	} rows[] = {
		{ OPTIONS_(.user = "u", .password = "p"), NULL },
		{ OPTIONS_(.password = "p"), "a password needs a user" },
		{ OPTIONS_(.user = "u", .bearer = "b"), "exclude each other" },
		{ OPTIONS_(.user = "u", .api_key = "k"), "exclude each other" },
		{ OPTIONS_(.bearer = "b", .api_key = "k"),
		    "exclude each other" },
		{ OPTIONS_(.user = "a:b"), "no colon" },
		{ OPTIONS_(.user = "a\rb"), "no line" },
		{ OPTIONS_(.user = "u", .password = "a\nb"), "no line" },
		{ OPTIONS_(.api_key = "a\r\nb"), "no line" },
		{ OPTIONS_(.bearer = "a\nb"), "no line" },
		{ OPTIONS_(.bearer = header), "at most 4096" },
		{ OPTIONS_(.bearer = header + 1), NULL },
		{ OPTIONS_(.proxy_host = "p"), "proxy_port" },
		{ OPTIONS_(.proxy_host = "p", .proxy_port = 65536),
		    "proxy_port" },
		{ OPTIONS_(.proxy_host = "p", .proxy_port = 65535), NULL },
		{ OPTIONS_(.tls_key_file = "k"), "tls_key_file" },
		{ OPTIONS_(.connect_timeout_ms = -1), "times must be" },
		{ OPTIONS_(.request_timeout_ms = -1), "times must be" },
		{ OPTIONS_(.backoff_max_ms = -1), "times must be" },
		{ OPTIONS_(.keep_alive_ms = INT64_C(1) << 40),
		    "times must be" },
		{ OPTIONS_(.keep_alive_ms = (INT64_C(1) << 40) - 1), NULL },
		{ { .nodes = &good }, "1 to 64 nodes" },
		{ { .nodes = many, .node_count = 65 }, "1 to 64 nodes" },
		{ { .nodes = &nodes[0], .node_count = 1 }, "no host has" },
		{ { .nodes = &nodes[1], .node_count = 1 }, "no host has" },
		{ { .nodes = &nodes[2], .node_count = 1 }, "1 to 255 bytes" },
		{ { .nodes = &nodes[3], .node_count = 1 }, "1 to 255 bytes" },
		{ { .nodes = &nodes[4], .node_count = 1 }, "1 to 255 bytes" },
		{ { .nodes = &nodes[5], .node_count = 1 }, NULL },
		{ { .nodes = &nodes[6], .node_count = 1 }, "1 to 65535" },
		{ { .nodes = &nodes[7], .node_count = 1 }, "1 to 65535" },
	};
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_http *client;
	struct rig rig;

	memset(name, 'n', sizeof(name) - 1);
	memset(header, 'h', sizeof(header) - 1);
	rig_open(&rig);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		evkv_error_clear(&error);
		test_from("rows", (int)i);
		client = evkv_http_new(rig.loop, &rows[i].options, &error);
		check_int(client != NULL, rows[i].word == NULL);
		if (rows[i].word != NULL)
			check_invalid(error, rows[i].word);
		evkv_http_free(client);
	}
	test_from(NULL, 0);
	evkv_error_clear(&error);
	check(evkv_http_new(NULL, &rows[0].options, &error) == NULL);
	check_invalid(error, "loop is NULL");
	rig_close(&rig);
}

EVKV_TEST(http_answers, files_that_are_not_there)
{
	const struct evkv_http_node good = { "localhost", 9200 };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig;

	rig_open(&rig);
	check(evkv_http_new(rig.loop,
		  &(struct evkv_http_options){ .nodes = &good,
		      .node_count = 1,
		      .tls = true,
		      .tls_ca_file = "/nowhere/ca.pem" },
		  &error) == NULL);
	check_status(error.status, EVKV_IO);
	check_contains(error.message, "/nowhere/ca.pem");
	rig_close(&rig);
}
