/*
 * tests/adapters/typed_bounds_test.c - bounds of numbers and lengths, both ways:
 * what is just within them and what is not.
 */
#include <stdio.h>
#include <string.h>

#include "evkv/adapters/typed.h"
#include "evkv/json.h"
#include "test.h"

struct all {
	int8_t i8;
	int16_t i16;
	int32_t i32;
	int64_t i64;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	float f;
	double d;
	int64_t at;
	const char *string;
	char chars[8];
	struct evkv_slice text, bytes;
	int8_t *list;
	size_t list_count;
	uint8_t array[4];
	size_t array_count;
};

static const struct evkv_field loose[] = {
	{ EVKV_FIELD(struct all, i8, INT) },
	{ EVKV_FIELD(struct all, i16, INT) },
	{ EVKV_FIELD(struct all, i32, INT) },
	{ EVKV_FIELD(struct all, i64, INT) },
	{ EVKV_FIELD(struct all, u8, UINT) },
	{ EVKV_FIELD(struct all, u16, UINT) },
	{ EVKV_FIELD(struct all, u32, UINT) },
	{ EVKV_FIELD(struct all, u64, UINT) },
	{ EVKV_FIELD(struct all, f, DOUBLE) },
	{ EVKV_FIELD(struct all, d, DOUBLE) },
	{ EVKV_FIELD(struct all, at, TIME) },
	{ EVKV_FIELD(struct all, string, STRING) },
	{ EVKV_FIELD(struct all, chars, CHARS) },
	{ EVKV_FIELD(struct all, text, TEXT) },
	{ EVKV_FIELD(struct all, bytes, BYTES) },
	{ EVKV_FIELD_LIST(struct all, list, list_count, INT) },
	{ EVKV_FIELD_ARRAY(struct all, array, UINT),
	    .counted = EVKV_MEMBER(struct all, array_count) },
};

/* A schema of that field alone, and perhaps with other bounds. */
static struct evkv_schema alone(struct evkv_field *field, const char *name)
{
	size_t i = 0;

	while (strcmp(loose[i].name, name) != 0)
		i++;
	*field = loose[i];
	return (struct evkv_schema){
		.size = sizeof(struct evkv_schema),
		.field_size = sizeof(struct evkv_field),
		.object_size = sizeof(struct all),
		.count = 1,
		.fields = field,
	};
}

static void *decoded(const struct evkv_schema *schema, const char *name,
    const char *value, struct evkv_typed_error *error)
{
	char text[300];

	error->message[0] = '\0';
	snprintf(text, sizeof(text), "{\"%s\":%s}", name, value);
	return evkv_typed_decode(schema, evkv_str(text), error);
}

/* ---- What a width can hold ----------------------------------------------- */

static const struct {
	const char *name, *value, *other; /* the same, as it is written */
	bool fits;
} widths[] = {
	{ "i8", "-128", NULL, true },
	{ "i8", "127", NULL, true },
	{ "i8", "-129", NULL, false },
	{ "i8", "128", NULL, false },
	{ "i16", "-32768", NULL, true },
	{ "i16", "32767", NULL, true },
	{ "i16", "-32769", NULL, false },
	{ "i16", "32768", NULL, false },
	{ "i32", "-2147483648", NULL, true },
	{ "i32", "2147483647", NULL, true },
	{ "i32", "-2147483649", NULL, false },
	{ "i32", "2147483648", NULL, false },
	{ "i64", "-9223372036854775808", NULL, true },
	{ "i64", "9223372036854775807", NULL, true },
	{ "i64", "9223372036854775808", NULL, false },
	{ "u8", "255", NULL, true },
	{ "u8", "256", NULL, false },
	{ "u16", "65535", NULL, true },
	{ "u16", "65536", NULL, false },
	{ "u32", "4294967295", NULL, true },
	{ "u32", "4294967296", NULL, false },
	{ "u64", "18446744073709551615", NULL, true },
	{ "u64", "18446744073709551616", NULL, false },
	{ "u64", "-1", NULL, false },
	{ "f", "0.25", NULL, true },
	{ "f", "1e39", NULL, false },
	{ "d", "1e+300", NULL, true },
	{ "chars", "\"1234567\"", NULL, true },
	{ "chars", "\"12345678\"", NULL, false },
	{ "array", "[1,2,3,4]", NULL, true },
	{ "array", "[1,2,3,4,5]", NULL, false },
	{ "at", "\"1970-01-01T00:00:00.000Z\"", NULL, true },
	{ "at", "\"0000-01-01T00:00:00.000Z\"", NULL, true },
	{ "at", "\"9999-12-31T23:59:59.999Z\"", NULL, true },
	{ "at", "\"2024-02-29T23:59:59.001Z\"", NULL, true },
	{ "at", "\"2023-02-29T00:00:00Z\"", NULL, false },
	{ "at", "\"2024-13-01T00:00:00Z\"", NULL, false },
	{ "at", "\"2024-00-01T00:00:00Z\"", NULL, false },
	{ "at", "\"2024-04-31T00:00:00Z\"", NULL, false },
	{ "at", "\"2024-04-00T00:00:00Z\"", NULL, false },
	{ "at", "\"2024-01-01T24:00:00Z\"", NULL, false },
	{ "at", "\"2024-01-01T00:60:00Z\"", NULL, false },
	{ "at", "\"2024-01-01T00:00:00\"", NULL, false },
	{ "at", "\"2024-01-01T00:00:00.5Z\"", "\"2024-01-01T00:00:00.500Z\"",
	    true },
	{ "at", "\"2024-01-01T02:00:00+02:30\"", "\"2023-12-31T23:30:00.000Z\"",
	    true },
};

EVKV_TEST(adapters_typed_bounds, what_a_member_can_hold)
{
	struct evkv_json_writer writer;
	struct evkv_typed_error error;
	struct evkv_schema schema;
	struct evkv_field field;
	char expected[200];
	void *object;
	size_t i;

	for (i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		test_from("widths", (int)i);
		schema = alone(&field, widths[i].name);
		object = decoded(&schema, widths[i].name, widths[i].value,
		    &error);
		check_int(object != NULL, widths[i].fits);
		if (object == NULL)
			continue;
		memset(&writer, 0, sizeof(writer));
		check(evkv_typed_encode(&schema, object, &writer, &error));
		snprintf(expected, sizeof(expected), "{\"%s\":%s}",
		    widths[i].name,
		    widths[i].other != NULL ? widths[i].other
					    : widths[i].value);
		check_bytes(evkv_bytes(writer.data, writer.size),
		    evkv_str(expected));
		evkv_json_writer_clear(&writer);
		evkv_typed_free_object(object);
	}
	test_from(NULL, 0);
}

/* ---- What a table allows ------------------------------------------------- */

/* With that field's bounds; `words` says what is wrong with the value. */
static void bounded(const char *name, struct evkv_field bounds,
    const char *value, const char *words)
{
	struct evkv_json_writer writer = { .data = NULL };
	struct evkv_typed_error error;
	struct evkv_schema schema;
	struct evkv_field field;
	void *object, *again;

	schema = alone(&field, name);
	object = decoded(&schema, name, value, &error);
	check(object != NULL);
	field.min_int = bounds.min_int;
	field.max_int = bounds.max_int;
	field.min_uint = bounds.min_uint;
	field.max_uint = bounds.max_uint;
	field.min_double = bounds.min_double;
	field.max_double = bounds.max_double;
	field.min_length = bounds.min_length;
	field.max_length = bounds.max_length;
	field.validate = bounds.validate;
	again = decoded(&schema, name, value, &error);
	check_int(again != NULL, words == NULL);
	if (words != NULL) {
		check_contains(error.message, words);
		check_contains(error.message, ": byte ");
	}
	error.message[0] = '\0';
	check_int(evkv_typed_encode(&schema, object, &writer, &error),
	    words == NULL);
	if (words != NULL) {
		check_contains(error.message, words);
		check(strncmp(error.message, name, strlen(name)) == 0);
	}
	evkv_json_writer_clear(&writer);
	evkv_typed_free_object(object);
	evkv_typed_free_object(again);
}

#define B(...) ((struct evkv_field){ __VA_ARGS__ })

EVKV_TEST(adapters_typed_bounds, numbers)
{
	const char *five = "expected a number of -5 to 5";
	const char *four = "expected a number of 2 to 4";
	const char *wide = "expected a number of -1.5 to 2";

	bounded("i32", B(.min_int = -5, .max_int = 5), "-6", five);
	bounded("i32", B(.min_int = -5, .max_int = 5), "-5", NULL);
	bounded("i32", B(.min_int = -5, .max_int = 5), "5", NULL);
	bounded("i32", B(.min_int = -5, .max_int = 5), "6", five);
	bounded("i8", B(.min_int = -5), "1", "of -5 to 0");
	bounded("i64", B(.max_int = 5), "-1", "of 0 to 5");
	bounded("at", B(.max_int = 5), "\"1970-01-01T00:00:00.005Z\"", NULL);
	bounded("at", B(.max_int = 5), "\"1970-01-01T00:00:00.006Z\"",
	    "of 0 to 5");
	bounded("u16", B(.min_uint = 2, .max_uint = 4), "1", four);
	bounded("u16", B(.min_uint = 2, .max_uint = 4), "2", NULL);
	bounded("u16", B(.min_uint = 2, .max_uint = 4), "4", NULL);
	bounded("u16", B(.min_uint = 2, .max_uint = 4), "5", four);
	bounded("u64", B(.min_uint = 2), "18446744073709551615", NULL);
	bounded("u64", B(.min_uint = 2), "1", "expected a number of");
	bounded("d", B(.min_double = -1.5, .max_double = 2), "-1.5", NULL);
	bounded("d", B(.min_double = -1.5, .max_double = 2), "2", NULL);
	bounded("d", B(.min_double = -1.5, .max_double = 2), "-1.51", wide);
	bounded("f", B(.min_double = -1.5, .max_double = 2), "2.01", wide);
	bounded("f", B(.min_double = -1.5, .max_double = 2), "2", NULL);
}

EVKV_TEST(adapters_typed_bounds, lengths)
{
	static const char *const names[] = { "string", "chars", "text" };
	const char *range = "expected 2 to 3 bytes, found ";
	size_t i;

	for (i = 0; i < 3; i++) {
		bounded(names[i], B(.min_length = 2, .max_length = 3), "\"a\"",
		    range);
		bounded(names[i], B(.min_length = 2, .max_length = 3), "\"ab\"",
		    NULL);
		bounded(names[i], B(.min_length = 2, .max_length = 3),
		    "\"abc\"", NULL);
		bounded(names[i], B(.min_length = 2, .max_length = 3),
		    "\"abcd\"", range);
		bounded(names[i], B(.min_length = 2), "\"a\"",
		    "expected at least 2 bytes, found 1");
		bounded(names[i], B(.min_length = 2), "\"abcdefg\"", NULL);
	}
	bounded("bytes", B(.max_length = 2), "\"AP8=\"", NULL);
	bounded("bytes", B(.max_length = 1), "\"AP8=\"",
	    "expected 0 to 1 bytes, found 2");
	for (i = 0; i < 2; i++) {
		const char *name = i == 0 ? "list" : "array";

		bounded(name, B(.min_length = 2, .max_length = 3), "[1]",
		    "expected at least 2 elements, found 1");
		bounded(name, B(.min_length = 2, .max_length = 3), "[1,2]",
		    NULL);
		bounded(name, B(.min_length = 2, .max_length = 3), "[1,2,3]",
		    NULL);
		bounded(name, B(.min_length = 2, .max_length = 3), "[1,2,3,4]",
		    "expected at most 3 elements, found 4");
	}
}

static const char *even(const void *member)
{
	return *(const uint8_t *)member % 2 == 0 ? NULL : "it is odd";
}

EVKV_TEST(adapters_typed_bounds, what_a_function_allows)
{
	bounded("u8", B(.validate = even), "2", NULL);
	bounded("u8", B(.validate = even), "3", "it is odd");
}

static const char *has_two(const void *object)
{
	return ((const struct all *)object)->u8 == 2 ? NULL : "it is not two";
}

EVKV_TEST(adapters_typed_bounds, what_a_function_allows_of_the_whole)
{
	struct evkv_json_writer writer = { .data = NULL };
	struct evkv_typed_error error;
	struct evkv_schema schema;
	struct evkv_field field;
	struct all *object;

	schema = alone(&field, "u8");
	schema.validate = has_two;
	check(decoded(&schema, "u8", "3", &error) == NULL);
	check_str(error.message, "byte 0: it is not two");
	object = decoded(&schema, "u8", "2", &error);
	check(object != NULL);
	check(evkv_typed_encode(&schema, object, &writer, &error));
	evkv_json_writer_clear(&writer);
	object->u8 = 3;
	check(!evkv_typed_encode(&schema, object, &writer, &error));
	check_str(error.message, "it is not two");
	evkv_json_writer_clear(&writer);
	evkv_typed_free_object(object);
}

/* However long the path is, what is wrong is told. */
EVKV_TEST(adapters_typed_bounds, paths_of_every_length)
{
	struct evkv_typed_error error;
	struct evkv_schema schema;
	struct evkv_field field;
	char name[180];
	size_t size;

	schema = alone(&field, "u8");
	field.name = name;
	for (size = 1; size < sizeof(name); size++) {
		memset(name, 'n', size);
		name[size] = '\0';
		check(decoded(&schema, name, "true", &error) == NULL);
		check(strncmp(error.message, name, size < 100 ? size : 100) ==
		    0);
		check_contains(error.message, ": byte ");
		check_contains(error.message, "expected an integer of 8 bits");
	}
}
