/*
 * support/describe.c - stores as the text that evkv_open() reads.
 *
 * The chain is written from the innermost store outwards, as it is read. What a
 * store has to say of itself comes from its describe() slot; one without is
 * what it was opened by, or its name alone. Without memory the rest is not
 * written, and the whole is NULL.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/store.h"
#include "evkv/open.h"
#include "support/options.h"
#include "support/registry.h"

struct evkv_text {
	char *data; /* NUL-terminated; NULL = nothing yet */
	size_t size, room;
	bool failed;
	bool counters;
	const struct evkv_store *store; /* the one that is being described */
	unsigned parentheses;           /* that it stands in */
	size_t start;                   /* where its text begins */
};

/* ---- Text ---------------------------------------------------------------- */

/* Room for so many bytes more, and a NUL. */
static char *text_grow(struct evkv_text *text, size_t size)
{
	size_t room = text->room == 0 ? 128 : text->room;
	char *data;

	if (text->failed)
		return NULL;
	while (room <= text->size + size)
		room *= 2;
	if (room != text->room) {
		data = evkv_malloc(room);
		if (data == NULL) {
			text->failed = true;
			return NULL;
		}
		if (text->size > 0)
			memcpy(data, text->data, text->size);
		evkv_free(text->data);
		text->data = data;
		text->room = room;
	}
	return text->data + text->size;
}

static void text_bytes(struct evkv_text *text, const void *bytes, size_t size)
{
	char *to = text_grow(text, size);

	if (to == NULL)
		return;
	memcpy(to, bytes, size);
	text->size += size;
	text->data[text->size] = '\0';
}

void evkv_text_add(struct evkv_text *text, const char *format, ...)
{
	va_list args;
	int size;
	char *to;

	va_start(args, format);
	size = vsnprintf(NULL, 0, format, args);
	va_end(args);
	to = size > 0 ? text_grow(text, (size_t)size) : NULL;
	if (to == NULL)
		return;
	va_start(args, format);
	vsnprintf(to, (size_t)size + 1, format, args);
	va_end(args);
	text->size += (size_t)size;
}

/* ---- Words --------------------------------------------------------------- */

/* In a URL: what the strictest part of it allows, the rest percent-encoded. */
static void text_url(struct evkv_text *text, const char *string,
    const char *more)
{
	for (; *string != '\0'; string++) {
		unsigned char c = (unsigned char)*string;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || strchr("-._~", c) != NULL ||
		    strchr(more, c) != NULL)
			text_bytes(text, string, 1);
		else
			evkv_text_add(text, "%%%02X", c);
	}
}

void evkv_text_encoded(struct evkv_text *text, const char *string)
{
	text_url(text, string, "/");
}

static bool is_plain_word(struct evkv_slice word)
{
	const char *bytes = word.data;
	size_t i;

	for (i = 0; i < word.size; i++) {
		if ((unsigned char)bytes[i] <= ' ' || bytes[i] == 0x7f ||
		    strchr("|(),\"=", bytes[i]) != NULL)
			return false;
	}
	return word.size > 0;
}

/* In parentheses: as it is, or in quotes. */
static void text_word(struct evkv_text *text, struct evkv_slice word)
{
	const unsigned char *bytes = word.data;
	size_t i;

	if (is_plain_word(word)) {
		text_bytes(text, word.data, word.size);
		return;
	}
	evkv_text_add(text, "\"");
	for (i = 0; i < word.size; i++) {
		if (bytes[i] == '"' || bytes[i] == '\\')
			evkv_text_add(text, "\\%c", bytes[i]);
		else if (bytes[i] < ' ' || bytes[i] == 0x7f)
			evkv_text_add(text, "\\x%02x", bytes[i]);
		else
			text_bytes(text, &bytes[i], 1);
	}
	evkv_text_add(text, "\"");
}

struct unit {
	const char *suffix;
	int64_t factor;
};

/* With the largest unit that leaves a whole number. */
static void text_number(struct evkv_text *text, int64_t number,
    const struct unit *units)
{
	while (units->factor > 1 &&
	    (number < units->factor || number % units->factor != 0))
		units++;
	evkv_text_add(text, "%lld%s", (long long)(number / units->factor),
	    units->suffix);
}

static void text_choice(struct evkv_text *text, const char *choices,
    int64_t index)
{
	for (; index > 0 && strchr(choices, '|') != NULL; index--)
		choices = strchr(choices, '|') + 1;
	text_bytes(text, choices, strcspn(choices, "|"));
}

static void text_option(struct evkv_text *text,
    const struct evkv_url_option *row, const void *options, bool url)
{
	static const struct unit sizes[] = { { "g", 1 << 30 }, { "m", 1 << 20 },
		{ "k", 1 << 10 }, { "", 1 } };
	static const struct unit durations[] = { { "h", 3600000 },
		{ "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
	int64_t number = evkv__option_number(row, options);

	if ((row->flags & EVKV_OPTION_SECRET) != 0) {
		evkv_text_add(text, "***");
		return;
	}
	switch (row->type) {
	case EVKV_URL_BOOL: evkv_text_add(text, "yes"); break;
	case EVKV_URL_INT:
		evkv_text_add(text, "%lld", (long long)number);
		break;
	case EVKV_URL_SIZE: text_number(text, number, sizes); break;
	case EVKV_URL_DURATION: text_number(text, number, durations); break;
	case EVKV_URL_CHOICE: text_choice(text, row->choices, number); break;
	default:
		if (url)
			text_url(text, evkv__option_bytes(row, options).data,
			    "/:");
		else
			text_word(text, evkv__option_bytes(row, options));
	}
}

/* ---- One store ----------------------------------------------------------- */

static void describe_chain(struct evkv_text *text,
    const struct evkv_store *store);

/* A wrapper's stores but the first; whether there were any. */
static bool text_inner(struct evkv_text *text, const struct evkv_store *store,
    const char *before)
{
	size_t start = text->start, i;

	for (i = 1; i < store->inner_count; i++) {
		evkv_text_add(text, "%s", before);
		before = ", ";
		text->parentheses++;
		describe_chain(text, store->inner[i].store);
		text->parentheses--;
	}
	text->store = store;
	text->start = start;
	return i > 1;
}

static void wrapper_options(struct evkv_text *text,
    const struct evkv_type *type, const void *options)
{
	const struct evkv_url_option *row;
	const char *before = "(";
	size_t i;

	if (text_inner(text, text->store, before))
		before = ", ";
	for (i = 0; i < type->option_count; i++) {
		row = &type->options[i];
		if (evkv__option_is_zero(row, options))
			continue;
		evkv_text_add(text, "%s", before);
		before = ", ";
		if (type->argument == NULL ||
		    strcmp(type->argument, row->name) != 0)
			evkv_text_add(text, "%s=", row->name);
		text_option(text, row, options, false);
	}
	if (before[0] == ',')
		evkv_text_add(text, ")");
}

static void store_options(struct evkv_text *text, const struct evkv_type *type,
    const void *options)
{
	const struct evkv_url_option *row;
	char before = '?';
	size_t i;

	for (i = 0; i < type->option_count; i++) {
		row = &type->options[i];
		if (evkv__option_is_zero(row, options))
			continue;
		evkv_text_add(text, "%c%s=", before, row->name);
		before = '&';
		text_option(text, row, options, true);
	}
}

void evkv_text_options(struct evkv_text *text, const struct evkv_type *type,
    const void *options)
{
	bool wrapper = type->wrapper != NULL || type->inner_max > 0;

	if (text->size == text->start)
		evkv_text_add(text, "%s%s", type->name, wrapper ? "" : ":");
	if (wrapper)
		wrapper_options(text, type, options);
	else
		store_options(text, type, options);
}

static void text_counters(struct evkv_text *text,
    const struct evkv_store *store)
{
	struct evkv_counters own = { .pending = store->pending };

	if (store->phase != STORE_CLOSED && store->vtable->counters != NULL)
		store->vtable->counters(store->self, &own);
	evkv_text_add(text, " {%s pending=%zu", evkv_state_name(store->state),
	    own.pending);
	if (store->abandoned > 0)
		evkv_text_add(text, " abandoned=%zu", store->abandoned);
	if (own.entries > 0 || own.bytes > 0)
		evkv_text_add(text, " entries=%zu bytes=%zu", own.entries,
		    own.bytes);
	if (own.reconnects > 0)
		evkv_text_add(text, " reconnects=%llu",
		    (unsigned long long)own.reconnects);
	if (own.evictions > 0)
		evkv_text_add(text, " evictions=%llu",
		    (unsigned long long)own.evictions);
	evkv_text_add(text, "}");
}

/* A URL within parentheses whose ',' would end it stands in quotes. */
static void quote_list(struct evkv_text *text)
{
	size_t start = text->start, size = text->size - start;

	if (text->failed || text->parentheses == 0 || size == 0 ||
	    memchr(text->data + start, ',', size) == NULL)
		return;
	evkv_text_add(text, "\"\"");
	if (text->failed)
		return;
	memmove(text->data + start + 1, text->data + start, size);
	text->data[start] = '"';
}

static void describe_one(struct evkv_text *text, const struct evkv_store *store)
{
	text->store = store;
	text->start = text->size;
	if (store->vtable->describe != NULL) {
		store->vtable->describe(store->self, text);
	} else if (store->text != NULL) {
		evkv_text_add(text, "%s", store->text);
	} else {
		evkv_text_add(text, "%s%s", store->vtable->name,
		    store->depth > 1 ? "" : ":");
		if (text_inner(text, store, "("))
			evkv_text_add(text, ")");
	}
	if (store->inner_count == 0)
		quote_list(text);
	if (text->counters)
		text_counters(text, store);
}

static void describe_chain(struct evkv_text *text,
    const struct evkv_store *store)
{
	if (store->inner_count > 0) {
		describe_chain(text, store->inner[0].store);
		evkv_text_add(text, " | ");
	}
	describe_one(text, store);
}

static char *text_take(struct evkv_text *text)
{
	if (!text->failed)
		return text->data;
	evkv_free(text->data);
	return NULL;
}

char *evkv_store_describe(const struct evkv_store *store, uint32_t flags)
{
	struct evkv_text text = {
		.counters = (flags & EVKV_DESCRIBE_COUNTERS) != 0
	};

	if (store == NULL)
		return NULL;
	describe_chain(&text, store);
	return text_take(&text);
}

/* ---- URLs ---------------------------------------------------------------- */

/* Whether a word is part of a name, in any case. */
static bool has_word(const char *name, const char *word)
{
	for (; *name != '\0'; name++) {
		if (strncasecmp(name, word, strlen(word)) == 0)
			return true;
	}
	return false;
}

/* Of what no table has, by the name. */
static bool is_secret(const struct evkv_type *type, const char *name)
{
	size_t i;

	for (i = 0; type != NULL && i < type->option_count; i++) {
		if (strcmp(type->options[i].name, name) == 0)
			return (type->options[i].flags & EVKV_OPTION_SECRET) !=
			    0;
	}
	return has_word(name, "password") || has_word(name, "secret") ||
	    has_word(name, "token") || has_word(name, "properties");
}

static void text_host(struct evkv_text *text, const struct evkv_url_host *host)
{
	bool literal = strchr(host->host, ':') != NULL;

	evkv_text_add(text, literal ? "[" : "");
	text_url(text, host->host, literal ? ":" : "");
	evkv_text_add(text, literal ? "]" : "");
	if (host->port != 0)
		evkv_text_add(text, ":%d", host->port);
	if (host->weight != 0)
		evkv_text_add(text, "*%d", host->weight);
}

static void text_authority(struct evkv_text *text, const struct evkv_url *url)
{
	size_t i;

	if (url->user[0] == '\0' && !url->has_password && url->host_count == 0)
		return;
	evkv_text_add(text, "//");
	if (url->user[0] != '\0' || url->has_password) {
		text_url(text, url->user, "");
		evkv_text_add(text, url->has_password ? ":***@" : "@");
	}
	for (i = 0; i < url->host_count; i++) {
		evkv_text_add(text, i == 0 ? "" : ",");
		text_host(text, &url->hosts[i]);
	}
}

char *evkv__url_text(const struct evkv_url *url, const struct evkv_type *type)
{
	struct evkv_text text = { .failed = false };
	const struct evkv_url_pair *pair;
	size_t i;

	evkv_text_add(&text, "%s:", url->scheme);
	text_authority(&text, url);
	text_url(&text, url->path, "/:");
	for (i = 0; i < url->option_count; i++) {
		pair = &url->options[i];
		evkv_text_add(&text, i == 0 ? "?" : "&");
		text_url(&text, pair->name, "");
		evkv_text_add(&text, "=");
		if (is_secret(type, pair->name))
			evkv_text_add(&text, "***");
		else
			text_url(&text, pair->value, "/:");
	}
	return text_take(&text);
}
