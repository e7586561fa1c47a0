/*
 * tests/adapters/typed_store_test.c - structs in a store.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/adapters/typed.h"
#include "evkv/stores/simple.h"
#include "faults.h"
#include "rig.h"
#include "test.h"

#define C EVKV_LIT("users")

struct user {
	int64_t id;
	const char *name;
};

static const struct evkv_field user_fields[] = {
	{ EVKV_FIELD(struct user, id, INT), .flags = EVKV_FIELD_REQUIRED },
	{ EVKV_FIELD(struct user, name, STRING), .max_length = 5 },
};
static const struct evkv_schema user_schema = EVKV_SCHEMA(struct user,
    user_fields);

struct scene {
	struct rig rig;
	struct evkv_store *store;
	struct evkv_typed *typed;
};

static void scene_open(struct scene *s,
    const struct evkv_typed_options *options)
{
	rig_open(&s->rig);
	s->store = evkv_simple_new(s->rig.loop, NULL);
	if (options != NULL)
		s->typed = evkv_typed_new(evkv_store_ref(s->store),
		    &user_schema, options, NULL);
	else
		s->typed = evkv_typed_new(evkv_store_ref(s->store),
		    &user_schema, NULL, NULL);
	check(s->typed != NULL);
}

static void scene_close(struct scene *s)
{
	evkv_typed_free(s->typed);
	evkv_store_unref(s->store);
	rig_close(&s->rig);
}

struct got {
	unsigned calls;
	enum evkv_status status;
	enum evkv_kind kind;
	char message[300];
	size_t count;
	struct evkv_typed_entry entries[3];
	struct user users[3];
	char names[3][8];
	int64_t affected;
	void *taken;
	bool take;
};

static void on_typed(const struct evkv_typed_result *result, void *arg)
{
	const struct evkv_typed_entry *entry;
	struct got *got = arg;
	size_t i;

	got->calls++;
	got->status = result->status;
	got->kind = result->kind;
	got->count = result->count;
	got->affected = result->affected;
	snprintf(got->message, sizeof(got->message), "%s", result->message);
	for (i = 0; i < result->count && i < 3; i++) {
		entry = evkv_typed_result_entry(result, i);
		got->entries[i] = *entry;
		if (entry->object == NULL)
			continue;
		memcpy(&got->users[i], entry->object, sizeof(got->users[i]));
		snprintf(got->names[i], sizeof(got->names[i]), "%s",
		    got->users[i].name);
		if (got->take)
			got->taken = evkv_typed_take_over(entry);
	}
}

EVKV_TEST(adapters_typed_store, structs_are_json_in_the_store)
{
	const struct user ada = { 7, "Ada" }, bob = { 8, "Bob" };
	const void *const both[] = { &ada, &bob };
	const struct evkv_slice keys[] = { EVKV_LIT("7"), EVKV_LIT("8"),
		EVKV_LIT("9") };
	struct answer a = ANSWER_INIT;
	struct got got = { .calls = 0 };
	struct scene s;

	scene_open(&s, NULL);
	evkv_typed_put(s.typed, C, EVKV_LIT("7"), &ada, 5000, on_typed, &got);
	rig_turn(&s.rig);
	check_status(got.status, EVKV_OK);
	evkv_get(s.store, C, EVKV_LIT("7"), answer_cb, &a);
	rig_turn(&s.rig);
	check_slice(a.entries[0].bytes, "{\"id\":7,\"name\":\"Ada\"}");
	evkv_typed_ttl(s.typed, C, EVKV_LIT("7"), on_typed, &got);
	rig_turn(&s.rig);
	check_int(got.entries[0].ttl_ms, 5000);
	check_int(got.users[0].id, 7);
	check_str(got.names[0], "Ada");
	evkv_typed_put_many(s.typed, C, keys, both, 2, 0, on_typed, &got);
	evkv_typed_get_many(s.typed, C, keys, 3, on_typed, &got);
	rig_turn(&s.rig);
	check_status(got.status, EVKV_OK);
	check_int(got.count, 3);
	check_str(got.names[1], "Bob");
	check_status(got.entries[2].status, EVKV_NOT_FOUND);
	check(got.entries[2].object == NULL);
	got.take = true;
	evkv_typed_take(s.typed, C, EVKV_LIT("8"), on_typed, &got);
	rig_turn(&s.rig);
	check_str(((struct user *)got.taken)->name, "Bob");
	evkv_typed_free_object(got.taken);
	evkv_typed_delete(s.typed, C, EVKV_LIT("8"), on_typed, &got);
	rig_turn(&s.rig);
	check_status(got.status, EVKV_NOT_FOUND);
	answer_free(&a);
	scene_close(&s);
}

EVKV_TEST(adapters_typed_store, what_does_not_fit_is_invalid_or_corrupt)
{
	const struct user bad = { 7, "too long" };
	const struct evkv_slice keys[] = { EVKV_LIT("7"), EVKV_LIT("8") };
	struct got got = { .calls = 0 };
	struct scene s;

	scene_open(&s, NULL);
	evkv_typed_put(s.typed, C, EVKV_LIT("7"), &bad, 0, on_typed, &got);
	check_int(got.calls, 0);
	rig_turn(&s.rig);
	check_int(got.calls, 1);
	check_status(got.status, EVKV_INVALID);
	check_int(got.kind, EVKV_OP_PUT);
	check_int(got.count, 1);
	check_contains(got.message, "name: expected 0 to 5 bytes, found 8");
	evkv_typed_put(s.typed, C, EVKV_LIT("7"), NULL, 0, on_typed, &got);
	rig_turn(&s.rig);
	check_status(got.status, EVKV_INVALID);
	evkv_typed_get(s.typed, C, EVKV_LIT("7"), on_typed, &got);
	rig_turn(&s.rig);
	check_status(got.status, EVKV_NOT_FOUND);

	evkv_put(s.store, C, EVKV_LIT("7"), EVKV_LIT("{\"id\":\"x\"}"), 0, NULL,
	    NULL);
	evkv_put(s.store, C, EVKV_LIT("8"), EVKV_LIT("{\"id\":8}"), 0, NULL,
	    NULL);
	evkv_typed_get_many(s.typed, C, keys, 2, on_typed, &got);
	rig_turn(&s.rig);
	check_status(got.status, EVKV_CORRUPT);
	check_contains(got.message,
	    "id: byte 6: expected an integer of 64 bits, found string \"x\"");
	check_status(got.entries[0].status, EVKV_CORRUPT);
	check_status(got.entries[1].status, EVKV_OK);
	check_int(got.users[1].id, 8);
	scene_close(&s);
}

EVKV_TEST(adapters_typed_store, a_miss_may_be_an_error)
{
	struct got got = { .calls = 0 };
	struct scene s;

	scene_open(&s, &(struct evkv_typed_options){ .require = true });
	evkv_typed_get(s.typed, C, EVKV_LIT("7"), on_typed, &got);
	rig_turn(&s.rig);
	check_status(got.status, EVKV_MISSING);
	check_str(got.message, "get: users has no entry for the key 7");
	scene_close(&s);
}

struct point {
	int32_t x, y;
};

static const struct evkv_field point_fields[] = {
	{ EVKV_FIELD(struct point, x, INT) },
	{ EVKV_FIELD(struct point, y, INT) },
};
static const struct evkv_schema point_schema = EVKV_SCHEMA(struct point,
    point_fields);

static void on_point(const struct evkv_typed_result *result, void *arg)
{
	const struct evkv_typed_entry *entry = evkv_typed_result_entry(result,
	    0);
	struct point *point = arg;

	if (entry->object != NULL)
		*point = *(const struct point *)entry->object;
}

EVKV_TEST(adapters_typed_store, raw_structs)
{
	const struct evkv_typed_options options = { .codec = &evkv_codec_raw };
	struct point in = { 3, -4 }, out = { 0, 0 };
	struct evkv_typed *typed;
	struct got got = { .calls = 0 };
	struct scene s;

	scene_open(&s, NULL);
	typed = evkv_typed_new(evkv_store_ref(s.store), &point_schema, &options,
	    NULL);
	evkv_typed_put(typed, C, EVKV_LIT("p"), &in, 0, NULL, NULL);
	evkv_typed_get(typed, C, EVKV_LIT("p"), on_point, &out);
	rig_turn(&s.rig);
	check_int(out.x, 3);
	check_int(out.y, -4);
	evkv_put(s.store, C, EVKV_LIT("p"), EVKV_LIT("x"), 0, NULL, NULL);
	evkv_typed_get(typed, C, EVKV_LIT("p"), on_typed, &got);
	rig_turn(&s.rig);
	check_status(got.status, EVKV_CORRUPT);
	check_contains(got.message, "expected 8 bytes, found 1");
	evkv_typed_free(typed);
	scene_close(&s);
}

/* ---- Schemas ------------------------------------------------------------ */

static void schema_wrong(struct rig *rig, struct evkv_field field,
    const char *why)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_field fields[] = { user_fields[0], field };
	const struct evkv_schema schema = EVKV_SCHEMA(struct user, fields);

	check(evkv_typed_new(evkv_simple_new(rig->loop, NULL), &schema, NULL,
		  &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, why);
}

EVKV_TEST(adapters_typed_store, a_schema_is_checked_when_it_is_given)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_field field = user_fields[1];
	struct rig rig;

	rig_open(&rig);
	check(evkv_typed_new(NULL, &user_schema, NULL, &error) == NULL);
	check_invalid(error, "store is NULL");
	evkv_error_clear(&error);
	check(evkv_typed_new(evkv_simple_new(rig.loop, NULL), NULL, NULL,
		  &error) == NULL);
	check_invalid(error, "schema is NULL");
	schema_wrong(&rig, user_fields[0], "field id: its name stands twice");
	field.width = 4;
	schema_wrong(&rig, field, "field name: the member is no char *");
	field = user_fields[1];
	field.kind = EVKV_FIELD_KIND_ENUM;
	schema_wrong(&rig, field, "names are missing");
	field.kind = EVKV_FIELD_KIND_STRUCT;
	schema_wrong(&rig, field, "schema is missing");
	field.kind = EVKV_FIELD_KIND_CUSTOM;
	schema_wrong(&rig, field, "encode or decode is missing");
	field = user_fields[1];
	field.offset = 1000;
	schema_wrong(&rig, field, "does not lie within the struct");
	field = user_fields[1];
	field.name = NULL;
	schema_wrong(&rig, field, "field 1 has no name");
	field = user_fields[1];
	field.flags = 1u << 31;
	schema_wrong(&rig, field, "flags that are not known");
	/* What would be written or read beside the struct. */
	field = user_fields[1];
	field.offset = sizeof(struct user) - 1;
	schema_wrong(&rig, field, "it does not lie within the struct");
	field = user_fields[1];
	field.room = SIZE_MAX / 2;
	schema_wrong(&rig, field, "it does not lie within the struct");
	field = user_fields[1];
	field.present = sizeof(struct user) + 1;
	schema_wrong(&rig, field, "present does not lie within the struct");
	field.present = 0;
	field.counted = sizeof(struct user) - 2;
	schema_wrong(&rig, field, "its count does not lie within the struct");
	/* What no value could satisfy. */
	field = user_fields[1];
	field.min_int = 1;
	schema_wrong(&rig, field, "min_int is over max_int");
	field = user_fields[1];
	field.min_uint = 2;
	field.max_uint = 1;
	schema_wrong(&rig, field, "min_uint is over max_uint");
	field = user_fields[1];
	field.min_double = 0.5;
	schema_wrong(&rig, field, "min_double is over max_double");
	field = user_fields[1];
	field.name = "na\xffme";
	schema_wrong(&rig, field, "its name is not UTF-8");
	rig_settle(&rig);
	rig_close(&rig);
}

/* A width that no member of the kind has, and the words for it. */
static const struct {
	enum evkv_field_kind kind;
	size_t width;
	const char *why;
} wrong_widths[] = {
	{ EVKV_FIELD_KIND_BOOL, 4, "the member is no bool" },
	{ EVKV_FIELD_KIND_INT, 3, "the member is no integer" },
	{ EVKV_FIELD_KIND_INT, 16, "the member is no integer" },
	{ EVKV_FIELD_KIND_UINT, 0, "the member is no integer" },
	{ EVKV_FIELD_KIND_DOUBLE, 2, "the member is no float or double" },
	{ EVKV_FIELD_KIND_CHARS, 0, "the member has no room" },
	{ EVKV_FIELD_KIND_TEXT, 8, "the member is no struct evkv_slice" },
	{ EVKV_FIELD_KIND_BYTES, 8, "the member is no struct evkv_slice" },
	{ EVKV_FIELD_KIND_JSON, 8, "the member is no struct evkv_slice" },
	{ EVKV_FIELD_KIND_TIME, 4, "the member is no int64_t" },
	{ 0, 8, "its kind is not one of enum evkv_field_kind" },
	{ EVKV_FIELD_KIND_CUSTOM + 1, 8, "its kind is not one of" },
};

EVKV_TEST(adapters_typed_store, a_member_has_the_width_of_its_kind)
{
	static const struct evkv_field_name names[] = { { "a", 1 },
		{ NULL, 0 } };
	struct evkv_field field;
	struct rig rig;
	size_t i;

	rig_open(&rig);
	for (i = 0; i < sizeof(wrong_widths) / sizeof(wrong_widths[0]); i++) {
		field = (struct evkv_field){ .name = "f",
			.kind = wrong_widths[i].kind,
			.width = wrong_widths[i].width };
		schema_wrong(&rig, field, wrong_widths[i].why);
	}
	field = (struct evkv_field){ .name = "f",
		.kind = EVKV_FIELD_KIND_ENUM,
		.width = 8,
		.names = names };
	schema_wrong(&rig, field, "the member is no int");
	field = (struct evkv_field){ .name = "f",
		.kind = EVKV_FIELD_KIND_INT,
		.width = 8,
		.flags = EVKV_FIELD_POINTER };
	schema_wrong(&rig, field, "EVKV_FIELD_POINTER is for a single STRUCT");
	field = (struct evkv_field){ .name = "f",
		.kind = EVKV_FIELD_KIND_STRING,
		.width = sizeof(char *),
		.min_length = 3,
		.max_length = 2 };
	schema_wrong(&rig, field, "min_length is over max_length");
	field.max_length = 3;
	field.offset = sizeof(struct user);
	schema_wrong(&rig, field, "does not lie within the struct");
	rig_settle(&rig);
	rig_close(&rig);
}

EVKV_TEST(adapters_typed_store, inner_schemas_are_checked_too)
{
	const struct evkv_field bad_fields[] = { user_fields[0],
		{ .name = NULL } };
	const struct evkv_schema bad = EVKV_SCHEMA(struct user, bad_fields);
	const struct evkv_field_variant variants[] = { { &user_schema, 1 },
		{ &bad, 2 }, { NULL, 0 } };
	struct evkv_field field = { .name = "f",
		.kind = EVKV_FIELD_KIND_STRUCT,
		.width = sizeof(struct user),
		.schema = &bad };
	struct evkv_schema keeps = user_schema;
	struct rig rig;

	rig_open(&rig);
	schema_wrong(&rig, field, "field 1 has no name");
	field.width--;
	schema_wrong(&rig, field, "not of the size of its schema");
	field.schema = &keeps;
	field.width = sizeof(void *);
	field.flags = EVKV_FIELD_POINTER;
	keeps.unknown = EVKV_UNKNOWN_KEEP;
	schema_wrong(&rig, field, "EVKV_UNKNOWN_KEEP needs kept");
	keeps.size = 1;
	schema_wrong(&rig, field, "a schema without its sizes");
	field = (struct evkv_field){ .name = "f",
		.kind = EVKV_FIELD_KIND_UNION,
		.width = sizeof(struct user),
		.variants = variants,
		.tag = 1 };
	schema_wrong(&rig, field, "field 1 has no name");
	field.tag = 0;
	schema_wrong(&rig, field, "variants or tag is missing");
	rig_settle(&rig);
	rig_close(&rig);
}

EVKV_TEST(adapters_typed_store, out_of_memory_is_told_and_leaks_nothing)
{
	const struct user ada = { 7, "Ada" };
	struct got got = { .calls = 0 };
	unsigned expected = 0;
	struct scene s;
	size_t n;

	scene_open(&s, NULL);
	for (n = 1; got.status != EVKV_OK || got.calls == 0; n++) {
		check(n < 100);
		got.status = EVKV_NOMEM;
		faults_fail_nth(n);
		expected++;
		check(evkv_typed_put(s.typed, C, EVKV_LIT("7"), &ada, 0,
			  on_typed, &got) != 0);
		rig_turn(&s.rig);
		faults_off();
		check_int(got.calls, expected);
	}
	got.calls = 0;
	expected = 0;
	for (n = 1; got.calls == 0 || got.entries[0].object == NULL; n++) {
		check(n < 100);
		got.entries[0].object = NULL;
		faults_fail_nth(n);
		expected++;
		check(evkv_typed_get(s.typed, C, EVKV_LIT("7"), on_typed,
			  &got) != 0);
		rig_turn(&s.rig);
		faults_off();
		check_int(got.calls, expected);
	}
	scene_close(&s);
}

/* Of all memory: also what the call itself would need is from a reserve. */
EVKV_TEST(adapters_typed_store, without_any_memory_calls_back)
{
	const struct user ada = { 7, "Ada" };
	struct got got = { .calls = 0 };
	struct scene s;

	scene_open(&s, NULL);
	faults_fail_from(1);
	check(evkv_typed_put(s.typed, C, EVKV_LIT("7"), &ada, 0, on_typed,
		  &got) != 0);
	rig_turn(&s.rig);
	check_int(got.calls, 1);
	check_status(got.status, EVKV_NOMEM);
	check(evkv_typed_get(s.typed, C, EVKV_LIT("7"), on_typed, &got) != 0);
	rig_turn(&s.rig);
	faults_off();
	check_int(got.calls, 2);
	check_status(got.status, EVKV_NOMEM);
	scene_close(&s);
}

/* The adapter may go while its calls are under way. */
EVKV_TEST(adapters_typed_store, freed_while_a_call_is_under_way)
{
	struct got got = { .calls = 0 };
	struct scene s;

	scene_open(&s, NULL);
	evkv_typed_get(s.typed, C, EVKV_LIT("7"), on_typed, &got);
	evkv_typed_free(s.typed);
	s.typed = NULL;
	rig_turn(&s.rig);
	check_int(got.calls, 1);
	scene_close(&s);
}
