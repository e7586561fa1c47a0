/*
 * http_target.c - what a request of http_service.c is about.
 */
#include "http_target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/http.h>
#include <event2/keyvalq_struct.h>

static char *target_decode(const char *text, size_t length, size_t *size)
{
	char *copy = malloc(length + 1), *decoded;

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	decoded = evhttp_uridecode(copy, 0, size);
	free(copy);
	return decoded;
}

/*
 * "/collection/key", both percent-encoded; the key may have slashes. An empty
 * key is a listing of the collection, "/" one of the collections.
 */
static bool target_names(struct target *target, const char *path)
{
	const char *slash;

	if (path == NULL || path[0] != '/')
		return false;
	path++;
	slash = strchr(path, '/');
	if (slash == NULL && path[0] != '\0')
		return false;
	if (slash == NULL)
		slash = path;
	target->collection = target_decode(path, (size_t)(slash - path),
	    &target->collection_size);
	slash += *slash == '/';
	target->key = target_decode(slash, strlen(slash), &target->key_size);
	return target->collection != NULL && target->key != NULL;
}

/* A number of the query, at least 1; it stays where there is none. */
static bool query_number(struct evkeyvalq *query, const char *name,
    int64_t *number)
{
	const char *text = evhttp_find_header(query, name);
	char *end;

	if (text == NULL)
		return true;
	errno = 0;
	*number = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *number > 0;
}

/* false: something in it is wrong. */
static bool target_query(struct target *target, const struct evhttp_uri *uri)
{
	const char *text = evhttp_uri_get_query(uri), *after;
	struct evkeyvalq query;
	bool good;

	if (text == NULL)
		return true;
	if (evhttp_parse_query_str(text, &query) != 0)
		return false;
	target->versions = evhttp_find_header(&query, "version") != NULL;
	after = evhttp_find_header(&query, "after");
	good = query_number(&query, "ttl_ms", &target->ttl_ms) &&
	    query_number(&query, "limit", &target->limit) &&
	    (after == NULL ||
		evkv_cursor_from_text(evkv_str(after), &target->after));
	evhttp_clear_headers(&query);
	return good;
}

/* "<32 digits>", as call_add_etag() writes it. */
static bool version_read(const char *text, struct evkv_version *version)
{
	const size_t size = sizeof(version->bytes);
	unsigned byte;

	if (strlen(text) != 2 * size + 2 || text[0] != '"' ||
	    text[2 * size + 1] != '"' ||
	    strspn(text + 1, "0123456789abcdef") != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		sscanf(text + 1 + 2 * i, "%2x", &byte);
		version->bytes[i] = (unsigned char)byte;
	}
	return true;
}

static bool target_condition(struct target *target,
    struct evhttp_request *request)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
	const char *match = evhttp_find_header(headers, "If-Match");
	const char *none = evhttp_find_header(headers, "If-None-Match");

	target->conditional = match != NULL || none != NULL;
	if (match != NULL && none != NULL)
		return false;
	if (none != NULL) {
		target->condition = EVKV_IF_ABSENT;
		return strcmp(none, "*") == 0;
	}
	if (match == NULL)
		return true;
	if (strcmp(match, "*") == 0) {
		target->condition = EVKV_IF_PRESENT;
		return true;
	}
	target->condition = EVKV_IF_VERSION;
	return version_read(match, &target->version);
}

/* NULL, or what is wrong with the request. */
const char *target_read(struct target *target, struct evhttp_request *request)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);

	memset(target, 0, sizeof(*target));
	target->ttl_ms = EVKV_TTL_NONE;
	if (!target_names(target, evhttp_uri_get_path(uri)))
		return "not /collection/key";
	if (!target_query(target, uri))
		return "the query has a wrong number or cursor";
	if (!target_condition(target, request))
		return "If-Match or If-None-Match can't be understood";
	return NULL;
}

void target_free(struct target *target)
{
	free(target->collection);
	free(target->key);
	evkv_value_unref(target->after);
}
