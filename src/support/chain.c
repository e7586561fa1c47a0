/*
 * support/chain.c - stores by text: docs/chains.md has the grammar.
 *
 *     chain   = store { '|' wrapper }
 *     store   = URL
 *     wrapper = name [ '(' [ argument { ',' argument } ] ')' ]
 *     argument = name '=' text | text | chain
 *
 * Outside of all parentheses a URL may hold a ',', as in a list of hosts.
 *
 * One pass, in which each store is made as soon as it is read; what was made is
 * released by whoever takes it next, or by the function that has it when an
 * error is found.
 *
 * An error names the column and what was expected there, and never quotes what
 * stands there: it may be a piece of a password that had to be quoted. Beside
 * that constructors tell what they do not like, which is prefixed by the
 * column.
 */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/url.h"
#include "evkv/open.h"
#include "support/registry.h"

#define CHAIN_DEPTH 16    /* of parentheses */
#define CHAIN_INNER 16    /* stores of one wrapper */
#define CHAIN_NAME 64     /* bytes of a name, its NUL included */
#define CHAIN_OPTIONS 512 /* bytes of an options struct */

struct chain {
	struct evkv_loop *loop;
	const struct registry *registry;
	const char *text, *at;
	char *store; /* where the next decoded text goes */
	unsigned depth;
	bool bare; /* the text is a URL and nothing else */
	struct evkv_error *error;
};

static struct evkv_store *parse_chain(struct chain *chain);

/* ---- Errors -------------------------------------------------------------- */

static size_t column_of(const struct chain *chain, const char *at)
{
	return (size_t)(at - chain->text) + 1;
}

static bool expected(struct chain *chain, const char *at, const char *what)
{
	evkv_error_set(chain->error, EVKV_INVALID, "column %zu: expected %s",
	    column_of(chain, at), what);
	return false;
}

/* What something further down has said of what stands at `at`. */
static void said(struct chain *chain, const char *at,
    const struct evkv_error *error)
{
	const char *message = error->message;

	if (chain->bare) {
		evkv_error_set(chain->error, error->status, "%s", message);
		return;
	}
	if (strncmp(message, "URL: option ", 12) == 0)
		message += 5;
	evkv_error_set(chain->error, error->status, "column %zu: %s",
	    column_of(chain, at), message);
}

/* ---- Words --------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct chain *chain)
{
	while (is_blank(*chain->at))
		chain->at++;
}

/* Blanks, and the counters that evkv_store_describe() writes behind a store. */
static void skip_behind(struct chain *chain)
{
	const char *end;

	skip_blanks(chain);
	if (*chain->at != '{')
		return;
	end = strchr(chain->at, '}');
	if (end != NULL) {
		chain->at = end + 1;
		skip_blanks(chain);
	}
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The length of the name that begins at `at`, perhaps 0. */
static size_t name_size(const char *at)
{
	size_t size = 0;

	if (*at < 'a' || *at > 'z')
		return 0;
	while (is_name_byte(at[size]))
		size++;
	return size;
}

/* \" and \\ and \xHH; the place behind it, or NULL where it is none of them. */
static const char *escape(const char *at, char *byte)
{
	if (at[1] == '"' || at[1] == '\\') {
		*byte = at[1];
		return at + 2;
	}
	if (at[1] != 'x' || hex_digit(at[2]) < 0 || hex_digit(at[3]) < 0)
		return NULL;
	*byte = (char)(hex_digit(at[2]) << 4 | hex_digit(at[3]));
	return at + 4;
}

static bool parse_quoted(struct chain *chain, struct evkv_slice *word)
{
	const char *from = chain->at, *next;
	char *to = chain->store;

	for (chain->at++; *chain->at != '"'; to++) {
		if (*chain->at == '\0')
			return expected(chain, from, "a \" that ends this one");
		if (*chain->at != '\\') {
			*to = *chain->at++;
			continue;
		}
		next = escape(chain->at, to);
		if (next == NULL)
			return expected(chain, chain->at,
			    "\\\", \\\\ or \\x and two hex digits");
		chain->at = next;
	}
	chain->at++;
	*word = evkv_bytes(chain->store, (size_t)(to - chain->store));
	*to++ = '\0';
	chain->store = to;
	return true;
}

#define WORD_ENDS " \t\r\n|(),\""

/* The length of a word; in a URL outside of all parentheses with its ','. */
static size_t word_size(const struct chain *chain, bool url)
{
	size_t size = strcspn(chain->at, WORD_ENDS);

	while (url && chain->depth == 1 && size > 0 && chain->at[size] == ',' &&
	    (chain->at[size + 1] == ',' || chain->at[size + 1] == '\0' ||
		strcspn(chain->at + size + 1, WORD_ENDS) > 0))
		size += 1 + strcspn(chain->at + size + 1, WORD_ENDS);
	return size;
}

/* What stands in quotes, or as it is; with a NUL behind it. */
static bool parse_word(struct chain *chain, const char *what, bool url,
    struct evkv_slice *word)
{
	size_t size;

	if (*chain->at == '"')
		return parse_quoted(chain, word);
	size = word_size(chain, url);
	if (size == 0)
		return expected(chain, chain->at, what);
	memcpy(chain->store, chain->at, size);
	chain->store[size] = '\0';
	*word = evkv_bytes(chain->store, size);
	chain->store += size + 1;
	chain->at += size;
	return true;
}

/* ---- Stores -------------------------------------------------------------- */

static struct evkv_store *parse_store(struct chain *chain)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = NULL;
	struct evkv_url *url = NULL;
	struct evkv_slice word;
	const char *from;

	skip_blanks(chain);
	from = chain->at;
	if (!chain->bare && *from != '"' && name_size(from) > 0 &&
	    strchr(" \t\r\n|(),", from[name_size(from)]) != NULL) {
		expected(chain, from,
		    "the URL of a store, as in memory:, before any wrapper");
		return NULL;
	}
	if (!parse_word(chain, "the URL of a store, as in memory:", true,
		&word))
		return NULL;
	if (memchr(word.data, '\0', word.size) != NULL) {
		expected(chain, from, "a URL without a NUL byte");
		return NULL;
	}
	url = evkv__url_parse(word.data, &error);
	if (url != NULL)
		store = evkv__registry_open(chain->loop, chain->registry, url,
		    &error);
	evkv__url_free(url);
	if (store == NULL)
		said(chain, from, &error);
	return store;
}

/* ---- Wrappers ------------------------------------------------------------ */

/* A wrapper, and what its arguments have set so far. */
struct element {
	const struct evkv_type *type;
	const char *from; /* where it stands */
	struct evkv_store *inner[CHAIN_INNER];
	size_t inner_count;
	uint64_t given; /* options, by their index */
	_Alignas(16) char options[CHAIN_OPTIONS];
};

static unsigned inner_most(const struct evkv_type *type)
{
	return type->inner_max > 0 ? type->inner_max : 1;
}

static void release(struct element *element)
{
	while (element->inner_count > 0)
		evkv_store_unref(element->inner[--element->inner_count]);
}

static bool write_option(struct chain *chain, struct element *element,
    const struct evkv_url_option *row, const char *from, struct evkv_slice word)
{
	const struct evkv_url_pair pair = { row->name, word.data };
	size_t index = (size_t)(row - element->type->options);
	uint64_t bit = index < 64 ? UINT64_C(1) << index : 0;
	struct evkv_error error = EVKV_ERROR_INIT;

	if ((element->given & bit) != 0)
		evkv_error_set(&error, EVKV_INVALID, "%s is given twice",
		    row->name);
	else if (row->type == EVKV_URL_BYTES)
		*(struct evkv_slice *)(void *)(element->options +
		    row->offset) = word;
	else if (memchr(word.data, '\0', word.size) != NULL)
		evkv_error_set(&error, EVKV_INVALID,
		    "%s must not have a NUL byte", row->name);
	else
		evkv__url_option_write(&pair, row, element->options, &error);
	element->given |= bit;
	if (error.status == EVKV_OK)
		return true;
	said(chain, from, &error);
	return false;
}

static const struct evkv_url_option *find_option(const struct evkv_type *type,
    const char *name)
{
	size_t i;

	for (i = 0; i < type->option_count; i++) {
		if (evkv__url_option_is(&type->options[i], name))
			return &type->options[i];
	}
	return NULL;
}

static bool no_such_option(struct chain *chain, const struct element *element,
    const char *from, const char *name)
{
	const struct evkv_type *type = element->type;
	char what[200], names[120];

	evkv__url_options_list(names, sizeof(names), name, type->options,
	    type->option_count);
	snprintf(what, sizeof(what), "%san option of %s, which has %s",
	    name[0] == '\0' && type->option_count > 0 ? "name=value, " : "",
	    type->name, names);
	return expected(chain, from, what);
}

static bool parse_option(struct chain *chain, struct element *element,
    size_t size)
{
	const char *from = chain->at;
	const struct evkv_url_option *row;
	char name[CHAIN_NAME];
	struct evkv_slice word;

	if (size >= sizeof(name))
		return no_such_option(chain, element, from, "");
	memcpy(name, from, size);
	name[size] = '\0';
	row = find_option(element->type, name);
	if (row == NULL)
		return no_such_option(chain, element, from, name);
	chain->at += size;
	skip_blanks(chain);
	chain->at++; /* the '=' */
	skip_blanks(chain);
	return parse_word(chain, "the value of the option", false, &word) &&
	    write_option(chain, element, row, from, word);
}

/* What has no name: a store, or the option that may stand alone. */
static bool parse_unnamed(struct chain *chain, struct element *element)
{
	const struct evkv_type *type = element->type;
	const char *from = chain->at;
	struct evkv_store *store;
	struct evkv_slice word;

	if (element->inner_count < inner_most(type) &&
	    element->inner_count < CHAIN_INNER) {
		store = parse_chain(chain);
		if (store != NULL)
			element->inner[element->inner_count++] = store;
		return store != NULL;
	}
	if (type->argument == NULL)
		return no_such_option(chain, element, from, "");
	return parse_word(chain, "a value", false, &word) &&
	    write_option(chain, element, find_option(type, type->argument),
		from, word);
}

static bool parse_argument(struct chain *chain, struct element *element)
{
	size_t size = name_size(chain->at), blanks;

	blanks = strspn(chain->at + size, " \t\r\n");
	if (size > 0 && chain->at[size + blanks] == '=')
		return parse_option(chain, element, size);
	return parse_unnamed(chain, element);
}

/* Behind the '('. */
static bool parse_arguments(struct chain *chain, struct element *element)
{
	skip_blanks(chain);
	if (*chain->at == ')') {
		chain->at++;
		return true;
	}
	for (;;) {
		skip_blanks(chain);
		if (!parse_argument(chain, element))
			return false;
		skip_behind(chain);
		if (*chain->at == ')')
			break;
		if (*chain->at != ',')
			return expected(chain, chain->at, "',' or ')'");
		chain->at++;
	}
	chain->at++;
	return true;
}

static bool parse_name(struct chain *chain, struct element *element)
{
	const char *from = chain->at;
	size_t size = strcspn(from, WORD_ENDS "{");
	char name[CHAIN_NAME], what[200], names[120];

	snprintf(name, sizeof(name), "%.*s", (int)size, from);
	element->type = size < sizeof(name) && name_size(from) == size
	    ? evkv__registry_wrapper(chain->registry, name)
	    : NULL;
	if (element->type == NULL) {
		evkv__registry_list(chain->registry, name, names,
		    sizeof(names));
		snprintf(what, sizeof(what), "the name of a wrapper: %s",
		    names[0] != '\0' ? names : "none is known");
		return expected(chain, from, what);
	}
	chain->at += size;
	return true;
}

static bool enough_stores(struct chain *chain, const struct element *element)
{
	const struct evkv_type *type = element->type;
	char what[120];

	if (element->inner_count >= type->inner_min)
		return true;
	snprintf(what, sizeof(what), "%u store%s in the parentheses of %s",
	    type->inner_min - 1, type->inner_min == 2 ? "" : "s", type->name);
	return expected(chain, chain->at, what);
}

/* The element is empty but for the store that it is put over. */
static bool parse_element(struct chain *chain, struct element *element)
{
	skip_blanks(chain);
	element->from = chain->at;
	if (!parse_name(chain, element))
		return false;
	if (element->type->options_size > sizeof(element->options))
		return expected(chain, element->from,
		    "a wrapper with fewer options");
	skip_blanks(chain);
	if (*chain->at == '(') {
		chain->at++;
		if (!parse_arguments(chain, element))
			return false;
	}
	return enough_stores(chain, element);
}

/* A wrapper over `inner`, which is consumed. */
static struct evkv_store *parse_wrapper(struct chain *chain,
    struct evkv_store *inner)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct evkv_making making;
	struct element element;

	memset(&element, 0, sizeof(element));
	element.inner[element.inner_count++] = inner;
	if (!parse_element(chain, &element)) {
		release(&element);
		return NULL;
	}
	making = (struct evkv_making){
		.loop = chain->loop,
		.inner = element.inner,
		.inner_count = element.inner_count,
		.options = element.options,
	};
	store = evkv__registry_make(element.type, &making, &error);
	if (store == NULL)
		said(chain, element.from, &error);
	return store;
}

static struct evkv_store *parse_chain(struct chain *chain)
{
	struct evkv_store *store;

	if (++chain->depth > CHAIN_DEPTH) {
		expected(chain, chain->at, "fewer parentheses in each other");
		return NULL;
	}
	store = parse_store(chain);
	if (store != NULL)
		skip_behind(chain);
	while (store != NULL && *chain->at == '|') {
		chain->at++;
		store = parse_wrapper(chain, store);
		if (store != NULL)
			skip_behind(chain);
	}
	chain->depth--;
	return store;
}

/* ---- The whole ----------------------------------------------------------- */

static struct evkv_store *parse_all(struct chain *chain)
{
	struct evkv_store *store = parse_chain(chain);

	if (store == NULL || *chain->at == '\0')
		return store;
	expected(chain, chain->at, "'|' and a wrapper, or the end");
	evkv_store_unref(store);
	return NULL;
}

struct evkv_store *evkv_loop_open(struct evkv_loop *loop, const char *text,
    struct evkv_error *error)
{
	struct chain chain = { .loop = loop, .text = text, .at = text };
	struct evkv_store *store;
	char *memory;
	size_t size;

	chain.error = error;
	if (loop == NULL || text == NULL) {
		evkv_error_set(error, EVKV_INVALID, "URL: %s is NULL",
		    loop == NULL ? "loop" : "it");
		return NULL;
	}
	size = strnlen(text, EVKV__URL_MAX + 1);
	if (size > EVKV__URL_MAX) {
		evkv_error_set(error, EVKV_INVALID,
		    "URL: it is longer than %d bytes", EVKV__URL_MAX);
		return NULL;
	}
	chain.bare = text[strcspn(text, " \t\r\n|()\"{")] == '\0';
	chain.registry = evkv__registry_of(loop);
	/* A NUL for each word, of which each has a byte at least. */
	memory = evkv_malloc(2 * size + 2);
	if (chain.registry == NULL || memory == NULL) {
		evkv_free(memory);
		evkv_error_set(error, EVKV_NOMEM, "URL: out of memory");
		return NULL;
	}
	chain.store = memory;
	store = parse_all(&chain);
	evkv_free(memory);
	return store;
}
