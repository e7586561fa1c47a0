/*
 * stores/jsonfile/table.h - the entries of a file, sorted by the bytes of
 * collection and key; and how names and values stand in the file.
 *
 *     {
 *       "users": {
 *         "ada": {"name":"Lovelace"},           JSON text: as it is
 *         "note": "plain text",                 other text: a string
 *         "key": {"$base64": "AP8="}            other bytes
 *       },
 *       "$expires": {
 *         "users": {
 *           "ada": "2026-11-28T08:24:28.000Z"
 *         }
 *       }
 *     }
 *
 * A value that is a string is text, so JSON text that is a string itself stands
 * as a string of its own, quotes included; and so does an object whose first
 * member is "$base64". So each value has one form, and each form one value.
 *
 * A name that begins with '$' has one '$' more in the file; one that is not
 * UTF-8 is "$base64:" and its bytes in base64.
 */
#ifndef EVKV_STORES_JSONFILE_TABLE_H
#define EVKV_STORES_JSONFILE_TABLE_H

#include "engines/files/failure.h"
#include "evkv/json.h"
#include "evkv/value.h"

#define JSONFILE_DEPTH EVKV_JSON_DEPTH_MAX /* of a file; two are ours */

enum jsonfile_form {
	JSONFILE_JSON,   /* the text is the value */
	JSONFILE_STRING, /* with its quotes */
	JSONFILE_BYTES,  /* {"$base64": "..."} */
};

struct jsonfile_entry {
	struct evkv_slice collection, key; /* as the store knows them */
	struct evkv_slice text;            /* the value, as it stands there */
	enum jsonfile_form form;
	int64_t expires_ms; /* 0 = never */
	size_t offset;      /* while a file is read: where it is there */
};

struct jsonfile_table {
	struct jsonfile_entry **entries;
	size_t count, room;
	size_t bytes; /* that the file takes, at most */
};

/* ---- form.c: values and names -------------------------------------------- */

/* The text of a value; false: no memory. Clear the writer in any case. */
bool evkv__jsonfile_write_value(struct evkv_slice value,
    struct evkv_json_writer *writer, enum jsonfile_form *form);
/* The value of a text; NULL: no memory. */
struct evkv_value *evkv__jsonfile_read_value(const struct jsonfile_entry
	*entry);
/* The form of a value whose first token is `first` and which is `text`. */
bool evkv__jsonfile_form(struct evkv_slice text, enum jsonfile_form *form);

/* A name as a member's, with its colon. */
void evkv__jsonfile_write_name(struct evkv_json_writer *writer,
    struct evkv_slice name);
/* The name that a member's stands for, in `bytes`, which may be its own. */
bool evkv__jsonfile_read_name(struct evkv_slice member, char *bytes,
    struct evkv_slice *name);

/* A time as text, and back; false: it is none. */
#define JSONFILE_TIME_ROOM 32
void evkv__jsonfile_write_time(int64_t ms, char text[JSONFILE_TIME_ROOM]);
bool evkv__jsonfile_read_time(struct evkv_slice text, int64_t *ms);

/* ---- table.c ------------------------------------------------------------- */

/* A new entry with copies of all that; NULL: no memory. */
struct jsonfile_entry *evkv__jsonfile_entry_new(struct evkv_slice collection,
    struct evkv_slice key, struct evkv_slice text, enum jsonfile_form form);
/* What it and its collection add to the file, at most. */
size_t evkv__jsonfile_entry_bytes(const struct jsonfile_entry *entry);
size_t evkv__jsonfile_collection_bytes(struct evkv_slice collection);

/* Where an entry is, or would be; whether it is there. */
bool evkv__jsonfile_find(const struct jsonfile_table *table,
    struct evkv_slice collection, struct evkv_slice key, size_t *at);
/* The first entry behind all of a collection. */
size_t evkv__jsonfile_find_end(const struct jsonfile_table *table,
    struct evkv_slice collection);
/* Whether the table has any of a collection. */
bool evkv__jsonfile_has_collection(const struct jsonfile_table *table,
    struct evkv_slice collection);
/* Put an entry in, which the table owns then; false: no memory. */
bool evkv__jsonfile_insert(struct jsonfile_table *table, size_t at,
    struct jsonfile_entry *entry);
/* Likewise in any order, to be sorted afterwards. */
bool evkv__jsonfile_append(struct jsonfile_table *table,
    struct jsonfile_entry *entry);
void evkv__jsonfile_remove(struct jsonfile_table *table, size_t at);
/* Another expiry for an entry. */
void evkv__jsonfile_expire(struct jsonfile_table *table, size_t at,
    int64_t expires_ms);
/*
 * Remove all that `doomed` is about; returns how many. For many at once.
 */
size_t evkv__jsonfile_remove_if(struct jsonfile_table *table,
    bool (*doomed)(const struct jsonfile_entry *entry, void *arg), void *arg);
/*
 * Sort what was appended in any order; NULL, or the later one of two of one
 * name.
 */
const struct jsonfile_entry *evkv__jsonfile_sort(struct jsonfile_table *table);
void evkv__jsonfile_clear(struct jsonfile_table *table);

/* ---- read.c, write.c: a file's text -------------------------------------- */

/* Read a text into an empty table; CORRUPT names line and column. */
bool evkv__jsonfile_read(struct evkv_slice text, const char *path,
    struct jsonfile_table *table, struct file_failure *failure);
/* The text of a table; false: no memory. Clear the writer in any case. */
bool evkv__jsonfile_write(const struct jsonfile_table *table,
    struct evkv_json_writer *writer);

#endif
