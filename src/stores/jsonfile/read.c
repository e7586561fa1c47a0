/*
 * stores/jsonfile/read.c - the text of a file becomes entries.
 *
 * What is no JSON, or not of the form in table.h, is CORRUPT, with the line and
 * the column (in characters) where it is noticed. Expiries of entries that are
 * not there say nothing: somebody has removed the entry by hand.
 */
#include <string.h>

#include "evkv/alloc.h"
#include "evkv/request.h"
#include "stores/jsonfile/table.h"

/* A member's name, unescaped and decoded, in memory that grows. */
struct read_name {
	char *bytes;
	size_t room;
	struct evkv_slice name;
};

struct read {
	struct evkv_json_reader reader;
	struct evkv_json_token token;
	struct evkv_slice text;
	const char *path;
	struct file_failure *failure;
	struct jsonfile_table *table;
	struct jsonfile_table expiries; /* entries without a value */
	/* The file's and $expires' own members, as keys of NAMES_... */
	struct jsonfile_table names;
	struct read_name collection, key;
};

#define NAMES_FILE EVKV_LIT("file")
#define NAMES_EXPIRES EVKV_LIT("expires")

/* ---- What is wrong ------------------------------------------------------- */

static bool read_corrupt(struct read *read, uint64_t offset, const char *what)
{
	const unsigned char *at = read->text.data;
	unsigned long line = 1, column = 1;
	uint64_t i;

	for (i = 0; i < offset && i < read->text.size; i++) {
		if (at[i] == '\n') {
			line++;
			column = 1;
		} else if ((at[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	return evkv__file_fail(read->failure, EVKV_CORRUPT, 0,
	    "%s: line %lu, column %lu: %s", read->path, line, column, what);
}

static bool read_nomem(struct read *read)
{
	return evkv__file_fail(read->failure, EVKV_NOMEM, 0, "out of memory");
}

/* false: it has failed, and the failure tells why. */
static bool read_next(struct read *read, enum evkv_json_kind *kind)
{
	*kind = evkv_json_next(&read->reader, &read->token);
	return *kind != EVKV_JSON_ERROR ||
	    read_corrupt(read, read->reader.offset, read->reader.why);
}

static bool read_expect(struct read *read, enum evkv_json_kind expected,
    const char *what)
{
	enum evkv_json_kind kind;

	if (!read_next(read, &kind))
		return false;
	return kind == expected || read_corrupt(read, read->token.offset, what);
}

/* ---- Names and values ---------------------------------------------------- */

static bool name_room(struct read_name *name, size_t size)
{
	if (size <= name->room)
		return true;
	evkv_free(name->bytes);
	name->room = 0;
	name->bytes = evkv_malloc(2 * size);
	if (name->bytes == NULL)
		return false;
	name->room = 2 * size;
	return true;
}

/* The member's name as it is in JSON, in the name's memory. */
static bool read_member(struct read *read, struct read_name *name)
{
	if (!name_room(name, read->token.text.size + 1))
		return read_nomem(read);
	name->name = evkv_bytes(name->bytes,
	    evkv_json_unescape(&read->token, name->bytes));
	return true;
}

static bool read_decode(struct read *read, struct read_name *name)
{
	return evkv__jsonfile_read_name(name->name, name->bytes, &name->name) ||
	    read_corrupt(read, read->token.offset,
		"a name with a '$' that means nothing here");
}

static bool read_collection_name(struct read *read)
{
	if (!read_decode(read, &read->collection))
		return false;
	return read->collection.name.size <= EVKV_COLLECTION_MAX ||
	    read_corrupt(read, read->token.offset,
		"a collection's name of more than 255 bytes");
}

static bool read_key_name(struct read *read)
{
	if (!read_member(read, &read->key) || !read_decode(read, &read->key))
		return false;
	return (read->key.name.size > 0 &&
		   read->key.name.size <= EVKV_KEY_MAX) ||
	    read_corrupt(read, read->token.offset,
		"a key that is empty or has more than 65535 bytes");
}

/* The text of a value, however deep it is. */
static bool read_text(struct read *read, struct evkv_slice *text)
{
	const char *bytes = read->text.data;
	enum evkv_json_kind kind;
	size_t begin, end;
	int level = 0;

	if (!read_next(read, &kind))
		return false;
	begin = (size_t)read->token.offset;
	for (;;) {
		level += kind == EVKV_JSON_OBJECT || kind == EVKV_JSON_ARRAY;
		level -= kind == EVKV_JSON_OBJECT_END ||
		    kind == EVKV_JSON_ARRAY_END;
		if (level == 0)
			break;
		if (!read_next(read, &kind))
			return false;
	}
	end = (size_t)read->token.offset + read->token.text.size;
	if (kind == EVKV_JSON_STRING)
		end += 2; /* the quotes */
	*text = evkv_bytes(bytes + begin, end - begin);
	return true;
}

/* ---- Entries ------------------------------------------------------------- */

/* Append an entry, which may be NULL, that stands at `offset`. */
static bool read_append(struct read *read, struct jsonfile_table *table,
    struct jsonfile_entry *entry, uint64_t offset)
{
	if (entry == NULL || !evkv__jsonfile_append(table, entry)) {
		evkv_free(entry);
		return read_nomem(read);
	}
	entry->offset = (size_t)offset;
	return true;
}

/* Remember a member, to find one of the same name. */
static bool read_remember(struct read *read, struct evkv_slice object)
{
	return read_append(read, &read->names,
	    evkv__jsonfile_entry_new(object, read->collection.name,
		EVKV_LIT(""), JSONFILE_JSON),
	    read->token.offset);
}

static bool read_entry(struct read *read)
{
	uint64_t offset = read->token.offset;
	enum jsonfile_form form;
	struct evkv_slice text;

	if (!read_key_name(read) || !read_text(read, &text))
		return false;
	if (!evkv__jsonfile_form(text, &form))
		return read_corrupt(read,
		    (uint64_t)((const char *)text.data -
			(const char *)read->text.data),
		    "\"$base64\" must be the only member, and hold base64");
	return read_append(read, read->table,
	    evkv__jsonfile_entry_new(read->collection.name, read->key.name,
		text, form),
	    offset);
}

static bool read_expiry(struct read *read)
{
	uint64_t offset = read->token.offset;
	struct jsonfile_entry *entry;
	int64_t ms = 0;

	if (!read_key_name(read) ||
	    !read_expect(read, EVKV_JSON_STRING, "a time must be a string"))
		return false;
	if (read->token.escaped ||
	    !evkv__jsonfile_read_time(read->token.text, &ms))
		return read_corrupt(read, read->token.offset,
		    "a time must be like \"2030-12-31T23:59:59Z\"");
	entry = evkv__jsonfile_entry_new(read->collection.name, read->key.name,
	    EVKV_LIT(""), JSONFILE_JSON);
	if (entry != NULL)
		entry->expires_ms = ms;
	return read_append(read, &read->expiries, entry, offset);
}

/* An object whose members are read one by one; its name has been read. */
static bool read_object(struct read *read, const char *what,
    bool (*member)(struct read *read))
{
	enum evkv_json_kind kind;

	if (!read_expect(read, EVKV_JSON_OBJECT, what))
		return false;
	for (;;) {
		if (!read_next(read, &kind))
			return false;
		if (kind == EVKV_JSON_OBJECT_END)
			return true;
		if (!member(read))
			return false;
	}
}

static bool read_expiring_collection(struct read *read)
{
	return read_member(read, &read->collection) &&
	    read_collection_name(read) && read_remember(read, NAMES_EXPIRES) &&
	    read_object(read, "an object of keys and times was expected",
		read_expiry);
}

static bool read_collection(struct read *read)
{
	if (!read_member(read, &read->collection))
		return false;
	if (evkv_slice_equal(read->collection.name, EVKV_LIT("$expires")))
		return read_remember(read, EVKV_LIT("$expires")) &&
		    read_object(read, "an object of collections was expected",
			read_expiring_collection);
	return read_collection_name(read) && read_remember(read, NAMES_FILE) &&
	    read_object(read,
		"a collection must be an object of keys and values",
		read_entry);
}

/* ---- The whole ----------------------------------------------------------- */

static void read_apply_expiries(struct read *read)
{
	const struct jsonfile_entry *expiry;
	size_t i, at;

	for (i = 0; i < read->expiries.count; i++) {
		expiry = read->expiries.entries[i];
		if (evkv__jsonfile_find(read->table, expiry->collection,
			expiry->key, &at))
			evkv__jsonfile_expire(read->table, at,
			    expiry->expires_ms);
	}
}

/* Whether no name stands twice. */
static bool read_once(struct read *read, struct jsonfile_table *table)
{
	const struct jsonfile_entry *twice = evkv__jsonfile_sort(table);

	return twice == NULL ||
	    read_corrupt(read, twice->offset,
		"a key, or its collection, is there a second time");
}

/* Editors put one there that nobody sees. */
static bool read_begins(struct read *read)
{
	static const char mark[] = "\xef\xbb\xbf";

	return read->text.size < 3 || memcmp(read->text.data, mark, 3) != 0 ||
	    read_corrupt(read, 0, "a byte order mark, which JSON has not");
}

static bool read_all(struct read *read)
{
	enum evkv_json_kind kind;

	if (!read_object(read, "an object of collections was expected",
		read_collection) ||
	    !read_next(read, &kind))
		return false;
	if (!read_once(read, &read->names) || !read_once(read, read->table) ||
	    !read_once(read, &read->expiries))
		return false;
	read_apply_expiries(read);
	return true;
}

bool evkv__jsonfile_read(struct evkv_slice text, const char *path,
    struct jsonfile_table *table, struct file_failure *failure)
{
	struct read read = {
		.text = text, .path = path, .table = table, .failure = failure
	};
	bool good;

	evkv_json_reader_init(&read.reader,
	    &(struct evkv_json_limits){ .max_depth = JSONFILE_DEPTH });
	evkv_json_feed(&read.reader, text, true);
	good = read_begins(&read) && read_all(&read);
	evkv_json_reader_clear(&read.reader);
	evkv__jsonfile_clear(&read.expiries);
	evkv__jsonfile_clear(&read.names);
	evkv_free(read.collection.bytes);
	evkv_free(read.key.bytes);
	if (!good)
		evkv__jsonfile_clear(table);
	return good;
}
