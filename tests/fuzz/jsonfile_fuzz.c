/*
 * A jsonfile store's file: a text that is taken is written to another that has
 * the same entries and is written as itself; and a value that is put comes back
 * byte for byte, in the form that its text has.
 */
#include <stdlib.h>
#include <string.h>

#include "stores/jsonfile/table.h"

#define CHECK(condition_)                                                      \
	do {                                                                   \
		if (!(condition_))                                             \
			abort();                                               \
	} while (0)

static void check_value(const struct jsonfile_entry *entry)
{
	struct evkv_value *value = evkv__jsonfile_read_value(entry);
	struct jsonfile_entry again = *entry;
	struct evkv_json_writer writer;
	struct evkv_value *back;
	enum jsonfile_form form;

	CHECK(value != NULL);
	CHECK(evkv__jsonfile_write_value(evkv_value_bytes(value), &writer,
	    &again.form));
	again.text = evkv_bytes(writer.data, writer.size);
	CHECK(evkv__jsonfile_form(again.text, &form));
	CHECK(form == again.form);
	back = evkv__jsonfile_read_value(&again);
	CHECK(back != NULL &&
	    evkv_slice_equal(evkv_value_bytes(value), evkv_value_bytes(back)));
	evkv_value_unref(back);
	evkv_value_unref(value);
	evkv_json_writer_clear(&writer);
}

static void check_same(const struct jsonfile_table *a,
    const struct jsonfile_table *b)
{
	size_t i;

	CHECK(a->count == b->count && a->bytes == b->bytes);
	for (i = 0; i < a->count; i++) {
		const struct jsonfile_entry *one = a->entries[i];
		const struct jsonfile_entry *two = b->entries[i];

		CHECK(evkv_slice_equal(one->collection, two->collection));
		CHECK(evkv_slice_equal(one->key, two->key));
		CHECK(evkv_slice_equal(one->text, two->text));
		CHECK(one->form == two->form);
		CHECK(one->expires_ms == two->expires_ms);
		check_value(one);
	}
}

static void check_text(struct evkv_slice text)
{
	struct jsonfile_table table = { 0 }, again = { 0 };
	struct evkv_json_writer writer, second;
	struct file_failure failure;

	if (!evkv__jsonfile_read(text, "fuzz", &table, &failure)) {
		CHECK(failure.status == EVKV_CORRUPT);
		CHECK(strstr(failure.message, "line ") != NULL);
		CHECK(table.count == 0);
		return;
	}
	CHECK(evkv__jsonfile_write(&table, &writer));
	CHECK(writer.size <= table.bytes + 64);
	CHECK(evkv__jsonfile_read(evkv_bytes(writer.data, writer.size), "fuzz",
	    &again, &failure));
	check_same(&table, &again);
	CHECK(evkv__jsonfile_write(&again, &second));
	CHECK(writer.size == second.size &&
	    memcmp(writer.data, second.data, writer.size) == 0);
	evkv_json_writer_clear(&writer);
	evkv_json_writer_clear(&second);
	evkv__jsonfile_clear(&table);
	evkv__jsonfile_clear(&again);
}

/* The bytes as a value, whatever they are. */
static void check_bytes(struct evkv_slice bytes)
{
	struct jsonfile_entry entry = { .expires_ms = 0 };
	struct evkv_json_writer writer;
	struct evkv_value *back;

	CHECK(evkv__jsonfile_write_value(bytes, &writer, &entry.form));
	entry.text = evkv_bytes(writer.data, writer.size);
	back = evkv__jsonfile_read_value(&entry);
	CHECK(back != NULL && evkv_slice_equal(evkv_value_bytes(back), bytes));
	evkv_value_unref(back);
	evkv_json_writer_clear(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_text(evkv_bytes(data, size));
	check_bytes(evkv_bytes(data, size));
	return 0;
}
