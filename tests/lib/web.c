/*
 * tests/lib/web.c - the scripted HTTP server.
 */
#include "web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <zlib.h>

#include "test.h"

/* ---- Requests ------------------------------------------------------------ */

static const char *header_value(const char *head, const char *name)
{
	size_t size = strlen(name);
	const char *line = strchr(head, '\n');

	for (; line != NULL; line = strchr(line + 1, '\n')) {
		if (strncasecmp(line + 1, name, size) == 0 &&
		    line[1 + size] == ':')
			return line + 1 + size + 1;
	}
	return NULL;
}

/* How long a whole request at `data` is, 0 = it is not there yet. */
static size_t request_take(struct web *web, const char *data, size_t size)
{
	const char *end = memmem(data, size, "\r\n\r\n", 4), *length;
	size_t head, body;

	if (end == NULL)
		return 0;
	head = (size_t)(end - data) + 4;
	check(head < sizeof(web->head));
	memcpy(web->head, data, head);
	web->head[head] = '\0';
	length = header_value(web->head, "Content-Length");
	body = length != NULL ? strtoul(length, NULL, 10) : 0;
	if (size - head < body)
		return 0;
	free(web->body);
	web->body = malloc(body + 1);
	check(web->body != NULL);
	memcpy(web->body, data + head, body);
	web->body[body] = '\0';
	web->body_size = body;
	check_int(sscanf(web->head, "%15s %511s", web->method, web->path), 2);
	web->requests++;
	return head + body;
}

static size_t web_respond(struct peer_conn *conn, const char *data, size_t size,
    void *arg)
{
	struct web *web = arg;
	size_t used = 0, one;

	while (used < size &&
	    (one = request_take(web, data + used, size - used)) > 0) {
		used += one;
		if (web->respond != NULL)
			web->respond(web, conn, web->arg);
		else if (web->answer != NULL)
			peer_say(conn, web->answer, web->answer_size);
	}
	return used;
}

bool web_has_header(const struct web *web, const char *line)
{
	const char *at = strstr(web->head, line);

	return at != NULL && at > web->head && at[-1] == '\n' &&
	    strncmp(at + strlen(line), "\r\n", 2) == 0;
}

/* ---- Answers ------------------------------------------------------------- */

void web_say(struct peer_conn *conn, int code, const char *type,
    struct evkv_slice body)
{
	char head[512];
	int size = snprintf(head, sizeof(head),
	    "HTTP/1.1 %d Said\r\nContent-Type: %s\r\nContent-Length: "
	    "%zu\r\n\r\n",
	    code, type, body.size);

	peer_say(conn, head, (size_t)size);
	if (body.size > 0)
		peer_say(conn, body.data, body.size);
}

void web_answer_raw(struct web *web, const void *bytes, size_t size)
{
	free(web->answer);
	web->answer = malloc(size + 1);
	check(web->answer != NULL);
	memcpy(web->answer, bytes, size);
	web->answer_size = size;
}

static void web_answer_with(struct web *web, int code, const char *type,
    const char *more, struct evkv_slice body)
{
	size_t room = body.size + 512;
	char *text = malloc(room);
	int size;

	check(text != NULL);
	size = snprintf(text, room,
	    "HTTP/1.1 %d Said\r\nContent-Type: %s\r\n%s"
	    "Content-Length: %zu\r\n\r\n",
	    code, type, more, body.size);
	if (body.size > 0)
		memcpy(text + size, body.data, body.size);
	web_answer_raw(web, text, (size_t)size + body.size);
	free(text);
}

void web_answer(struct web *web, int code, const char *type, const char *body)
{
	web_answer_with(web, code, type, "", evkv_str(body));
}

void web_answer_gzip(struct web *web, const char *type, const void *body,
    size_t size)
{
	z_stream stream = { .zalloc = NULL };
	size_t room;
	char *packed;

	check(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8,
		  Z_DEFAULT_STRATEGY) == Z_OK);
	room = deflateBound(&stream, size);
	packed = malloc(room);
	check(packed != NULL);
	stream.next_in = (Bytef *)(uintptr_t)body;
	stream.avail_in = (uInt)size;
	stream.next_out = (Bytef *)packed;
	stream.avail_out = (uInt)room;
	check(deflate(&stream, Z_FINISH) == Z_STREAM_END);
	web_answer_with(web, 200, type, "Content-Encoding: gzip\r\n",
	    evkv_bytes(packed, room - stream.avail_out));
	(void)deflateEnd(&stream);
	free(packed);
}

void web_answer_chunked(struct web *web, const char *type, const char *body,
    size_t chunk)
{
	size_t left = strlen(body), one;
	char *text = malloc(left * 8 + 512), *at = text;

	check(text != NULL);
	at += sprintf(at,
	    "HTTP/1.1 200 Said\r\nContent-Type: %s\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n",
	    type);
	for (; left > 0; left -= one, body += one) {
		one = left < chunk ? left : chunk;
		at += sprintf(at, "%zx\r\n%.*s\r\n", one, (int)one, body);
	}
	at += sprintf(at, "0\r\n\r\n");
	web_answer_raw(web, text, (size_t)(at - text));
	free(text);
}

/* ---- Making and ending --------------------------------------------------- */

struct web *web_open(struct event_base *base,
    const struct peer_options *options)
{
	struct peer_options ours = { .ipv6 = false };
	struct web *web = calloc(1, sizeof(*web));

	check(web != NULL);
	if (options != NULL)
		ours = *options;
	ours.respond = web_respond;
	ours.arg = web;
	web->peer = peer_open(base, &ours);
	web_answer(web, 200, "application/json", "{}");
	return web;
}

void web_close(struct web *web)
{
	if (web == NULL)
		return;
	peer_close(web->peer);
	free(web->answer);
	free(web->body);
	free(web);
}
