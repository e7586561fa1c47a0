/*
 * stores/jsonfile/write.c - entries become the text of a file: a line for each,
 * sorted, so that a person reads it, and a change is one line of a diff.
 */
#include <string.h>

#include "stores/jsonfile/table.h"

/* Text between members; the commas are ours. */
static void write_raw(struct evkv_json_writer *writer, struct evkv_slice text)
{
	writer->comma = false;
	evkv_json_put_raw(writer, text);
	writer->comma = false;
}

static void write_name(struct evkv_json_writer *writer, struct evkv_slice name)
{
	writer->comma = false;
	evkv__jsonfile_write_name(writer, name);
	write_raw(writer, EVKV_LIT(" "));
}

static void write_value(struct evkv_json_writer *writer,
    const struct jsonfile_entry *entry)
{
	write_raw(writer, entry->text);
}

static void write_expiry(struct evkv_json_writer *writer,
    const struct jsonfile_entry *entry)
{
	char text[JSONFILE_TIME_ROOM];

	evkv__jsonfile_write_time(entry->expires_ms, text);
	writer->comma = false;
	evkv_json_put_string(writer, evkv_str(text));
}

static bool any_entry(const struct jsonfile_entry *entry)
{
	(void)entry;
	return true;
}

static bool expiring_entry(const struct jsonfile_entry *entry)
{
	return entry->expires_ms != 0;
}

struct write_style {
	bool (*wanted)(const struct jsonfile_entry *entry);
	void (*value)(struct evkv_json_writer *writer,
	    const struct jsonfile_entry *entry);
	struct evkv_slice indent; /* a newline and blanks, of a collection */
};

/* The collections of the entries that are wanted; whether there are any. */
static bool write_collections(struct evkv_json_writer *writer,
    const struct jsonfile_table *table, const struct write_style *style)
{
	const struct jsonfile_entry *before = NULL, *entry;
	bool begins;
	size_t i;

	for (i = 0; i < table->count; i++) {
		entry = table->entries[i];
		if (!style->wanted(entry))
			continue;
		begins = before == NULL ||
		    !evkv_slice_equal(before->collection, entry->collection);
		if (begins && before != NULL) {
			write_raw(writer, style->indent);
			write_raw(writer, EVKV_LIT("},"));
		} else if (!begins) {
			write_raw(writer, EVKV_LIT(","));
		}
		if (begins) {
			write_raw(writer, style->indent);
			write_name(writer, entry->collection);
			write_raw(writer, EVKV_LIT("{"));
		}
		write_raw(writer, style->indent);
		write_raw(writer, EVKV_LIT("  "));
		write_name(writer, entry->key);
		style->value(writer, entry);
		before = entry;
	}
	if (before == NULL)
		return false;
	write_raw(writer, style->indent);
	write_raw(writer, EVKV_LIT("}"));
	return true;
}

static bool write_any_expires(const struct jsonfile_table *table)
{
	size_t i;

	for (i = 0; i < table->count; i++) {
		if (expiring_entry(table->entries[i]))
			return true;
	}
	return false;
}

bool evkv__jsonfile_write(const struct jsonfile_table *table,
    struct evkv_json_writer *writer)
{
	static const struct write_style entries = { any_entry, write_value,
		{ "\n  ", 3 } };
	static const struct write_style expiries = { expiring_entry,
		write_expiry, { "\n    ", 5 } };

	memset(writer, 0, sizeof(*writer));
	write_raw(writer, EVKV_LIT("{"));
	write_collections(writer, table, &entries);
	if (write_any_expires(table)) {
		write_raw(writer, EVKV_LIT(",\n  \"$expires\": {"));
		write_collections(writer, table, &expiries);
		write_raw(writer, EVKV_LIT("\n  }"));
	}
	write_raw(writer, EVKV_LIT("\n}\n"));
	return !writer->failed;
}
