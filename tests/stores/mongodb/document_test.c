/*
 * tests/stores/mongodb/document_test.c - documents that are written here, and
 * such as others may have written, are read as what they are.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"
#include "stores/mongodb/worker.h"

static const uint8_t version[16] = "0123456789abcdef";

enum member { ID, VALUE, VERSION, EXPIRES, TEXT_VALUE, SHORT_VERSION, OTHER };

static void put_member(bson_t *bson, enum member member)
{
	switch (member) {
	case ID: BSON_APPEND_UTF8(bson, "_id", "c:key"); break;
	case VALUE:
		BSON_APPEND_BINARY(bson, "value", BSON_SUBTYPE_BINARY,
		    (const uint8_t *)"bytes", 5);
		break;
	case VERSION:
		BSON_APPEND_BINARY(bson, "version", BSON_SUBTYPE_BINARY,
		    version, 16);
		break;
	case EXPIRES: BSON_APPEND_DATE_TIME(bson, "expires_at", 1234567); break;
	case TEXT_VALUE: BSON_APPEND_UTF8(bson, "value", "bytes"); break;
	case SHORT_VERSION:
		BSON_APPEND_BINARY(bson, "version", BSON_SUBTYPE_BINARY,
		    version, 15);
		break;
	case OTHER: BSON_APPEND_UTF8(bson, "other", "something"); break;
	}
}

/* Of memory that is no larger, so that a read past it is found. */
static bool read_copy(const void *bytes, size_t size,
    struct mongodb_document *document, struct mongodb_document *inside)
{
	char *copy = malloc(size);
	bool sound;

	check(copy != NULL);
	memcpy(copy, bytes, size);
	memset(document, 0xee, sizeof(*document));
	sound = evkv__mongodb_document_read(evkv_bytes(copy, size), document);
	*inside = *document;
	if (sound && document->ours) {
		check((const char *)document->id.data >= copy &&
		    (const char *)document->id.data + document->id.size <=
			copy + size);
		check(!document->has_value ||
		    ((const char *)document->value.data >= copy &&
			(const char *)document->value.data +
				document->value.size <=
			    copy + size));
	}
	free(copy);
	return sound;
}

/* Where the members stand in the document, as text of digits: "0123". */
static struct mongodb_document read_members(const char *members)
{
	struct mongodb_document document;
	bson_t bson = BSON_INITIALIZER;

	for (; *members != '\0'; members++)
		put_member(&bson, (enum member)(*members - '0'));
	check(evkv__mongodb_document_read(mongodb_bson_bytes(&bson),
	    &document));
	if (document.ours && document.has_value)
		check_slice(document.value, "bytes");
	if (document.ours)
		check_bytes(evkv_bytes(document.version.bytes, 16),
		    evkv_bytes(version, 16));
	if (document.id.data != NULL)
		check_slice(document.id, "c:key");
	bson_destroy(&bson);
	return document;
}

/* In any order, with others' members between them, and twice. */
EVKV_TEST(mongodb_document, ours_are_read_however_they_are_ordered)
{
	static const char *const with_date[] = { "0123", "3210", "1023", "0132",
		"0312", "60123", "01263", "01236", "00123", "01123", "01223",
		"01233", "1230" };
	static const char *const without[] = { "012", "210", "102", "0126",
		"0612", "0122", "0112" };
	struct mongodb_document document;
	size_t i;

	for (i = 0; i < sizeof(with_date) / sizeof(with_date[0]); i++) {
		document = read_members(with_date[i]);
		check(document.ours && document.has_value);
		check_int(document.expires_ms, 1234567);
	}
	for (i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		document = read_members(without[i]);
		check(document.ours && document.has_value);
		check_int(document.expires_ms, 0);
	}
}

/* Digits 4 and 5 are members of ours with another type, or size. */
EVKV_TEST(mongodb_document, one_bad_member_makes_a_document_foreign)
{
	static const char *const foreign[] = { "042", "024", "0142", "0412",
		"0124", "0423", "4023", "2403", "015", "0152", "0125", "501",
		"01", "0", "12", "3", "13", "" };

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		check(!read_members(foreign[i]).ours);
	/* As a read of what is there, without values, gives it. */
	check(read_members("02").ours && !read_members("02").has_value);
	check(read_members("023").ours);
}

static void whole(bson_t *bson)
{
	bson_init(bson);
	for (int member = ID; member <= EXPIRES; member++)
		put_member(bson, (enum member)member);
}

EVKV_TEST(mongodb_document, what_is_cut_anywhere_is_damaged_or_foreign)
{
	struct mongodb_document document, inside;
	bson_t bson;
	uint32_t size;

	whole(&bson);
	for (size = 5; size < bson.len; size++) {
		check(!read_copy(bson_get_data(&bson), size, &document,
			  &inside) ||
		    !document.ours);
	}
	check(read_copy(bson_get_data(&bson), bson.len, &document, &inside));
	check(inside.ours);
	bson_destroy(&bson);
}

/* Whatever a byte is changed to, nothing outside is read. */
EVKV_TEST(mongodb_document, any_byte_may_be_another)
{
	struct mongodb_document document, inside;
	uint8_t bytes[256];
	bson_t bson;
	uint32_t size, at;
	unsigned byte;

	whole(&bson);
	size = bson.len;
	memcpy(bytes, bson_get_data(&bson), size);
	for (at = 0; at < size; at++) {
		for (byte = 0; byte < 256; byte++) {
			bytes[at] = (uint8_t)byte;
			read_copy(bytes, size, &document, &inside);
		}
		bytes[at] = bson_get_data(&bson)[at];
	}
	bson_destroy(&bson);
}

/* What is written here byte by byte is what libbson reads. */
EVKV_TEST(mongodb_document, raw_bytes_are_bson)
{
	struct mongodb_raw raw = { .data = NULL };
	size_t opened, inner, offset;
	bson_iter_t iter, member;
	char name[16];
	bson_t bson;
	uint32_t i;

	check(mongodb_raw_room(&raw, 40000));
	opened = mongodb_raw_open(&raw);
	MONGODB_RAW_FIELD(&raw, MONGODB_RAW_INT64, "long");
	mongodb_raw_int64(&raw, -5000000000);
	MONGODB_RAW_FIELD(&raw, MONGODB_RAW_BOOL, "yes");
	mongodb_raw_bool(&raw, true);
	MONGODB_RAW_FIELD(&raw, MONGODB_RAW_ARRAY, "many");
	inner = mongodb_raw_open(&raw);
	for (i = 0; i < 1100; i++) {
		mongodb_raw_member(&raw, *MONGODB_RAW_TEXT, i);
		mongodb_raw_text(&raw, EVKV_LIT("text"));
	}
	mongodb_raw_close(&raw, inner);
	mongodb_raw_close(&raw, opened);
	check(bson_init_static(&bson, (const uint8_t *)raw.data, raw.size));
	check(bson_validate(&bson, BSON_VALIDATE_UTF8, &offset));
	check(bson_iter_init_find(&iter, &bson, "long"));
	check_int(bson_iter_int64(&iter), -5000000000);
	check(bson_iter_init_find(&iter, &bson, "many"));
	check(bson_iter_recurse(&iter, &member));
	for (i = 0; bson_iter_next(&member); i++) {
		snprintf(name, sizeof(name), "%u", i);
		check_str(bson_iter_key(&member), name);
		check_str(bson_iter_utf8(&member, NULL), "text");
	}
	check_int(i, 1100);
	evkv_free(raw.data);
}
