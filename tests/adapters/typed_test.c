/*
 * tests/adapters/typed_test.c - tables: structs to JSON and back, and what is
 * said of a value that does not fit.
 */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/adapters/typed.h"
#include "evkv/json.h"
#include "faults.h"
#include "test.h"

enum color {
	COLOR_RED = 3,
	COLOR_BLUE = 5,
};

static const struct evkv_field_name color_names[] = { { "red", COLOR_RED },
	{ "blue", COLOR_BLUE }, { NULL, 0 } };

struct item {
	double price;
	char sku[8];
};

struct circle {
	int32_t radius;
};

struct square {
	int32_t side;
};

struct thing {
	bool on;
	int8_t small;
	int64_t large;
	uint64_t huge;
	float single;
	double wide;
	const char *name;
	char code[6];
	struct evkv_slice text, bytes, json, kept;
	int color;
	int64_t at_ms;
	struct item first;
	struct item *more;
	size_t more_count;
	int16_t fixed[3];
	uint8_t some[4];
	size_t some_count;
	const char **words;
	size_t words_count;
	struct thing *child;
	bool has_age;
	uint8_t age;
	int shape_kind;
	union {
		struct circle circle;
		struct square square;
	} shape;
	int64_t custom;
	const char *password;
};

static const char *sku_validate(const void *member)
{
	return ((const char *)member)[0] == 'S' ? NULL : "a SKU begins with S";
}

static const struct evkv_field item_fields[] = {
	{ EVKV_FIELD(struct item, price, DOUBLE), .flags = EVKV_FIELD_REQUIRED,
	    .min_double = 0, .max_double = 1e6 },
	{ EVKV_FIELD(struct item, sku, CHARS), .min_length = 2,
	    .validate = sku_validate },
};
static const struct evkv_schema item_schema = EVKV_SCHEMA(struct item,
    item_fields);

static const struct evkv_field circle_fields[] = {
	{ EVKV_FIELD(struct circle, radius, INT) }
};
static const struct evkv_schema circle_schema = EVKV_SCHEMA(struct circle,
    circle_fields);
static const struct evkv_field square_fields[] = {
	{ EVKV_FIELD(struct square, side, INT) }
};
static const struct evkv_schema square_schema = EVKV_SCHEMA(struct square,
    square_fields);
static const struct evkv_field_variant shapes[] = { { &circle_schema,
							COLOR_RED },
	{ &square_schema, COLOR_BLUE }, { NULL, 0 } };

/* Written as text with an 'x' before it. */
static bool custom_encode(const void *member, struct evkv_json_writer *writer,
    struct evkv_typed_error *error)
{
	char text[32];

	if (*(const int64_t *)member < 0) {
		snprintf(error->message, sizeof(error->message), "negative");
		return false;
	}
	snprintf(text, sizeof(text), "x%lld",
	    (long long)*(const int64_t *)member);
	evkv_json_put_string(writer, evkv_str(text));
	return true;
}

static bool custom_decode(struct evkv_slice text, struct evkv_arena *arena,
    void *member, struct evkv_typed_error *error)
{
	char copy[32];

	if (evkv_arena_alloc(arena, 10) == NULL)
		return false;
	if (text.size < 4 || text.size >= sizeof(copy) ||
	    memcmp(text.data, "\"x", 2) != 0) {
		snprintf(error->message, sizeof(error->message),
		    "expected an x");
		return false;
	}
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	*(int64_t *)member = atoll(copy + 2);
	return true;
}

static const int color_default = COLOR_BLUE;

static const struct evkv_schema thing_schema;

static const struct evkv_field thing_fields[] = {
	{ EVKV_FIELD(struct thing, on, BOOL) },
	{ EVKV_FIELD(struct thing, small, INT) },
	{ EVKV_FIELD(struct thing, large, INT), .flags = EVKV_FIELD_REQUIRED },
	{ EVKV_FIELD(struct thing, huge, UINT) },
	{ EVKV_FIELD(struct thing, single, DOUBLE) },
	{ EVKV_FIELD(struct thing, wide, DOUBLE) },
	{ EVKV_FIELD(struct thing, name, STRING), .max_length = 10 },
	{ EVKV_FIELD(struct thing, code, CHARS) },
	{ EVKV_FIELD(struct thing, text, TEXT) },
	{ EVKV_FIELD(struct thing, bytes, BYTES) },
	{ EVKV_FIELD(struct thing, json, JSON) },
	{ EVKV_FIELD(struct thing, color, ENUM), .names = color_names,
	    .fallback = &color_default },
	{ EVKV_FIELD(struct thing, at_ms, TIME) },
	{ EVKV_FIELD(struct thing, first, STRUCT), .schema = &item_schema },
	{ EVKV_FIELD_LIST(struct thing, more, more_count, STRUCT),
	    .schema = &item_schema, .max_length = 5 },
	{ EVKV_FIELD_ARRAY(struct thing, fixed, INT) },
	{ EVKV_FIELD_ARRAY(struct thing, some, UINT),
	    .counted = EVKV_MEMBER(struct thing, some_count) },
	{ EVKV_FIELD_LIST(struct thing, words, words_count, STRING) },
	{ .name = "child",
	    .kind = EVKV_FIELD_KIND_STRUCT,
	    .flags = EVKV_FIELD_POINTER,
	    .offset = offsetof(struct thing, child),
	    .width = sizeof(struct thing *),
	    .schema = &thing_schema },
	{ EVKV_FIELD(struct thing, age, UINT),
	    .present = EVKV_MEMBER(struct thing, has_age), .min_uint = 1,
	    .max_uint = 150 },
	{ EVKV_FIELD(struct thing, shape, UNION), .variants = shapes,
	    .tag = EVKV_MEMBER(struct thing, shape_kind) },
	{ EVKV_FIELD(struct thing, shape_kind, ENUM), .names = color_names,
	    .fallback = &color_default },
	{ EVKV_FIELD(struct thing, custom, CUSTOM), .encode = custom_encode,
	    .decode = custom_decode },
	{ EVKV_FIELD(struct thing, password, STRING),
	    .flags = EVKV_FIELD_SECRET, .max_length = 8 },
};

static const struct evkv_schema thing_schema = {
	.size = sizeof(struct evkv_schema),
	.field_size = sizeof(struct evkv_field),
	.object_size = sizeof(struct thing),
	.count = sizeof(thing_fields) / sizeof(thing_fields[0]),
	.fields = thing_fields,
	.unknown = EVKV_UNKNOWN_KEEP,
	.kept = EVKV_MEMBER(struct thing, kept),
	.version = 2,
};

#define ALL                                                                    \
	"{\"_version\":2,\"on\":true,\"small\":-128,"                          \
	"\"large\":-9223372036854775808,\"huge\":18446744073709551615,"        \
	"\"single\":0.5,\"wide\":0.1,\"name\":\"\xc3\xa4\\\"\","               \
	"\"code\":\"abcde\",\"text\":\"t\",\"bytes\":\"AP8=\","                \
	"\"json\":{\"a\": [1]},\"color\":\"red\","                             \
	"\"at_ms\":\"2026-11-28T05:00:00.123Z\","                              \
	"\"first\":{\"price\":1.25,\"sku\":\"S1\"},"                           \
	"\"more\":[{\"price\":2,\"sku\":\"S2\"},{\"price\":3,\"sku\":\"S3\"}]" \
	","                                                                    \
	"\"fixed\":[1,2,3],\"some\":[7],\"words\":[\"a\",\"b\"],"              \
	"\"age\":42,\"shape\":{\"side\":9},\"shape_kind\":\"blue\","           \
	"\"custom\":\"x77\",\"password\":\"hidden\",\"new\":[1,{}]}"

static void *decode(const char *text)
{
	struct evkv_typed_error error = { .message = "" };
	void *object = evkv_typed_decode(&thing_schema, evkv_str(text), &error);

	check_str(error.message, "");
	check(object != NULL);
	return object;
}

EVKV_TEST(adapters_typed, everything_goes_there_and_back)
{
	struct evkv_json_writer writer = { .data = NULL };
	struct thing *thing = decode(ALL);

	check(thing->on);
	check_int(thing->small, -128);
	check(thing->large == INT64_MIN);
	check(thing->huge == UINT64_MAX);
	check(thing->wide == 0.1);
	check_str(thing->name, "\xc3\xa4\"");
	check_str(thing->code, "abcde");
	check_bytes(thing->bytes, evkv_bytes("\0\xff", 2));
	check_slice(thing->json, "{\"a\": [1]}");
	check_slice(thing->kept, "\"new\":[1,{}]");
	check_int(thing->color, COLOR_RED);
	check_int(thing->at_ms, INT64_C(1795842000123));
	check_int(thing->more_count, 2);
	check_str(thing->more[1].sku, "S3");
	check_int(thing->fixed[2], 3);
	check_int(thing->some_count, 1);
	check_str(thing->words[1], "b");
	check(thing->child == NULL);
	check(thing->has_age);
	check_int(thing->shape.square.side, 9);
	check_int(thing->custom, 77);
	check(evkv_typed_encode(&thing_schema, thing, &writer, NULL));
	check_bytes(evkv_bytes(writer.data, writer.size), EVKV_LIT(ALL));
	evkv_json_writer_clear(&writer);
	evkv_typed_free_object(thing);
	evkv_typed_free_object(NULL);
}

EVKV_TEST(adapters_typed, what_is_absent_has_its_default)
{
	struct thing *thing = decode("{\"large\":1,\"fixed\":[1,2,3],"
				     "\"age\":null,\"name\":null,"
				     "\"child\":{\"large\":2}}");

	check(!thing->has_age);
	check_int(thing->color, COLOR_BLUE);
	check(thing->name == NULL);
	check_int(thing->more_count, 0);
	check_int(thing->child->large, 2);
	check_int(thing->child->color, COLOR_BLUE);
	check(thing->child->child == NULL);
	evkv_typed_free_object(thing);
}

/* The union before its tag, names escaped, another order. */
EVKV_TEST(adapters_typed, the_order_of_members_does_not_matter)
{
	struct thing *thing = decode("{\"shape\":{\"r\\u0061dius\":4},"
				     "\"shape_kind\":\"red\",\"large\":1}");

	check_int(thing->shape.circle.radius, 4);
	evkv_typed_free_object(thing);
}

static void refuses(const char *text, const char *message)
{
	struct evkv_typed_error error = { .message = "" };

	check(evkv_typed_decode(&thing_schema, evkv_str(text), &error) == NULL);
	check_str(error.message, message);
	check(evkv_typed_decode(&thing_schema, evkv_str(text), NULL) == NULL);
}

EVKV_TEST(adapters_typed, an_error_names_path_place_and_what_was_expected)
{
	refuses("{}", "large: byte 0: a required member is absent");
	refuses("[]", "byte 0: expected an object, found an array");
	refuses("{\"large\":1", "byte 10: the document ends too early");
	refuses("{\"large\":1}x", "byte 11: more text after the document");
	refuses("{\"large\":1,\"large\":2}",
	    "large: byte 11: a member that stands twice");
	refuses("{\"x\":1,\"x\":2}", "byte 7: a member that stands twice");
	refuses("{\"large\":9223372036854775808}",
	    "large: byte 9: expected an integer of 64 bits, found number "
	    "9223372036854775808");
	refuses("{\"large\":1.0}",
	    "large: byte 9: expected an integer of 64 bits, found number 1.0");
	refuses("{\"small\":128}",
	    "small: byte 9: expected an integer of 8 bits, found number 128");
	refuses("{\"huge\":-1}",
	    "huge: byte 8: expected an integer of 64 bits without sign, found "
	    "number -1");
	refuses("{\"on\":1}",
	    "on: byte 6: expected true or false, found number 1");
	refuses("{\"wide\":\"x\"}",
	    "wide: byte 8: expected a number, found string \"x\"");
	refuses("{\"single\":1e300}",
	    "single: byte 10: expected a number of single width, found number "
	    "1e300");
	refuses("{\"name\":\"12345678901\"}",
	    "name: byte 8: expected 0 to 10 bytes, found 11");
	refuses("{\"name\":\"a\\u0000b\"}",
	    "name: byte 8: expected a string without NUL");
	refuses("{\"code\":\"123456\"}",
	    "code: byte 8: expected at most 5 bytes, found 6");
	refuses("{\"bytes\":\"AP8\"}",
	    "bytes: byte 9: expected base64, found string \"AP8\"");
	refuses("{\"color\":\"green\"}",
	    "color: byte 9: expected one of the enum's names, found string "
	    "\"green\"");
	refuses("{\"at_ms\":\"2026-02-29T00:00:00Z\"}",
	    "at_ms: byte 9: expected a time such as "
	    "\"2026-11-28T05:00:00.000Z\", found string "
	    "\"2026-02-29T00:00:00Z\"");
	refuses("{\"more\":[{\"price\":1,\"sku\":\"S1\"},{\"price\":\"x\"}]}",
	    "more[1].price: byte 41: expected a number, found string \"x\"");
	refuses("{\"first\":{\"price\":-1}}",
	    "first.price: byte 18: expected a number of 0 to 1e+06");
	refuses("{\"first\":{\"price\":1,\"sku\":\"X1\"}}",
	    "first.sku: byte 26: a SKU begins with S");
	refuses("{\"fixed\":[1,2]}",
	    "fixed: byte 9: expected 3 elements, found 2");
	refuses("{\"some\":[1,2,3,4,5]}",
	    "some: byte 8: expected at most 4 elements, found 5");
	refuses("{\"some\":[1,256]}",
	    "some[1]: byte 11: expected an integer of 8 bits without sign, "
	    "found number 256");
	refuses("{\"age\":0}", "age: byte 7: expected a number of 1 to 150");
	refuses("{\"shape_kind\":\"red\",\"shape\":{\"radius\":\"1\"}}",
	    "shape.radius: byte 38: expected an integer of 32 bits, found "
	    "string \"1\"");
	refuses("{\"custom\":5}", "custom: byte 10: expected an x");
	refuses("{\"_version\":3}",
	    "byte 12: expected a model of version 2 or older");
	refuses("{\"child\":{\"large\":1,\"child\":{\"large\":\"\"}}}",
	    "child.child.large: byte 37: expected an integer of 64 bits, found "
	    "string \"\"");
}

EVKV_TEST(adapters_typed, a_secret_is_never_shown)
{
	struct evkv_typed_error error = { .message = "" };

	check(evkv_typed_decode(&thing_schema, EVKV_LIT("{\"password\":12345}"),
		  &error) == NULL);
	check_str(error.message,
	    "password: byte 12: expected a string, found a number that is "
	    "secret");
	check(evkv_typed_decode(&thing_schema,
		  EVKV_LIT("{\"password\":\"topsecret\"}"), &error) == NULL);
	check(strstr(error.message, "topsecret") == NULL);
}

EVKV_TEST(adapters_typed, depth_and_unknown_members_are_bounded)
{
	char text[8192];
	struct evkv_typed_error error;
	size_t n = 0, i;

	for (i = 0; i < 40; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "{\"large\":1,\"child\":");
	check(evkv_typed_decode(&thing_schema, evkv_bytes(text, n), &error) ==
	    NULL);
	check_contains(error.message, "nested too deeply");
	n = (size_t)snprintf(text, sizeof(text), "{\"large\":1");
	for (i = 0; i < 300; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"u%zu\":1",
		    i);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "}");
	check(evkv_typed_decode(&thing_schema, evkv_bytes(text, n), &error) ==
	    NULL);
	check_contains(error.message, "more than 256 members");
}

static void cannot_write(const struct thing *thing, const char *message)
{
	struct evkv_json_writer writer = { .data = NULL };
	struct evkv_typed_error error = { .message = "" };

	check(!evkv_typed_encode(&thing_schema, thing, &writer, &error));
	check_str(error.message, message);
	evkv_json_writer_clear(&writer);
}

EVKV_TEST(adapters_typed, what_does_not_fit_is_not_written)
{
	const struct thing good = { .large = 1,
		.color = COLOR_RED,
		.first = { .price = 1, .sku = "S1" },
		.shape_kind = COLOR_RED };
	struct evkv_json_writer writer = { .data = NULL };
	struct thing bad = good;

	check(evkv_typed_encode(&thing_schema, &good, &writer, NULL));
	evkv_json_writer_clear(&writer);
	bad.color = 4;
	cannot_write(&bad, "color: expected one of the enum's values");
	bad = good;
	bad.name = "\xff";
	cannot_write(&bad, "name: expected UTF-8");
	bad = good;
	memset(bad.code, 'x', sizeof(bad.code));
	cannot_write(&bad, "code: expected a NUL within 6 bytes");
	bad = good;
	bad.first.price = -1;
	cannot_write(&bad, "first.price: expected a number of 0 to 1e+06");
	bad = good;
	bad.wide = 1.0 / 3 / 0.0;
	cannot_write(&bad, "wide: expected a finite number");
	bad = good;
	bad.json = EVKV_LIT("{\"a\":}");
	cannot_write(&bad, "json: expected JSON: a value was expected");
	bad = good;
	bad.some_count = 5;
	cannot_write(&bad, "some: expected at most 4 elements, found 5");
	bad = good;
	bad.more_count = 1;
	cannot_write(&bad, "more: expected 1 elements, found NULL");
	bad = good;
	bad.shape_kind = 0;
	cannot_write(&bad, "shape: its tag has no variant");
	bad = good;
	bad.custom = -1;
	cannot_write(&bad, "negative");
	bad = good;
	bad.at_ms = INT64_MAX;
	cannot_write(&bad, "at_ms: expected a time in the years 0 to 9999");
	/* What points to itself has no end. */
	bad = good;
	bad.child = &bad;
	bad.name = NULL;
	{
		struct evkv_typed_error error = { .message = "" };

		check(!evkv_typed_encode(&thing_schema, &bad, &writer, &error));
		check_contains(error.message, "nested too deeply");
		evkv_json_writer_clear(&writer);
	}
}

static void time_is(const char *text, int64_t ms)
{
	char document[80];
	struct thing *thing;

	snprintf(document, sizeof(document), "{\"large\":1,\"at_ms\":\"%s\"}",
	    text);
	thing = decode(document);
	check_int(thing->at_ms, ms);
	evkv_typed_free_object(thing);
}

/* ---- Floats -------------------------------------------------------------- */

static const struct evkv_field single_fields[] = {
	{ EVKV_FIELD(struct thing, single, DOUBLE) },
};
static const struct evkv_schema single_schema = EVKV_SCHEMA(struct thing,
    single_fields);

/* Comes back the same, from the text that is told in `text`. */
static void check_single(float single, char text[64])
{
	struct evkv_json_writer writer = { .data = NULL };
	const struct thing from = { .single = single };
	struct thing *back;

	check(evkv_typed_encode(&single_schema, &from, &writer, NULL));
	snprintf(text, 64, "%.*s", (int)writer.size, writer.data);
	back = evkv_typed_decode(&single_schema, evkv_str(text), NULL);
	check(back != NULL);
	check(memcmp(&back->single, &single, sizeof(single)) == 0);
	evkv_typed_free_object(back);
	evkv_json_writer_clear(&writer);
}

EVKV_TEST(adapters_typed, floats_are_as_short_as_they_can_be)
{
	static const struct {
		float single;
		const char *text;
	} rows[] = {
		{ 0.1F, "{\"single\":0.1}" },
		{ -0.0F, "{\"single\":-0}" },
		{ 1.0F / 3, "{\"single\":0.33333334}" },
		{ 16777216, "{\"single\":16777216}" },
		{ FLT_MAX, "{\"single\":3.4028235e+38}" },
		{ FLT_MIN, "{\"single\":1.1754944e-38}" },
		{ FLT_TRUE_MIN, "{\"single\":1e-45}" },
	};
	uint32_t bits;
	float single;
	char text[64];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_single(rows[i].single, text);
		check_str(text, rows[i].text);
	}
	for (bits = 1; bits < UINT32_C(0xff000000); bits += 1234567) {
		memcpy(&single, &bits, sizeof(single));
		if (single - single != 0)
			continue;
		check_single(single, text);
		check(strlen(text) <= strlen("{\"single\":-100000000000000}"));
	}
}

EVKV_TEST(adapters_typed, times)
{
	struct evkv_json_writer writer = { .data = NULL };
	struct thing thing = { .large = 1,
		.color = COLOR_RED,
		.first = { .price = 1, .sku = "S1" },
		.shape_kind = COLOR_RED };
	struct thing *back;
	int64_t ms;

	time_is("1970-01-01T00:00:00Z", 0);
	time_is("1969-12-31T23:59:59.999Z", -1);
	time_is("2000-02-29T12:00:00+02:00", INT64_C(951818400000));
	time_is("2026-11-28T05:00:00.5Z", INT64_C(1795842000500));
	time_is("0000-03-01T00:00:00Z", INT64_C(-62162035200000));
	time_is("9999-12-31T23:59:59.999-00:00", INT64_C(253402300799999));
	for (ms = INT64_C(-62167219200000); ms < INT64_C(253402300800000);
	     ms += INT64_C(86399999) * 1777) {
		thing.at_ms = ms;
		check(evkv_typed_encode(&thing_schema, &thing, &writer, NULL));
		back = evkv_typed_decode(&thing_schema,
		    evkv_bytes(writer.data, writer.size), NULL);
		check(back != NULL);
		check_int(back->at_ms, ms);
		evkv_typed_free_object(back);
		evkv_json_writer_clear(&writer);
	}
}

EVKV_TEST(adapters_typed, out_of_memory_leaks_nothing)
{
	struct evkv_typed_error error;
	void *object = NULL;
	size_t n;

	for (n = 1; object == NULL; n++) {
		check(n < 1000);
		faults_fail_nth(n);
		object = evkv_typed_decode(&thing_schema, EVKV_LIT(ALL),
		    &error);
		faults_off();
		if (object == NULL)
			check_contains(error.message, "out of memory");
	}
	evkv_typed_free_object(object);
}
