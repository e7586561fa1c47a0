/*
 * Wrappers made of hooks: which kinds they handle, what the hooks see, and what
 * becomes of names, TTLs and values on the way down and up.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/evkv.h"
#include "evkv/wrapper.h"
#include "lib/faults.h"
#include "lib/rig.h"
#include "lib/scripted.h"
#include "lib/test.h"

struct scene {
	struct rig rig;
	struct evkv_store *simple, *store;
	struct answer answer;
};

/* A type of hooks, without options. */
#define TYPE(name_, hooks_)                                                    \
	{                                                                      \
		.size = sizeof(struct evkv_type), .name = #name_,              \
		.summary = "a test", .wrapper = &(hooks_)                      \
	}

static void open_scene(struct scene *s, const struct evkv_type *type)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	memset(s, 0, sizeof(*s));
	rig_open(&s->rig);
	s->simple = evkv_simple_new(s->rig.loop, &error);
	s->store = evkv_wrapper_create(type, evkv_store_ref(s->simple), NULL, 0,
	    &error);
	if (s->store == NULL)
		fail_test("%s", error.message);
}

static void close_scene(struct scene *s)
{
	answer_free(&s->answer);
	evkv_store_unref(s->store);
	evkv_store_unref(s->simple);
	rig_close(&s->rig);
}

static enum evkv_status ask(struct scene *s, struct evkv_store *store,
    const struct evkv_request *request)
{
	answer_reset(&s->answer);
	evkv_submit(store, request, answer_cb, &s->answer);
	rig_wait(&s->rig, &s->answer.calls);
	return s->answer.status;
}

static enum evkv_status put(struct scene *s, struct evkv_store *store,
    const char *collection, const char *key, const char *value)
{
	struct evkv_slice keys = evkv_str(key), values = evkv_str(value);

	return ask(s, store,
	    &(struct evkv_request){ .kind = EVKV_OP_PUT,
		.flags = EVKV_FLAG_SINGLE,
		.collection = evkv_str(collection),
		.count = 1,
		.keys = &keys,
		.values = &values });
}

static enum evkv_status one(struct scene *s, enum evkv_kind kind,
    const char *collection, const char *key)
{
	struct evkv_slice keys = evkv_str(key);

	return ask(s, s->store,
	    &(struct evkv_request){ .kind = kind,
		.flags = EVKV_FLAG_SINGLE,
		.collection = evkv_str(collection),
		.count = 1,
		.keys = &keys });
}

/* All names of a page, with blanks between them. */
static void check_names(struct scene *s, struct evkv_request request,
    const char *expected)
{
	char text[512] = "";
	size_t i;

	check_status(ask(s, s->store, &request), EVKV_OK);
	for (i = 0; i < s->answer.count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "%.*s ", (int)s->answer.entries[i].name.size,
		    (const char *)s->answer.entries[i].name.data);
	check_str(text, expected);
}

static bool write_entry(const struct evkv_simple_entry *entry, void *arg)
{
	char *text = arg;

	sprintf(text + strlen(text), "%.*s/%.*s=%.*s ",
	    (int)entry->collection.size, (const char *)entry->collection.data,
	    (int)entry->key.size, (const char *)entry->key.data,
	    (int)entry->value.size, (const char *)entry->value.data);
	return true;
}

static void check_bottom(struct scene *s, const char *expected)
{
	char text[1024] = "";

	evkv_simple_each(s->simple, write_entry, text);
	check_str(text, expected);
}

/* ---- Places -------------------------------------------------------------- */

/* As prefix_collections will: "x." before each collection. */
static void heads_place(void *self, struct evkv_slice collection,
    struct evkv_place *place)
{
	(void)self;
	memcpy(place->room, "x.", 2);
	memcpy(place->room + 2, collection.data, collection.size);
	place->collection = evkv_bytes(place->room, 2 + collection.size);
}

static struct evkv_slice heads_head(void *self)
{
	(void)self;
	return EVKV_LIT("x.");
}

static const struct evkv_wrapper heads_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.flags = EVKV_WRAPPER_COLLECTION_HEADS,
	.place = heads_place,
	.collection_head = heads_head,
};
static const struct evkv_type heads_type = TYPE(heads, heads_hooks);

EVKV_TEST(unit_wrapper, collections_behind_a_head)
{
	struct evkv_request names = { .kind = EVKV_OP_COLLECTIONS };
	struct scene s;

	open_scene(&s, &heads_type);
	put(&s, s.store, "users", "1", "a");
	put(&s, s.store, "", "2", "b");
	put(&s, s.store, "x.", "3", "c");
	put(&s, s.simple, "users", "4", "d");
	put(&s, s.simple, "x", "5", "e");
	check_bottom(&s, "users/4=d x/5=e x./2=b x.users/1=a x.x./3=c ");
	check_names(&s, names, " users x. ");
	names.match.pattern = EVKV_LIT("u*s");
	check_names(&s, names, "users ");
	names.match.pattern = EVKV_LIT("");
	names.match.prefix = EVKV_LIT("x");
	check_names(&s, names, "x. ");
	check_names(&s,
	    (struct evkv_request){
		.kind = EVKV_OP_KEYS, .collection = EVKV_LIT("users") },
	    "1 ");
	check_status(one(&s, EVKV_OP_GET, "", "2"), EVKV_OK);
	check_status(ask(&s, s.store,
			 &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL,
			     .match.pattern = EVKV_LIT("*s") }),
	    EVKV_OK);
	check_int(s.answer.affected, 1);
	ask(&s, s.store, &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL });
	check_int(s.answer.affected, 2);
	check_bottom(&s, "users/4=d x/5=e ");
	close_scene(&s);
}

/* As single_collection will: all in one collection, "<collection>__<key>". */
static void single_place(void *self, struct evkv_slice collection,
    struct evkv_place *place)
{
	(void)self;
	memcpy(place->room, collection.data, collection.size);
	memcpy(place->room + collection.size, "__", 2);
	place->key_head = evkv_bytes(place->room, collection.size + 2);
	place->collection = EVKV_LIT("all");
}

static const struct evkv_wrapper single_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.place = single_place,
};
static const struct evkv_type single_type = TYPE(single, single_hooks);

EVKV_TEST(unit_wrapper, keys_behind_the_name_of_their_collection)
{
	struct evkv_request names = { .kind = EVKV_OP_KEYS,
		.collection = EVKV_LIT("users") };
	struct scene s;

	open_scene(&s, &single_type);
	put(&s, s.store, "users", "123", "a");
	put(&s, s.store, "users", "145", "b");
	put(&s, s.store, "rooms", "123", "c");
	check_bottom(&s, "all/rooms__123=c all/users__123=a all/users__145=b ");
	check_names(&s, names, "123 145 ");
	names.match.pattern = EVKV_LIT("1?5");
	check_names(&s, names, "145 ");
	check_status(one(&s, EVKV_OP_TAKE, "users", "145"), EVKV_OK);
	check_slice(s.answer.entries[0].bytes, "b");
	/* Where the kit does not know the names of collections it says so. */
	check(!evkv_store_can(s.store, EVKV_OP_COLLECTIONS, EVKV_IF_ANY));
	check_status(ask(&s, s.store,
			 &(struct evkv_request){ .kind = EVKV_OP_CLEAR_ALL }),
	    EVKV_UNSUPPORTED);
	check_status(ask(&s, s.store,
			 &(struct evkv_request){ .kind = EVKV_OP_CLEAR,
			     .collection = EVKV_LIT("users") }),
	    EVKV_OK);
	check_bottom(&s, "all/rooms__123=c ");
	close_scene(&s);
}

/* ---- Values -------------------------------------------------------------- */

/* Upper case below, lower case here; '!' is refused, '?' is damage. */
static enum evkv_status shout_encode(void *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i, struct evkv_slice *value)
{
	struct evkv_slice copy;
	char *c;
	size_t j;

	(void)self;
	(void)request;
	(void)i;
	if (!evkv_op_copy(op, *value, &copy))
		return EVKV_NOMEM;
	c = (char *)(uintptr_t)copy.data;
	for (j = 0; j < copy.size; j++) {
		if (c[j] == '!') {
			evkv_op_explain(op, EVKV_CAUSE_NONE, 0, "no shouting");
			return EVKV_INVALID;
		}
		if (c[j] >= 'a' && c[j] <= 'z')
			c[j] = (char)(c[j] - 'a' + 'A');
	}
	*value = copy;
	return EVKV_OK;
}

static enum evkv_status shout_decode(void *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i)
{
	struct evkv_slice bytes = evkv_op_entry(op, i)->bytes;
	char lower[64];
	size_t j;

	(void)self;
	check(request == NULL);
	for (j = 0; j < bytes.size; j++) {
		lower[j] = ((const char *)bytes.data)[j];
		if (lower[j] == '?') {
			evkv_op_explain(op, EVKV_CAUSE_NONE, 0, "damaged");
			return EVKV_CORRUPT;
		}
		if (lower[j] >= 'A' && lower[j] <= 'Z')
			lower[j] = (char)(lower[j] - 'A' + 'a');
	}
	return evkv_op_copy_value(op, i, evkv_bytes(lower, bytes.size))
	    ? EVKV_OK
	    : EVKV_NOMEM;
}

static const struct evkv_wrapper shout_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.encode = shout_encode,
	.decode = shout_decode,
};
static const struct evkv_type shout_type = TYPE(shout, shout_hooks);

EVKV_TEST(unit_wrapper, values_are_encoded_and_decoded)
{
	struct scene s;

	open_scene(&s, &shout_type);
	check_status(put(&s, s.store, "c", "k", "tea"), EVKV_OK);
	check_bottom(&s, "c/k=TEA ");
	check_status(one(&s, EVKV_OP_GET, "c", "k"), EVKV_OK);
	check_slice(s.answer.entries[0].bytes, "tea");
	check_status(one(&s, EVKV_OP_TTL, "c", "k"), EVKV_OK);
	check_slice(s.answer.entries[0].bytes, "tea");
	/* What answers values goes through the hook, whatever it is called. */
	check_status(one(&s, EVKV_OP_TAKE, "c", "k"), EVKV_OK);
	check_slice(s.answer.entries[0].bytes, "tea");
	check_status(one(&s, EVKV_OP_GET, "c", "k"), EVKV_NOT_FOUND);

	check_status(put(&s, s.store, "c", "k", "tea!"), EVKV_INVALID);
	check_str(s.answer.message, "no shouting");
	put(&s, s.simple, "c", "k", "TEA?");
	check_status(one(&s, EVKV_OP_GET, "c", "k"), EVKV_CORRUPT);
	check_str(s.answer.message, "damaged");
	check(!s.answer.entries[0].has_value);
	close_scene(&s);
}

/* Refuses each value with it as the message. */
static enum evkv_status echo_encode(void *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i, struct evkv_slice *value)
{
	char message[128];

	(void)self;
	(void)request;
	(void)i;
	memset(evkv_op_alloc(op, 64), 'x', 64);
	memcpy(message, value->data, value->size);
	message[value->size] = '\0';
	evkv_op_explain(op, EVKV_CAUSE_NONE, 0, message);
	return EVKV_INVALID;
}

static const struct evkv_wrapper echo_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.encode = echo_encode,
	.decode = shout_decode,
};
static const struct evkv_type echo_type = TYPE(echo, echo_hooks);

EVKV_TEST(unit_wrapper, messages_of_every_length)
{
	char message[101];
	struct scene s;
	size_t i;

	open_scene(&s, &echo_type);
	for (i = 1; i < sizeof(message); i++) {
		memset(message, 'm', i);
		message[i] = '\0';
		check_status(put(&s, s.store, "c", "k", message), EVKV_INVALID);
		check_str(s.answer.message, message);
	}
	close_scene(&s);
}

EVKV_TEST(unit_wrapper, counted_values_are_encoded_too)
{
	struct evkv_value *value = evkv_value_new(EVKV_LIT("tea"));
	struct evkv_slice key = EVKV_LIT("k");
	struct scene s;

	open_scene(&s, &shout_type);
	check_status(ask(&s, s.store,
			 &(struct evkv_request){ .kind = EVKV_OP_PUT,
			     .count = 1,
			     .keys = &key,
			     .counted_values = &value }),
	    EVKV_OK);
	check_bottom(&s, "/k=TEA ");
	evkv_value_unref(value);
	close_scene(&s);
}

/* A number is a value's text: who encodes values can't add to one. */
EVKV_TEST(unit_wrapper, kinds_that_the_hooks_do_not_cover_are_refused)
{
	struct evkv_slice key = EVKV_LIT("n");
	struct evkv_request incr = {
		.kind = EVKV_OP_INCR, .count = 1, .keys = &key, .delta = 2
	};
	struct scene s;

	open_scene(&s, &shout_type);
	check_status(ask(&s, s.store, &incr), EVKV_UNSUPPORTED);
	check(!evkv_store_can(s.store, EVKV_OP_INCR, EVKV_IF_ANY));
	check(evkv_store_can(s.store, EVKV_OP_TAKE, EVKV_IF_ANY));
	check(evkv_store_can(s.store, EVKV_OP_PUT, EVKV_IF_VERSION));
	close_scene(&s);

	/* Hooks that are about names alone let it pass. */
	open_scene(&s, &heads_type);
	check_status(ask(&s, s.store, &incr), EVKV_OK);
	check_bottom(&s, "x./n=2 ");
	close_scene(&s);
}

static enum evkv_status sealed_decode(void *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i)
{
	char text[64];
	int size;

	(void)self;
	size = snprintf(text, sizeof(text), "%.*s of %.*s",
	    (int)request->keys[i].size, (const char *)request->keys[i].data,
	    (int)request->collection.size,
	    (const char *)request->collection.data);
	return evkv_op_copy_value(op, i, evkv_bytes(text, (size_t)size))
	    ? EVKV_OK
	    : EVKV_NOMEM;
}

static const struct evkv_wrapper sealed_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.flags = EVKV_WRAPPER_KEEPS,
	.decode = sealed_decode,
};
static const struct evkv_type sealed_type = TYPE(sealed, sealed_hooks);

EVKV_TEST(unit_wrapper, decoding_with_the_names_of_the_request)
{
	struct scene s;

	open_scene(&s, &sealed_type);
	put(&s, s.simple, "c", "k", "?");
	check_status(one(&s, EVKV_OP_GET, "c", "k"), EVKV_OK);
	check_slice(s.answer.entries[0].bytes, "k of c");
	/* It says nothing of values on the way down: so it takes none. */
	check_status(put(&s, s.store, "c", "k", "v"), EVKV_UNSUPPORTED);
	close_scene(&s);
}

/* ---- TTLs and checks ----------------------------------------------------- */

static int64_t double_ttl(void *self, enum evkv_kind kind, int64_t ttl_ms)
{
	(void)self;
	return kind == EVKV_OP_INCR ? 5000 : 2 * ttl_ms;
}

static enum evkv_status long_check(void *self,
    const struct evkv_request *request, const char **why)
{
	(void)self;
	*why = "too many keys";
	return request->count > 2 ? EVKV_TOO_LARGE : EVKV_OK;
}

static const struct evkv_wrapper double_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.ttl = double_ttl,
	.check = long_check,
};
static const struct evkv_type double_type = TYPE(double, double_hooks);

EVKV_TEST(unit_wrapper, ttls_in_all_their_forms)
{
	struct evkv_slice keys[3] = { EVKV_LIT("a"), EVKV_LIT("b"),
		EVKV_LIT("c") };
	struct evkv_slice values[3] = { EVKV_LIT("1"), EVKV_LIT("2"),
		EVKV_LIT("3") };
	int64_t ttls[2] = { 100, 0 };
	struct evkv_request request = { .kind = EVKV_OP_PUT,
		.count = 2,
		.keys = keys,
		.values = values,
		.ttls_ms = ttls };
	struct scene s;

	open_scene(&s, &double_type);
	check_status(ask(&s, s.store, &request), EVKV_OK);
	ask(&s, s.store,
	    &(struct evkv_request){
		.kind = EVKV_OP_TTL, .count = 2, .keys = keys });
	check_int(s.answer.entries[0].ttl_ms, 200);
	check_int(s.answer.entries[1].ttl_ms, EVKV_TTL_NONE);
	ask(&s, s.store,
	    &(struct evkv_request){ .kind = EVKV_OP_INCR,
		.count = 1,
		.keys = &keys[2],
		.delta = 1 });
	ask(&s, s.store,
	    &(struct evkv_request){ .kind = EVKV_OP_TOUCH,
		.count = 1,
		.keys = keys,
		.ttl_ms = 1000 });
	ask(&s, s.simple,
	    &(struct evkv_request){
		.kind = EVKV_OP_TTL, .count = 3, .keys = keys });
	check_int(s.answer.entries[0].ttl_ms, 2000);
	check_int(s.answer.entries[2].ttl_ms, 5000);

	request.count = 3;
	request.ttls_ms = NULL;
	check_status(ask(&s, s.store, &request), EVKV_TOO_LARGE);
	check_str(s.answer.message, "too many keys");
	close_scene(&s);
}

/* ---- Making -------------------------------------------------------------- */

struct counted_options {
	const char *name;
	size_t most;
};

static unsigned inits, frees;

static void *counted_init(void *options, struct evkv_store *inner,
    struct evkv_error *error)
{
	struct counted_options *given = options;

	check(inner != NULL);
	if (strcmp(given->name, "bad") == 0) {
		evkv_error_set(error, EVKV_INVALID, "counted: it is bad");
		return NULL;
	}
	inits++;
	return given;
}

static void counted_free(void *self)
{
	check(self != NULL);
	frees++;
}

static const struct evkv_url_option counted_table[] = {
	{ .name = "name",
	    .type = EVKV_URL_STRING,
	    .offset = offsetof(struct counted_options, name),
	    .flags = EVKV_OPTION_REQUIRED },
	{ .name = "most",
	    .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct counted_options, most),
	    .min = 10,
	    .max = 20 },
};
static const struct evkv_wrapper counted_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.init = counted_init,
	.free = counted_free,
};
static const struct evkv_type counted_type = {
	.size = sizeof(struct evkv_type),
	.name = "counted",
	.options = counted_table,
	.option_count = 2,
	.options_size = sizeof(struct counted_options),
	.wrapper = &counted_hooks,
};

static struct evkv_store *make_counted(struct rig *rig, const char *name,
    size_t most, struct evkv_error *error)
{
	struct counted_options options = { name, most };

	evkv_error_clear(error);
	return evkv_wrapper_create(&counted_type,
	    evkv_simple_new(rig->loop, error), &options, sizeof(options),
	    error);
}

EVKV_TEST(unit_wrapper, options_are_checked_and_copied)
{
	char name[] = "a name";
	struct counted_options *kept;
	struct evkv_store *store;
	struct evkv_error error;
	struct rig rig;

	inits = frees = 0;
	rig_open(&rig);
	check(make_counted(&rig, NULL, 0, &error) == NULL);
	check_str(error.message, "counted: name must be given");
	check(make_counted(&rig, "n", 9, &error) == NULL);
	check_str(error.message,
	    "counted: most is 9; it must be 10 to 20 or 0");
	check(make_counted(&rig, "bad", 10, &error) == NULL);
	check_str(error.message, "counted: it is bad");
	check_int(inits, 0);

	store = make_counted(&rig, name, 20, &error);
	check(store != NULL);
	memset(name, 'x', sizeof(name));
	kept = evkv_wrapper_self(store, &counted_type);
	check_str(kept->name, "a name");
	check_int(kept->most, 20);
	check(evkv_wrapper_self(store, &double_type) == NULL);
	check(evkv_wrapper_self(NULL, &counted_type) == NULL);
	check_str(evkv_store_name(store), "counted");
	evkv_store_unref(store);
	rig_close(&rig);
	check_int(inits, 1);
	check_int(frees, 1);
}

static const struct evkv_url_option floored_table[] = {
	{ .name = "level",
	    .type = EVKV_URL_INT,
	    .offset = offsetof(struct counted_options, most),
	    .min = 3,
	    .max = INT64_MAX },
};
static const struct evkv_type floored_type = {
	.size = sizeof(struct evkv_type),
	.name = "floored",
	.options = floored_table,
	.option_count = 1,
	.options_size = sizeof(struct counted_options),
	.wrapper = &shout_hooks,
};

/* Bounds on one side, and options that no wrapper has room for. */
EVKV_TEST(unit_wrapper, what_can_not_be_made)
{
	struct evkv_type large = floored_type;
	struct counted_options options = { NULL, 2 };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store;
	struct rig rig;

	rig_open(&rig);
	check(evkv_wrapper_create(&floored_type,
		  evkv_simple_new(rig.loop, NULL), &options, sizeof(options),
		  &error) == NULL);
	check_invalid(error, "floored: level is 2; it must be at least 3");
	evkv_error_clear(&error);
	options.most = 3;
	store = evkv_wrapper_create(&floored_type,
	    evkv_simple_new(rig.loop, NULL), &options, sizeof(options), &error);
	check(store != NULL);
	evkv_store_unref(store);
	large.options_size = 513;
	check(evkv_wrapper_create(&large, evkv_simple_new(rig.loop, NULL),
		  &options, sizeof(options), &error) == NULL);
	check_invalid(error, "at most 512 bytes");
	evkv_error_clear(&error);
	check(evkv_wrapper_create(&floored_type, NULL, NULL, 0, &error) ==
	    NULL);
	check_invalid(error, "the inner store is NULL");
	rig_close(&rig);
}

static const struct evkv_url_option hushed_table[] = {
	{ .name = "key",
	    .type = EVKV_URL_STRING,
	    .offset = offsetof(struct counted_options, name),
	    .flags = EVKV_OPTION_SECRET },
	{ .name = "most",
	    .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct counted_options, most) },
};
static const struct evkv_type hushed_type = {
	.size = sizeof(struct evkv_type),
	.name = "hushed",
	.options = hushed_table,
	.option_count = 2,
	.options_size = sizeof(struct counted_options),
	.wrapper = &shout_hooks,
};

/* A secret is not told, and all that is not given is left out. */
EVKV_TEST(unit_wrapper, options_are_described)
{
	static const struct {
		struct counted_options options;
		const char *text;
	} rows[] = {
		{ { "hush", 0 }, "simple: | hushed(key=***)" },
		{ { NULL, 0 }, "simple: | hushed" },
		{ { NULL, 1023 }, "simple: | hushed(most=1023)" },
		{ { NULL, 1024 }, "simple: | hushed(most=1k)" },
		{ { "hush", 1025 }, "simple: | hushed(key=***, most=1025)" },
		{ { NULL, 3 << 20 }, "simple: | hushed(most=3m)" },
		{ { NULL, 2u << 30 }, "simple: | hushed(most=2g)" },
	};
	struct evkv_store *store;
	struct rig rig;
	char *text;
	size_t i;

	rig_open(&rig);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		store = evkv_wrapper_create(&hushed_type,
		    evkv_simple_new(rig.loop, NULL), &rows[i].options,
		    sizeof(rows[i].options), NULL);
		text = evkv_store_describe(store, 0);
		check_str(text, rows[i].text);
		evkv_free(text);
		evkv_store_unref(store);
	}
	rig_close(&rig);
}

/* Each allocation fails once; nothing stays behind, and nothing twice. */
EVKV_TEST(unit_wrapper, making_without_memory)
{
	struct evkv_store *store = NULL, *inner;
	struct counted_options options = { .name = "n" };
	struct evkv_error error;
	struct rig rig;
	size_t n;

	inits = frees = 0;
	rig_open(&rig);
	for (n = 1; store == NULL; n++) {
		evkv_error_clear(&error);
		inner = evkv_simple_new(rig.loop, &error);
		faults_fail_nth(n);
		store = evkv_wrapper_create(&counted_type, inner, &options,
		    sizeof(options), &error);
		faults_off();
		if (store == NULL)
			check_status(error.status, EVKV_NOMEM);
		check(n < 10);
	}
	check(n >= 3);
	evkv_store_unref(store);
	rig_close(&rig);
	check_int(inits, frees);
}

/* ---- Slots that are hooks ------------------------------------------------ */

/* It only looks: what it is told of operations, and what it tells itself. */
struct looker {
	unsigned detached;
	enum evkv_status status;
	unsigned told;
	uint64_t number;
};

static struct looker looker;

static void looker_detached(void *self, struct evkv_op *op,
    enum evkv_status status)
{
	(void)self;
	check(evkv_op_detached(op));
	looker.detached++;
	looker.status = status;
}

static void looker_counters(void *self, struct evkv_counters *counters)
{
	(void)self;
	counters->reconnects += 7;
	counters->evictions += 8;
}

static void looker_metrics(void *self, struct evkv_metrics *metrics)
{
	static const struct evkv_metric looks = {
		.size = sizeof(looks), .name = "looks_total", .help = "Looks."
	};

	(void)self;
	evkv_metrics_add(metrics, &looks, NULL, 9);
}

static const struct evkv_wrapper looker_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.classes = EVKV_CLASS_READS | EVKV_CLASS_HAS_KEYS |
	    EVKV_CLASS_COLLECTION | EVKV_CLASS_ANSWERS_VALUES |
	    EVKV_CLASS_REPEATABLE | EVKV_CLASS_HAS_TTL,
	.detached = looker_detached,
	.counters = looker_counters,
	.metrics = looker_metrics,
};
static const struct evkv_type looker_type = TYPE(looker, looker_hooks);

static void looker_told(const struct evkv_metric *metric, void *arg)
{
	(void)arg;
	check_str(metric->name, "looks_total");
	looker.told++;
	looker.number = metric->number;
}

EVKV_TEST(unit_wrapper, slots_that_are_hooks)
{
	struct scripted *script = scripted_new();
	struct answer answer = ANSWER_INIT;
	struct evkv_counters counters;
	struct evkv_store *store;
	struct rig rig;
	char *text;

	looker = (struct looker){ .detached = 0 };
	rig_open(&rig);
	store = evkv_wrapper_create(&looker_type,
	    scripted_store(script, rig.loop, NULL), NULL, 0, NULL);
	check(evkv_store_can(store, EVKV_OP_GET, EVKV_IF_ANY));
	check(!evkv_store_can(store, EVKV_OP_PUT, EVKV_IF_ANY));
	check(!evkv_store_can(store, EVKV_OP_KEYS, EVKV_IF_ANY));
	evkv_store_set_timeout(store, 100);
	evkv_get(store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &answer);
	rig_turn(&rig);
	check_int(looker.detached, 0);
	rig_advance(&rig, 100);
	rig_wait(&rig, &answer.calls);
	check_status(answer.status, EVKV_TIMEOUT);
	check_int(looker.detached, 1);
	check_status(looker.status, EVKV_TIMEOUT);
	evkv_store_counters(store, &counters);
	check_int(counters.abandoned, 1);
	check_int(counters.reconnects, 7);
	check_int(counters.evictions, 8);
	text = evkv_store_describe(store, EVKV_DESCRIBE_COUNTERS);
	check_contains(text,
	    " | looker {READY pending=1 abandoned=1 reconnects=7 evictions=8}");
	evkv_free(text);
	evkv_store_metrics(store, looker_told, NULL);
	check_int(looker.told, 1);
	check_int(looker.number, 9);
	scripted_complete_all(script, EVKV_OK);
	rig_turn(&rig);
	check_int(answer.calls, 1);
	answer_free(&answer);
	evkv_store_unref(store);
	rig_close(&rig);
	scripted_free(script);
}

/* ---- Want of memory ------------------------------------------------------ */

#define LONG_SIZE 240 /* more than an op has room for */

static char long_name[LONG_SIZE + 1];

static const struct evkv_type *const mapping_types[] = { &heads_type,
	&single_type, &shout_type };

static bool count_entry(const struct evkv_simple_entry *entry, void *arg)
{
	size_t *counts = arg;

	counts[entry->value.size == 6 &&
	    memcmp(entry->value.data, "theirs", 6) == 0]++;
	return true;
}

/*
 * With the nth allocation failing; false: there was none. What is told to have
 * had no effect had none, and what another has under our names is left alone.
 */
static bool lacks_nth(const struct evkv_type *type, enum evkv_kind kind,
    size_t n)
{
	struct evkv_slice key = evkv_bytes(long_name, LONG_SIZE);
	struct evkv_slice value = EVKV_LIT("ours");
	struct evkv_request request = { .kind = kind,
		.collection = key,
		.count = kind == EVKV_OP_CLEAR ? 0 : 1,
		.keys = kind == EVKV_OP_CLEAR ? NULL : &key,
		.values = kind == EVKV_OP_PUT ? &value : NULL };
	size_t counts[2] = { 0, 0 };
	struct scene s;
	bool fired, ours;

	open_scene(&s, type);
	/* Where nothing is mapped it is their entry that is meant. */
	if (type != &shout_type)
		check_status(put(&s, s.simple, long_name, long_name, "theirs"),
		    EVKV_OK);
	if (kind != EVKV_OP_PUT)
		check_status(put(&s, s.store, long_name, long_name, "ours"),
		    EVKV_OK);
	faults_fail_nth(n);
	ask(&s, s.store, &request);
	faults_off();
	fired = faults_fired() > 0;
	check_status(s.answer.status, fired ? EVKV_NOMEM : EVKV_OK);
	ours = kind == EVKV_OP_PUT ? !fired : kind == EVKV_OP_GET || fired;
	evkv_simple_each(s.simple, count_entry, counts);
	check_int(counts[0], ours);
	check_int(counts[1], type != &shout_type);
	close_scene(&s);
	return fired;
}

EVKV_TEST(unit_wrapper, what_lacks_memory_goes_nowhere)
{
	static const enum evkv_kind kinds[] = { EVKV_OP_PUT, EVKV_OP_GET,
		EVKV_OP_DELETE, EVKV_OP_CLEAR };
	size_t i, j, n;

	memset(long_name, 'n', LONG_SIZE);
	for (i = 0; i < sizeof(mapping_types) / sizeof(mapping_types[0]); i++) {
		for (j = 0; j < sizeof(kinds) / sizeof(kinds[0]); j++) {
			for (n = 1; lacks_nth(mapping_types[i], kinds[j], n);)
				check(++n < 100);
			check(n > 1);
		}
	}
}

/* A table of a later version of evkv is cut, one of an earlier filled up. */
EVKV_TEST(unit_wrapper, tables_of_other_sizes)
{
	struct evkv_wrapper hooks = double_hooks;
	struct evkv_type type = TYPE(sized, hooks);
	struct scene s;

	hooks.size = offsetof(struct evkv_wrapper, check);
	open_scene(&s, &type);
	check_status(put(&s, s.store, "c", "k", "v"), EVKV_OK);
	close_scene(&s);
}
