/*
 * The table at the top of docs/wrappers.md, against what the wrappers do.
 *
 * Each wrapper is put over a recorder over a memory store, and each kind is
 * asked of it in several situations, and of a recorder alone. Where the table
 * says that a kind goes through ("-"), the recorder must see the request as it
 * was given and the answer must be that of the store alone, in every situation;
 * where it says that something becomes of it, that must be seen in some.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/driver.h"
#include "evkv/evkv.h"
#ifdef TABLE_HAS_COMPRESSION
#include "evkv/wrappers/compression.h"
#endif
#ifdef TABLE_HAS_ENCRYPTION
#include "evkv/wrappers/encryption.h"
#include "lib/files.h"
#include "lib/folder.h"
#endif
#include "lib/rig.h"
#include "lib/test.h"

#define C EVKV_LIT("c")

/* ---- The recorder -------------------------------------------------------- */

struct recorder {
	struct evkv_store *inner, *node;
	bool failing;
	unsigned asked;
	char seen[512]; /* the last request, as text */
};

static void text_of(const struct evkv_request *request, char *text, size_t room)
{
	struct evkv_slice none = { "", 0 }, value = none, key = none;

	if (request->count > 0 && request->keys != NULL)
		key = request->keys[0];
	if (request->count > 0 && request->values != NULL)
		value = request->values[0];
	if (request->count > 0 && request->counted_values != NULL)
		value = evkv_value_bytes(request->counted_values[0]);
	snprintf(text, room,
	    "%s %zu \"%.*s\" \"%.*s\" \"%.*s\" %lld %d %lld [%.*s|%.*s]",
	    evkv_kind_name(request->kind), request->count,
	    (int)request->collection.size,
	    request->collection.size > 0
		? (const char *)request->collection.data
		: "",
	    (int)key.size, (const char *)key.data, (int)value.size,
	    (const char *)value.data,
	    (long long)(request->ttls_ms != NULL ? request->ttls_ms[0]
						 : request->ttl_ms),
	    (int)request->condition, (long long)request->delta,
	    (int)request->match.prefix.size,
	    request->match.prefix.size > 0
		? (const char *)request->match.prefix.data
		: "",
	    (int)request->match.pattern.size,
	    request->match.pattern.size > 0
		? (const char *)request->match.pattern.data
		: "");
}

static enum evkv_verdict recorder_submit(void *arg, struct evkv_op *op,
    const struct evkv_request *request)
{
	struct recorder *self = arg;

	self->asked++;
	text_of(request, self->seen, sizeof(self->seen));
	if (self->failing)
		return evkv_op_fail(op, EVKV_UNAVAILABLE, EVKV_CAUSE_CONNECT,
		    "as the test wants it");
	return evkv_op_forward(op, self->inner, request);
}

static void recorder_free(void *arg)
{
	(void)arg;
}

static const struct evkv_vtable recorder_vtable = {
	.size = sizeof(recorder_vtable),
	.name = "recorder",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = recorder_submit,
	.free = recorder_free,
};

/* The one that is opened next. */
static struct recorder *opening;

static struct evkv_store *recorder_open(struct evkv_loop *loop,
    const struct evkv_url *url, struct evkv_error *error)
{
	(void)url;
	opening->inner = evkv_memory_new(loop, NULL, error);
	opening->node = evkv_store_create(NULL, &recorder_vtable, opening,
	    &(struct evkv_store_config){
		.inner = &opening->inner, .inner_count = 1 },
	    error);
	return opening->node;
}

/* ---- One probe ------------------------------------------------------------ */

enum situation {
	PRESENT,
	ABSENT,
	FAILING,
	STRANGE, /* written below the wrapper */
	SITUATIONS
};

struct bench {
	struct rig rig;
	struct recorder recorder;
	struct evkv_store *store;
	struct answer answer, raw;
};

static const char *encryption_chain(void);

static void bench_open(struct bench *b, const char *layer)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	char chain[256];

	memset(b, 0, sizeof(*b));
	rig_open(&b->rig);
	check(evkv_loop_register_scheme(b->rig.loop, "recorder",
	    recorder_open));
#ifdef TABLE_HAS_COMPRESSION
	check(evkv_compression_register(b->rig.loop));
#endif
#ifdef TABLE_HAS_ENCRYPTION
	check(evkv_encryption_register(b->rig.loop));
#endif
	snprintf(chain, sizeof(chain), "recorder:%s%s",
	    layer[0] != '\0' ? " | " : "", layer);
	opening = &b->recorder;
	b->store = evkv_open(b->rig.loop, chain, &error);
	if (b->store == NULL)
		fail_test("%s: %s", chain, error.message);
}

static void bench_close(struct bench *b)
{
	evkv_store_unref(b->store);
	rig_close(&b->rig);
	answer_free(&b->answer);
	answer_free(&b->raw);
}

/* Compressible, and no number. */
static const char value[] =
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static void ask(struct bench *b, struct evkv_store *store, enum evkv_kind kind,
    struct answer *answer)
{
	const uint32_t classes = evkv_kind_classes(kind);
	const struct evkv_slice key = evkv_str(kind == EVKV_OP_INCR ? "n"
								    : "k");
	const struct evkv_slice bytes = evkv_str(value);
	struct evkv_request request = { .kind = kind };
	int i;

	if ((classes & EVKV_CLASS_COLLECTION) != 0)
		request.collection = C;
	if ((classes & EVKV_CLASS_HAS_KEYS) != 0) {
		request.flags = EVKV_FLAG_SINGLE;
		request.count = 1;
		request.keys = &key;
	}
	if (kind == EVKV_OP_PUT)
		request.values = &bytes;
	if (kind == EVKV_OP_INCR)
		request.delta = 1;
	answer_reset(answer);
	evkv_submit(store, &request, answer_cb, answer);
	rig_turn(&b->rig);
	for (i = 0; i < 200 && answer->calls == 0; i++) {
		rig_advance(&b->rig, 5);
		rig_turn(&b->rig);
	}
	check_int(answer->calls, 1);
}

static void put_below(struct bench *b, const char *key, const char *bytes)
{
	evkv_put(b->recorder.node, C, evkv_str(key), evkv_str(bytes), 0, NULL,
	    NULL);
	rig_settle(&b->rig);
}

/* By the wrapper, or where it takes no puts, below it. */
static void put(struct bench *b, const char *key, const char *bytes)
{
	answer_reset(&b->answer);
	evkv_put(b->store, C, evkv_str(key), evkv_str(bytes), 0, answer_cb,
	    &b->answer);
	rig_settle(&b->rig);
	if (b->answer.status != EVKV_OK)
		put_below(b, key, bytes);
}

static void prepare(struct bench *b, enum situation situation)
{
	if (situation == STRANGE) {
		put_below(b, "k", value);
		put_below(b, "n", "5");
	} else if (situation != ABSENT) {
		put(b, "k", value);
		put(b, "n", "5");
	}
	b->recorder.failing = situation == FAILING;
	/* What a cache would have, and what opens a breaker. */
	ask(b, b->store, EVKV_OP_GET, &b->answer);
	ask(b, b->store, EVKV_OP_EXISTS, &b->answer);
}

static bool same_answer(const struct answer *a, const struct answer *b)
{
	size_t i;

	if (a->status != b->status || a->count != b->count ||
	    a->affected != b->affected)
		return false;
	for (i = 0; i < a->count; i++) {
		if (a->entries[i].status != b->entries[i].status ||
		    a->entries[i].number != b->entries[i].number ||
		    !evkv_slice_equal(a->entries[i].bytes,
			b->entries[i].bytes) ||
		    !evkv_slice_equal(a->entries[i].name, b->entries[i].name))
			return false;
	}
	return true;
}

/* What is stored is not what is answered. */
static bool is_translated(struct bench *b, enum evkv_kind kind)
{
	const uint32_t values = EVKV_CLASS_ANSWERS_VALUES;

	if ((evkv_kind_classes(kind) & values) == 0)
		return false;
	ask(b, b->recorder.node, EVKV_OP_GET, &b->raw);
	ask(b, b->store, EVKV_OP_GET, &b->answer);
	return b->raw.count != b->answer.count ||
	    !evkv_slice_equal(b->raw.entries[0].bytes,
		b->answer.entries[0].bytes);
}

/* Whether anything becomes of the kind in this situation. */
static bool changes_in(const char *layer, enum evkv_kind kind,
    enum situation situation)
{
	struct bench alone, wrapped;
	bool changed;

	bench_open(&alone, "");
	bench_open(&wrapped, layer);
	prepare(&alone, situation);
	prepare(&wrapped, situation);
	changed = situation == PRESENT && is_translated(&wrapped, kind);
	alone.recorder.asked = wrapped.recorder.asked = 0;
	ask(&alone, alone.store, kind, &alone.answer);
	ask(&wrapped, wrapped.store, kind, &wrapped.answer);
	changed = changed || wrapped.recorder.asked != 1 ||
	    strcmp(alone.recorder.seen, wrapped.recorder.seen) != 0 ||
	    !same_answer(&alone.answer, &wrapped.answer);
	bench_close(&alone);
	bench_close(&wrapped);
	return changed;
}

static bool changes(const char *layer, enum evkv_kind kind)
{
	int situation;

	for (situation = 0; situation < SITUATIONS; situation++) {
		if (changes_in(layer, kind, (enum situation)situation))
			return true;
	}
	return false;
}

/* ---- The table ------------------------------------------------------------- */

/* Each wrapper, so that what it does shows. */
static const struct {
	const char *name, *layer;
} layers[] = {
	{ "read_only", "read_only" },
	{ "clamp_ttl", "clamp_ttl(max=1h, missing=10m)" },
	{ "prefix_keys", "prefix_keys(p:)" },
	{ "prefix_collections", "prefix_collections(p-)" },
	{ "single_collection", "single_collection(all)" },
	{ "passthrough_cache", "passthrough_cache(simple:)" },
	{ "timeout", "timeout(1h)" },
	{ "retry", "retry(attempts=2, backoff=1ms)" },
	{ "fallback", "fallback(simple:, writes=yes)" },
	{ "routing", "routing(simple:, routes=c)" },
	{ "circuit_breaker",
	    "circuit_breaker(min_operations=1, failure_percent=1)" },
	{ "concurrency_limit", "concurrency_limit(4)" },
	{ "limit_size", "limit_size(1m)" },
	{ "default_value", "default_value(d)" },
	{ "statistics", "statistics" },
	{ "trace", "trace" },
	{ "logging", "logging" },
	{ "fault", "fault" },
#ifdef TABLE_HAS_COMPRESSION
	{ "compression", "compression(min_size=1)" },
#endif
#ifdef TABLE_HAS_ENCRYPTION
	{ "encryption", NULL },
#endif
};

#ifdef TABLE_HAS_ENCRYPTION
static char folder[128], encryption_layer[256];

static const char *encryption_chain(void)
{
	folder_make(folder, sizeof(folder));
	files_write(folder, "key",
	    "000102030405060708090a0b0c0d0e0f"
	    "101112131415161718191a1b1c1d1e1f");
	snprintf(encryption_layer, sizeof(encryption_layer),
	    "encryption(%s/key)", folder);
	return encryption_layer;
}
#else
static const char *encryption_chain(void)
{
	return NULL;
}
#endif

/* What shows elsewhere than in requests and answers, or under load alone. */
static bool is_observer(const char *cell)
{
	static const char *const words[] = { "counted", "logged", "hooks",
		"bounded", "queued", "by its rules", "evicts", "clears",
		"of all" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncmp(cell, words[i], strlen(words[i])) == 0)
			return true;
	}
	return false;
}

/* Whether a text has the name of a kind as a word. */
static bool has_word(const char *text, const char *word)
{
	const char *at = text;
	size_t size = strlen(word);

	while ((at = strstr(at, word)) != NULL) {
		if ((at == text || strchr(" ,", at[-1]) != NULL) &&
		    strchr(" ,:", at[size]) != NULL)
			return true;
		at += size;
	}
	return false;
}

/* A cell names those kinds of its column that something becomes of, or none. */
static bool names_a_kind(const char *cell, const char *column)
{
	unsigned kind;

	for (kind = 0; kind < EVKV_KIND_COUNT; kind++) {
		const char *name = evkv_kind_name((enum evkv_kind)kind);

		if (has_word(column, name) && has_word(cell, name))
			return true;
	}
	return false;
}

static void check_cell(const char *name, const char *layer, const char *column,
    const char *cell)
{
	bool some = names_a_kind(cell, column), expected;
	unsigned kind;

	if (is_observer(cell) && strstr(cell, "walk") != NULL)
		return; /* of all stores, each by its own walk */
	for (kind = 0; kind < EVKV_KIND_COUNT; kind++) {
		const char *kind_name = evkv_kind_name((enum evkv_kind)kind);

		if (!has_word(column, kind_name))
			continue;
		expected = strcmp(cell, "-") != 0 && !is_observer(cell) &&
		    (!some || has_word(cell, kind_name));
		if (changes(layer, (enum evkv_kind)kind) != expected)
			fail_test("%s: %s %s, but the table says: %s", name,
			    kind_name, expected ? "goes through" : "is changed",
			    cell);
	}
}

/* "| a | b |": the next cell, trimmed; NULL at the end. */
static char *next_cell(char **at)
{
	char *cell, *end;

	if (**at != '|' || (*at)[1] == '\0' || (*at)[1] == '\n')
		return NULL;
	cell = *at + 1 + strspn(*at + 1, " ");
	end = strchr(*at + 1, '|');
	if (end == NULL)
		return NULL;
	*at = end;
	return cell;
}

static void cut(char *cell, const char *end)
{
	char *stop = cell + (end - cell);

	while (stop > cell && stop[-1] == ' ')
		stop--;
	*stop = '\0';
}

/* Split a row, keeping the bars; how many cells there are. */
static size_t split(char *row, char **cells, size_t most)
{
	char *at = row, *bar[16];
	size_t count = 0, i;

	while (count < most && (cells[count] = next_cell(&at)) != NULL)
		bar[count++] = at;
	for (i = 0; i < count; i++)
		cut(cells[i], bar[i]);
	return count;
}

static const char *layer_of(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		if (strcmp(layers[i].name, name) == 0)
			return layers[i].layer != NULL ? layers[i].layer
						       : encryption_chain();
	}
	return NULL;
}

static unsigned check_row(char *row, char **columns, size_t count)
{
	char *cells[12], *name, *end;
	const char *layer;
	size_t i;

	check_int(split(row, cells, 12), count);
	name = cells[0] + 1; /* in backquotes */
	end = strchr(name, '`');
	check(cells[0][0] == '`' && end != NULL);
	*end = '\0';
	layer = layer_of(name);
	if (layer == NULL)
		return 0;
	for (i = 1; i < count; i++) {
		char column[128], cell[128];

		/* A word ends with a blank, too. */
		snprintf(column, sizeof(column), "%s ", columns[i]);
		snprintf(cell, sizeof(cell), "%s ", cells[i]);
		if (strcmp(cells[i], "-") == 0)
			snprintf(cell, sizeof(cell), "-");
		check_cell(name, layer, column, cell);
	}
	return 1;
}

EVKV_TEST(unit_wrapper_table, says_what_the_wrappers_do)
{
	static char head[1024], line[1024];
	FILE *page = fopen(WRAPPERS_PAGE, "r");
	char *columns[12];
	unsigned rows = 0;
	size_t count = 0;

	check(page != NULL);
	while (fgets(line, sizeof(line), page) != NULL) {
		if (count == 0 && strncmp(line, "| | get, ttl", 12) == 0) {
			strcpy(head, line);
			count = split(head, columns, 12);
			check(fgets(line, sizeof(line), page) != NULL);
		} else if (count > 0 && line[0] == '|') {
			rows += check_row(line, columns, count);
		} else if (count > 0) {
			break;
		}
	}
	fclose(page);
	check_int(count, 10);
	check_int(rows, sizeof(layers) / sizeof(layers[0]));
#ifdef TABLE_HAS_ENCRYPTION
	folder_remove(folder);
#endif
}
