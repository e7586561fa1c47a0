/*
 * bench/elasticsearch_peer.c - answers as OpenSearch 2.19 writes them, to the
 * requests that the bench's clients make.
 */
#include "elasticsearch_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "elasticsearch_raw.h"
#include "evkv/base64.h"

#define HEAD_MAX 128

#define MAPPING                                                                \
	"{\"" RAW_INDEX "\":{\"mappings\":{\"properties\":{\"collection\":{"   \
	"\"type\":\"keyword\"},\"key\":{\"type\":\"keyword\"},"                \
	"\"expires_at\":{\"type\":\"date\"}}}}}"

/* The answer: room for its head, then its body. */
static struct {
	char *bytes;
	size_t size, room;
} out;

static char small[EVKV_BASE64_SIZE(RAW_VALUE) + 1];
static char large[EVKV_BASE64_SIZE(PEER_LARGE_SIZE) + 1];

static void make_value(char *text, size_t size)
{
	char *value = bench_malloc(size);

	memset(value, 'v', size);
	text[evkv_base64_encode(evkv_bytes(value, size), text)] = '\0';
	free(value);
}

static void add(const char *text, size_t size)
{
	if (out.size + size > out.room) {
		out.room = (out.size + size) * 2;
		out.bytes = realloc(out.bytes, out.room);
		bench_check(out.bytes != NULL);
	}
	memcpy(out.bytes + out.size, text, size);
	out.size += size;
}

static void add_text(const char *text)
{
	add(text, strlen(text));
}

/* What is between `at` and the next quote, which is the end of an _id. */
static struct evkv_slice id_at(const char *at, const char *end)
{
	const char *quote = memchr(at, '"', (size_t)(end - at));

	bench_check(quote != NULL);
	return evkv_bytes(at, (size_t)(quote - at));
}

static void say_document(struct evkv_slice id)
{
	static const char digits[] = "0123456789abcdef";
	const char *name = id.data, *colon = memchr(name, ':', id.size);
	bool is_large = memcmp(name, PEER_LARGE ":", sizeof(PEER_LARGE)) == 0;
	char hex[2];

	bench_check(colon != NULL);
	add_text("{\"_index\":\"" RAW_INDEX "\",\"_id\":\"");
	add(name, id.size);
	add_text("\",\"_version\":7,\"_seq_no\":123456,\"_primary_term\":1,"
		 "\"found\":true,\"_source\":{\"collection\":\"");
	add(name, (size_t)(colon - name));
	add_text("\",\"key\":\"");
	for (const char *at = colon + 1; at < name + id.size; at++) {
		hex[0] = digits[(unsigned char)*at >> 4];
		hex[1] = digits[*at & 15];
		add(hex, 2);
	}
	add_text("\",\"value\":\"");
	add_text(is_large ? large : small);
	add_text("\"}}");
}

static void say_written(struct evkv_slice id, bool bulk)
{
	add_text(bulk ? "{\"index\":{" : "{");
	add_text("\"_index\":\"" RAW_INDEX "\",\"_id\":\"");
	add(id.data, id.size);
	add_text("\",\"_version\":8,\"result\":\"updated\",\"_shards\":{"
		 "\"total\":1,\"successful\":1,\"failed\":0},\"_seq_no\":"
		 "123456,\"_primary_term\":1");
	add_text(bulk ? ",\"status\":200}}" : "}");
}

/* Each _id in the body has its document, or item. */
static void say_each(const char *body, size_t size, bool bulk)
{
	static const char mark[] = "\"_id\":\"";
	const char *at = body, *end = body + size, *comma = "";
	struct evkv_slice id;

	add_text(bulk ? "{\"took\":3,\"errors\":false,\"items\":["
		      : "{\"docs\":[");
	while ((at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1)) !=
	    NULL) {
		at += sizeof(mark) - 1;
		id = id_at(at, end);
		add_text(comma);
		comma = ",";
		if (bulk)
			say_written(id, true);
		else
			say_document(id);
		at += id.size;
	}
	add_text("]}");
}

/* By the request line: "POST /index/_mget HTTP/1.1". */
static void say(const char *head, const char *body, size_t size)
{
	const char *at = memchr(head, '/', 16);
	const char *end = memchr(at, ' ', (size_t)(body - at)), *one;
	char path[128];

	bench_check(end != NULL && (size_t)(end - at) < sizeof(path));
	memcpy(path, at, (size_t)(end - at));
	path[end - at] = '\0';
	one = strstr(path, "/_doc/");
	if (strstr(path, "/_mget") != NULL) {
		say_each(body, size, false);
	} else if (strstr(path, "/_bulk") != NULL) {
		say_each(body, size, true);
	} else if (one != NULL) {
		one += strlen("/_doc/");
		if (head[0] == 'P')
			say_written(evkv_str(one), false);
		else
			say_document(evkv_str(one));
	} else {
		add_text(MAPPING);
	}
}

/* How long a whole request is, 0 = it is not there yet; and where its body. */
static size_t request_size(const char *bytes, size_t size, size_t *head)
{
	static const char length[] = "\r\nContent-Length: ";
	const char *end = memmem(bytes, size, "\r\n\r\n", 4), *at;
	size_t body = 0;

	if (end == NULL)
		return 0;
	*head = (size_t)(end - bytes) + 4;
	at = memmem(bytes, *head, length, sizeof(length) - 1);
	if (at != NULL)
		body = strtoul(at + sizeof(length) - 1, NULL, 10);
	return *head + body <= size ? *head + body : 0;
}

size_t elasticsearch_peer_answer(const char *bytes, size_t size,
    struct evkv_slice *answer)
{
	size_t head, used = request_size(bytes, size, &head), at;
	char text[HEAD_MAX];

	if (used == 0)
		return 0;
	if (small[0] == '\0') {
		make_value(small, RAW_VALUE);
		make_value(large, PEER_LARGE_SIZE);
	}
	/* The head comes last, when the length is known. */
	memset(text, ' ', sizeof(text));
	out.size = 0;
	add(text, sizeof(text));
	say(bytes, bytes + head, used - head);
	at = (size_t)snprintf(text, sizeof(text),
	    "HTTP/1.1 200 OK\r\ncontent-type: application/json; "
	    "charset=UTF-8\r\ncontent-length: %zu\r\n\r\n",
	    out.size - HEAD_MAX);
	memcpy(out.bytes + HEAD_MAX - at, text, at);
	*answer = evkv_bytes(out.bytes + HEAD_MAX - at,
	    out.size - HEAD_MAX + at);
	return used;
}
