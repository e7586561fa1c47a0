/*
 * bench/elasticsearch_raw.c - libcurl by hand: easy handles that are used
 * again, bodies written by snprintf(), answers searched for what counts.
 */
#include "elasticsearch_raw.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "evkv/base64.h"

#define RAW_HANDLES 256
#define RAW_BODY ((size_t)1 << 20)

struct raw_request {
	CURL *easy;
	struct raw *raw;
	char *body, *answer;
	size_t body_size, answer_size;
};

struct raw {
	CURLM *multi;
	char base[64];
	struct curl_slist *json, *lines;
	struct raw_request requests[RAW_HANDLES];
	uint64_t random;
	char value[EVKV_BASE64_SIZE(RAW_VALUE) + 1];
	bool puts;
	size_t batch, left, waiting;
};

void raw_key(char key[9], uint64_t *random)
{
	snprintf(key, 9, "k%07u", (unsigned)(bench_random(random) % RAW_KEYS));
}

static void raw_hex(const char *key, char *hex)
{
	for (; *key != '\0'; key++, hex += 2)
		snprintf(hex, 3, "%02x", (unsigned char)*key);
}

static size_t raw_on_data(char *data, size_t one, size_t size, void *arg)
{
	struct raw_request *request = arg;

	(void)one;
	bench_check(request->answer_size + size < RAW_BODY);
	memcpy(request->answer + request->answer_size, data, size);
	request->answer_size += size;
	return size;
}

static size_t raw_document(const struct raw *raw, char *to, size_t room,
    const char *key)
{
	char hex[32];

	raw_hex(key, hex);
	return (size_t)snprintf(to, room,
	    "{\"collection\":\"c\",\"key\":\"%s\",\"value\":\"%s\"}", hex,
	    raw->value);
}

/* A request for one operation has a path of its own. */
static void raw_one(struct raw *raw, struct raw_request *request)
{
	char key[9], url[160];

	raw_key(key, &raw->random);
	snprintf(url, sizeof(url), "%s/_doc/c:%s", raw->base, key);
	curl_easy_setopt(request->easy, CURLOPT_URL, url);
	if (!raw->puts) {
		curl_easy_setopt(request->easy, CURLOPT_HTTPGET, 1L);
		return;
	}
	request->body_size = raw_document(raw, request->body, RAW_BODY, key);
	curl_easy_setopt(request->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(request->easy, CURLOPT_CUSTOMREQUEST, "PUT");
}

static void raw_many(struct raw *raw, struct raw_request *request, size_t count)
{
	char key[9], url[160], *at = request->body;
	char *end = request->body + RAW_BODY;

	snprintf(url, sizeof(url), "%s/%s", raw->base,
	    raw->puts ? "_bulk" : "_mget");
	curl_easy_setopt(request->easy, CURLOPT_URL, url);
	if (!raw->puts)
		at += sprintf(at, "{\"docs\":[");
	for (size_t i = 0; i < count; i++) {
		raw_key(key, &raw->random);
		if (raw->puts) {
			at += snprintf(at, (size_t)(end - at),
			    "{\"index\":{\"_id\":\"c:%s\"}}\n", key);
			at += raw_document(raw, at, (size_t)(end - at), key);
			*at++ = '\n';
		} else {
			at += snprintf(at, (size_t)(end - at),
			    "%s{\"_id\":\"c:%s\"}", i > 0 ? "," : "", key);
		}
	}
	if (!raw->puts)
		at += sprintf(at, "]}");
	request->body_size = (size_t)(at - request->body);
	curl_easy_setopt(request->easy, CURLOPT_POST, 1L);
}

static void raw_start(struct raw *raw, struct raw_request *request)
{
	size_t count = raw->left < raw->batch ? raw->left : raw->batch;

	request->answer_size = 0;
	if (raw->batch == 1)
		raw_one(raw, request);
	else
		raw_many(raw, request, count);
	if (raw->puts || raw->batch > 1) {
		curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE,
		    (long)request->body_size);
		curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS,
		    request->body);
	}
	curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER,
	    raw->puts && raw->batch > 1 ? raw->lines : raw->json);
	raw->left -= count;
	raw->waiting++;
	curl_multi_add_handle(raw->multi, request->easy);
}

/* How often a text stands in the answer: what a reader would look for. */
static size_t raw_count(const struct raw_request *request, const char *text)
{
	const char *at = request->answer, *end = at + request->answer_size;
	size_t size = strlen(text), count = 0;

	while ((at = memmem(at, (size_t)(end - at), text, size)) != NULL) {
		count++;
		at += size;
	}
	return count;
}

static void raw_done(struct raw *raw, struct raw_request *request)
{
	if (raw->puts)
		bench_check(raw_count(request, "\"_seq_no\":") > 0);
	else
		bench_check(raw_count(request, "\"found\":true") > 0);
	curl_multi_remove_handle(raw->multi, request->easy);
	raw->waiting--;
	if (raw->left > 0)
		raw_start(raw, request);
}

static void raw_run(struct raw *raw, size_t ops, size_t batch, size_t requests)
{
	struct CURLMsg *message;
	struct raw_request *request;
	int running, left;

	raw->batch = batch;
	raw->left = ops;
	raw->waiting = 0;
	for (size_t i = 0; i < requests && raw->left > 0; i++)
		raw_start(raw, &raw->requests[i]);
	while (raw->waiting > 0) {
		curl_multi_perform(raw->multi, &running);
		while ((message = curl_multi_info_read(raw->multi, &left)) !=
		    NULL) {
			bench_check(message->data.result == CURLE_OK);
			curl_easy_getinfo(message->easy_handle,
			    CURLINFO_PRIVATE, &request);
			raw_done(raw, request);
		}
		if (raw->waiting > 0)
			curl_multi_poll(raw->multi, NULL, 0, 100, NULL);
	}
}

void raw_gets(struct raw *raw, size_t ops, size_t batch, size_t requests)
{
	raw->puts = false;
	raw_run(raw, ops, batch, requests);
}

void raw_puts(struct raw *raw, size_t ops, size_t batch, size_t requests)
{
	raw->puts = true;
	raw_run(raw, ops, batch, requests);
}

struct raw *raw_open(int port)
{
	struct raw *raw = bench_malloc(sizeof(*raw));
	char value[RAW_VALUE];

	memset(raw, 0, sizeof(*raw));
	raw->random = 1;
	raw->multi = curl_multi_init();
	curl_multi_setopt(raw->multi, CURLMOPT_MAXCONNECTS, (long)RAW_HANDLES);
	snprintf(raw->base, sizeof(raw->base), "http://127.0.0.1:%d/%s", port,
	    RAW_INDEX);
	raw->json = curl_slist_append(NULL, "Content-Type: application/json");
	raw->lines = curl_slist_append(NULL,
	    "Content-Type: application/x-ndjson");
	raw->json = curl_slist_append(raw->json, "Expect:");
	raw->lines = curl_slist_append(raw->lines, "Expect:");
	memset(value, 'v', sizeof(value));
	evkv_base64_encode(evkv_bytes(value, sizeof(value)), raw->value);
	for (size_t i = 0; i < RAW_HANDLES; i++) {
		struct raw_request *request = &raw->requests[i];

		request->raw = raw;
		request->easy = curl_easy_init();
		request->body = bench_malloc(RAW_BODY);
		request->answer = bench_malloc(RAW_BODY);
		curl_easy_setopt(request->easy, CURLOPT_PRIVATE, request);
		curl_easy_setopt(request->easy, CURLOPT_WRITEFUNCTION,
		    raw_on_data);
		curl_easy_setopt(request->easy, CURLOPT_WRITEDATA, request);
	}
	return raw;
}

void raw_close(struct raw *raw)
{
	for (size_t i = 0; i < RAW_HANDLES; i++) {
		curl_easy_cleanup(raw->requests[i].easy);
		free(raw->requests[i].body);
		free(raw->requests[i].answer);
	}
	curl_multi_cleanup(raw->multi);
	curl_slist_free_all(raw->json);
	curl_slist_free_all(raw->lines);
	free(raw);
}
