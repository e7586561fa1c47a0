/*
 * stores/elasticsearch/reader.h - answers of a search server, read as they
 * come: documents, items of a bulk, hits, buckets, and what an error says.
 *
 * It knows nothing of requests: bytes go in, records come out.
 */
#ifndef EVKV_STORES_ELASTICSEARCH_READER_H
#define EVKV_STORES_ELASTICSEARCH_READER_H

#include <stdint.h>

#include "evkv/json.h"
#include "evkv/status.h"
#include "evkv/value.h"

#define ES_DEPTH 8        /* of the names that matter */
#define ES_TYPE_MAX 80    /* of an error's type */
#define ES_REASON_MAX 300 /* of an error's reason */
#define ES_TEXT_MAX ((size_t)128 << 10)

/* A growing run of bytes. */
struct es_text {
	char *data;
	size_t size, room;
	bool no_memory; /* something could not be added */
};

bool evkv__es_text_add(struct es_text *text, const void *data, size_t size);
void evkv__es_text_free(struct es_text *text);
static inline struct evkv_slice es_text_slice(const struct es_text *text)
{
	return evkv_bytes(text->data, text->size);
}

enum es_answer {
	ES_ANSWER_PLAIN,  /* of interest is what an error says */
	ES_ANSWER_MGET,   /* a record for each document */
	ES_ANSWER_BULK,   /* for each item */
	ES_ANSWER_HITS,   /* for each hit of a search */
	ES_ANSWER_GROUPS, /* for each bucket of the aggregation "c" */
	ES_ANSWER_FIELDS, /* types of a mapping's fields */
};

/* What an answer says of one document. */
struct es_record {
	bool found, told;             /* of a document: it is there, or not */
	int status;                   /* of an item; 0 = none was told */
	int64_t seq_no, primary_term; /* -1 = none was told */
	int64_t expires_ms;           /* INT64_MAX = it does not expire */
	char type[ES_TYPE_MAX];       /* of its error, "" = there is none */
	char reason[ES_REASON_MAX];
	bool has_source, has_value;
	bool damaged; /* a field that we can't have written */
	struct evkv_value *value;
	struct es_text id, collection, key, name;
};

/* The bytes of a value, as they come in base64 or as they are. */
struct es_value {
	struct evkv_value *value;
	unsigned char *data;
	size_t size, room;
	char carry[4];
	unsigned carried;
	bool ended; /* by padding */
};

struct es_reader {
	enum es_answer answer;
	struct evkv_json_reader json;
	bool begun;
	unsigned depth;
	unsigned char
	    path[ES_DEPTH + 1]; /* names, by depth; 0 = none of ours */
	struct es_record record;
	struct es_text text; /* of the string that is being read */
	bool too_long;
	struct es_value value;
	uint64_t piece_at;  /* where the piece begins in the document */
	uint64_t raw_from;  /* from where on an object is copied */
	unsigned raw_depth; /* of that object; 0 = there is none */
	size_t remaining;   /* bytes that are to come, as far as is known */

	/* For the whole. */
	char type[ES_TYPE_MAX], reason[ES_REASON_MAX];
	char resource[ES_TYPE_MAX];
	struct es_text pit;
	size_t records;
	bool partial;    /* shards have failed, or the time was up */
	bool listed;     /* there is a list of hits, or of buckets */
	unsigned fields; /* bits of fields that have their type: ES_FIELD_* */
	bool no_memory;

	/* A record is complete; it lives for the call. */
	void (*on_record)(void *arg, struct es_record *record);
	void *arg;
};

enum {
	ES_FIELD_COLLECTION = 1 << 0,
	ES_FIELD_KEY = 1 << 1,
	ES_FIELD_EXPIRES = 1 << 2,
	ES_FIELDS = (1 << 3) - 1,
};

/* `size`: of the whole text, as far as is known. */
void evkv__es_reader_init(struct es_reader *reader, enum es_answer answer,
    size_t size);
void evkv__es_reader_clear(struct es_reader *reader);
/* false: it is not what it should be, or no memory (no_memory is set). */
bool evkv__es_reader_feed(struct es_reader *reader, struct evkv_slice piece,
    bool last);

/* value.c */
bool evkv__es_value_base64(struct es_value *value, struct evkv_slice text,
    size_t remaining, bool *no_memory);
bool evkv__es_value_raw(struct es_value *value, struct evkv_slice bytes,
    size_t remaining, bool *no_memory);
/* The value, which is the caller's; NULL = damaged, or no memory. */
struct evkv_value *evkv__es_value_take(struct es_value *value, bool *no_memory);
void evkv__es_value_clear(struct es_value *value);

#endif
