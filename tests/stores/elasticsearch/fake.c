/*
 * tests/stores/elasticsearch/fake.c - the search server that does as told. It
 * reads what the driver writes, as the driver writes it.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#define FAKE_MAPPING                                                           \
	"{\"i\":{\"mappings\":{\"properties\":{\"collection\":{\"type\":"      \
	"\"keyword\"},\"key\":{\"type\":\"keyword\"},\"expires_at\":{"         \
	"\"type\":\"date\"}}}}}"

/* ---- Documents ----------------------------------------------------------- */

struct fake_doc *fake_find(struct fake_docs *docs, const char *id)
{
	for (size_t i = 0; i < docs->count; i++) {
		if (strcmp(docs->docs[i].id, id) == 0)
			return &docs->docs[i];
	}
	return NULL;
}

static struct fake_doc *docs_get(struct fake_docs *docs, const char *id)
{
	struct fake_doc *doc = fake_find(docs, id);

	if (doc != NULL)
		return doc;
	check(docs->count < FAKE_DOCS);
	doc = &docs->docs[docs->count++];
	snprintf(doc->id, sizeof(doc->id), "%s", id);
	return doc;
}

static void doc_set(struct fake_docs *docs, struct fake_doc *doc,
    const char *source, size_t size)
{
	free(doc->source);
	doc->source = source != NULL ? strndup(source, size) : NULL;
	doc->seq_no = docs->seq_no++;
	doc->writes++;
}

void fake_put(struct fake_docs *docs, const char *id, const char *source)
{
	doc_set(docs, docs_get(docs, id), source, strlen(source));
}

void fake_docs_free(struct fake_docs *docs)
{
	for (size_t i = 0; i < docs->count; i++)
		free(docs->docs[i].source);
	memset(docs, 0, sizeof(*docs));
}

/* ---- Reading requests ---------------------------------------------------- */

/* The string after a mark, up to its quote; where it ends. */
static const char *text_after(const char *at, const char *end, const char *mark,
    char *out, size_t room)
{
	const char *from = memmem(at, (size_t)(end - at), mark, strlen(mark));
	const char *to;

	if (from == NULL)
		return NULL;
	from += strlen(mark);
	to = memchr(from, '"', (size_t)(end - from));
	check(to != NULL && (size_t)(to - from) < room);
	memcpy(out, from, (size_t)(to - from));
	out[to - from] = '\0';
	return to;
}

static int64_t number_after(const char *at, const char *end, const char *mark)
{
	const char *from = memmem(at, (size_t)(end - at), mark, strlen(mark));

	return from != NULL ? strtoll(from + strlen(mark), NULL, 10) : -1;
}

/* ---- _mget --------------------------------------------------------------- */

static void mget_doc(struct fake *fake, FILE *out, const char *id)
{
	const struct fake_doc *doc = fake_find(fake->docs, id);

	fake->looks++;
	if (fake->no_shard > 0) {
		fake->no_shard--;
		fprintf(out,
		    "{\"_id\":\"%s\",\"error\":{\"type\":"
		    "\"no_shard_available_action_exception\",\"reason\":"
		    "\"No shard available for [get [i][k]]\"}}",
		    id);
		return;
	}
	if (!fake->docs->index)
		fprintf(out,
		    "{\"_id\":\"%s\",\"error\":{\"type\":"
		    "\"index_not_found_exception\",\"reason\":"
		    "\"no such index [i]\"}}",
		    id);
	else if (doc == NULL || doc->source == NULL)
		fprintf(out, "{\"_id\":\"%s\",\"found\":false}", id);
	else
		fprintf(out,
		    "{\"_index\":\"i\",\"_id\":\"%s\",\"_version\":1,"
		    "\"_seq_no\":%lld,\"_primary_term\":1,\"found\":true,"
		    "\"_source\":%s}",
		    id, (long long)doc->seq_no, doc->source);
}

static void fake_mget(struct fake *fake, FILE *out)
{
	const char *at = fake->web->body, *end = at + fake->web->body_size;
	const char *comma = "";
	char id[600];

	fake->mgets++;
	fprintf(out, "{\"docs\":[");
	while ((at = text_after(at, end, "{\"_id\":\"", id, sizeof(id))) !=
	    NULL) {
		fprintf(out, "%s", comma);
		mget_doc(fake, out, id);
		comma = ",";
	}
	fprintf(out, "]}");
}

/* ---- _bulk --------------------------------------------------------------- */

struct action {
	char name[16], id[600];
	int64_t seq_no;
	const char *source;
	size_t size;
};

static const char *action_read(struct action *action, const char *at,
    const char *end)
{
	const char *line = memchr(at, '\n', (size_t)(end - at));

	check(line != NULL);
	check(text_after(at, line, "{\"", action->name, sizeof(action->name)) !=
	    NULL);
	check(text_after(at, line, "\"_id\":\"", action->id,
		  sizeof(action->id)) != NULL);
	action->seq_no = number_after(at, line, "\"if_seq_no\":");
	action->source = NULL;
	at = line + 1;
	if (strcmp(action->name, "delete") == 0)
		return at;
	line = memchr(at, '\n', (size_t)(end - at));
	check(line != NULL);
	action->source = at;
	action->size = (size_t)(line - at);
	return line + 1;
}

/* A partial document: the expiry alone. */
static void action_update(struct fake_docs *docs, struct fake_doc *doc,
    const struct action *action)
{
	const char *end = action->source + action->size;
	int64_t expires = number_after(action->source, end, "\"expires_at\":");
	char *rest = strstr(doc->source, "\"value\""), source[4096];
	char *head = strstr(doc->source, "\"expires_at\"");

	if (head == NULL || head > rest)
		head = rest;
	snprintf(source, sizeof(source), "%.*s\"expires_at\":%lld,%s",
	    (int)(head - doc->source), doc->source, (long long)expires, rest);
	if (memmem(action->source, action->size, "null", 4) != NULL)
		snprintf(source, sizeof(source), "%.*s%s",
		    (int)(head - doc->source), doc->source, rest);
	doc_set(docs, doc, source, strlen(source));
}

static int action_do(struct fake_docs *docs, const struct action *action,
    int64_t *seq_no)
{
	struct fake_doc *doc = docs_get(docs, action->id);
	bool there = doc->source != NULL;
	bool del = strcmp(action->name, "delete") == 0;

	if (strcmp(action->name, "create") == 0 && there)
		return 409;
	if ((strcmp(action->name, "update") == 0 || del) && !there)
		return 404;
	if (action->seq_no >= 0 && (!there || doc->seq_no != action->seq_no))
		return 409;
	if (strcmp(action->name, "update") == 0)
		action_update(docs, doc, action);
	else
		doc_set(docs, doc, del ? NULL : action->source, action->size);
	*seq_no = doc->seq_no;
	return there ? 200 : 201;
}

static void bulk_item(struct fake *fake, FILE *out, const struct action *action)
{
	const char *reason = fake->item_reason != NULL ? fake->item_reason
						       : "too busy";
	int code = fake->item_code;
	int64_t seq_no = 0;

	fake->items++;
	if (fake->refused > 0) {
		fake->refused--;
		code = 429;
	}
	if (!fake->docs->index)
		code = 404;
	else if (code == 0)
		code = action_do(fake->docs, action, &seq_no);
	fprintf(out, "{\"%s\":{\"_index\":\"i\",\"_id\":\"%s\",\"status\":%d",
	    action->name, action->id, code);
	if (code >= 400)
		fprintf(out, ",\"error\":{\"type\":\"%s\",\"reason\":\"%s\"}",
		    fake->docs->index ? "some_exception"
				      : "index_not_found_exception",
		    reason);
	else
		fprintf(out, ",\"_seq_no\":%lld,\"_primary_term\":1",
		    (long long)seq_no);
	fprintf(out, "}}");
}

static void fake_bulk(struct fake *fake, FILE *out)
{
	const char *at = fake->web->body, *end = at + fake->web->body_size;
	const char *comma = "";
	struct action action;

	fake->bulks++;
	fprintf(out, "{\"took\":1,\"errors\":true,\"items\":[");
	while (at < end) {
		at = action_read(&action, at, end);
		fprintf(out, "%s", comma);
		bulk_item(fake, out, &action);
		comma = ",";
	}
	fprintf(out, "]}");
}

/* ---- The index ----------------------------------------------------------- */

static int fake_index(struct fake *fake, FILE *out)
{
	bool put = strcmp(fake->web->method, "PUT") == 0;

	if (put) {
		fake->creates++;
		snprintf(fake->created, sizeof(fake->created), "%s",
		    fake->web->body);
		if (fake->create_code == 0)
			fake->docs->index = true;
		fprintf(out,
		    "{\"error\":{\"type\":\"security_exception\","
		    "\"reason\":\"not for you\"}}");
		return fake->create_code != 0 ? fake->create_code : 200;
	}
	if (!fake->docs->index) {
		fprintf(out,
		    "{\"error\":{\"type\":"
		    "\"index_not_found_exception\",\"reason\":"
		    "\"no such index [i]\"},\"status\":404}");
		return 404;
	}
	fprintf(out, "%s",
	    fake->mapping != NULL ? fake->mapping : FAKE_MAPPING);
	return 200;
}

/* ---- Answers ------------------------------------------------------------- */

static int fake_answer(struct fake *fake, FILE *out)
{
	bool mget = strcmp(fake->web->path, "/i/_mget") == 0;

	if (fake->max_body != 0 && fake->web->body_size > fake->max_body)
		return 413;
	if (fake->code != 0) {
		fprintf(out,
		    "{\"error\":{\"type\":\"some_exception\",\"reason\":"
		    "\"%s\"},\"status\":%d}",
		    fake->reason != NULL ? fake->reason : "told so",
		    fake->code);
		return fake->code;
	}
	if (mget)
		fake_mget(fake, out);
	else
		fake_bulk(fake, out);
	return 200;
}

static void fake_respond(struct web *web, struct peer_conn *conn, void *arg)
{
	struct fake *fake = arg;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int code;

	check(out != NULL);
	if (strcmp(web->path, "/i/_mget") == 0 ||
	    strncmp(web->path, "/i/_bulk", 8) == 0)
		code = fake_answer(fake, out);
	else if (strcmp(web->path, "/i") == 0 ||
	    strcmp(web->path, "/i/_mapping") == 0)
		code = fake_index(fake, out);
	else if (fake->canned != NULL && fake->canned(fake, conn))
		code = 0;
	else
		code = 404;
	check(fclose(out) == 0);
	if (code != 0 && !fake->answers_late)
		web_say(conn, code, "application/json", evkv_bytes(text, size));
	free(text);
}

void fake_open(struct fake *fake, struct event_base *base,
    const struct peer_options *options, struct fake_docs *docs)
{
	memset(fake, 0, sizeof(*fake));
	fake->docs = docs != NULL ? docs : &fake->own;
	fake->docs->index = true;
	fake->web = web_open(base, options);
	fake->web->respond = fake_respond;
	fake->web->arg = fake;
}

void fake_close(struct fake *fake)
{
	if (fake->web == NULL)
		return;
	web_close(fake->web);
	fake_docs_free(&fake->own);
}
