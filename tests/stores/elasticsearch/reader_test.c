/*
 * tests/stores/elasticsearch/reader_test.c - answers, however they are cut; and
 * that a large one holds up nobody.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"
#include "stores/elasticsearch/store.h"
#include "evkv/base64.h"
#include "stores/elasticsearch/reader.h"

struct seen {
	char text[4096];
	size_t size;
};

static void see(void *arg, struct es_record *record)
{
	struct seen *seen = arg;
	struct evkv_slice value = evkv_value_bytes(record->value);

	seen->size += (size_t)snprintf(seen->text + seen->size,
	    sizeof(seen->text) - seen->size,
	    "[%.*s %d %lld.%lld %s%s%s %.*s/%.*s %.*s]", (int)record->id.size,
	    record->id.data, record->status, (long long)record->seq_no,
	    (long long)record->primary_term, record->found ? "found" : "-",
	    record->damaged ? " damaged" : "", record->type,
	    (int)record->collection.size, record->collection.data,
	    (int)record->key.size, record->key.data, (int)value.size,
	    (const char *)value.data);
}

static void read_in(enum es_answer answer, const char *text, size_t piece,
    struct seen *seen, bool *good)
{
	struct es_reader reader;
	size_t size = strlen(text), at = 0, part;

	seen->size = 0;
	seen->text[0] = '\0';
	evkv__es_reader_init(&reader, answer, size);
	reader.on_record = see;
	reader.arg = seen;
	*good = true;
	for (; at < size && *good; at += part) {
		part = size - at < piece ? size - at : piece;
		*good = evkv__es_reader_feed(&reader,
		    evkv_bytes(text + at, part), false);
	}
	*good = *good &&
	    evkv__es_reader_feed(&reader, evkv_bytes(NULL, 0), true);
	evkv__es_reader_clear(&reader);
}

static void reads(enum es_answer answer, const char *text, const char *expected)
{
	struct seen seen;
	bool good;

	for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
		read_in(answer, text, piece, &seen, &good);
		check(good);
		check_str(seen.text, expected);
	}
}

EVKV_TEST(elasticsearch_reader, records_however_they_are_cut)
{
	reads(ES_ANSWER_MGET,
	    "{\"docs\":[{\"_index\":\"i\",\"_id\":\"c:k\",\"_seq_no\":3,"
	    "\"_primary_term\":1,\"found\":true,\"_source\":{\"collection\":"
	    "\"c\",\"key\":\"6b\",\"value\":\"dmFsdWU=\"}},{\"_id\":\"x\","
	    "\"found\":false}]}",
	    "[c:k 0 3.1 found c/6b value][x 0 -1.-1 - / ]");
	reads(ES_ANSWER_MGET,
	    "{\"docs\":[{\"_source\":{\"json\":{\"value\":[{}],\"a\":\"}\"},"
	    "\"key\":\"\\u0036b\"},\"found\":true,\"_id\":\"a\"}]}",
	    "[a 0 -1.-1 found /6b {\"value\":[{}],\"a\":\"}\"}]");
	reads(ES_ANSWER_BULK,
	    "{\"items\":[{\"index\":{\"_id\":\"a\",\"status\":201,\"_seq_no\":"
	    "7,\"_primary_term\":2}},{\"create\":{\"_id\":\"b\",\"status\":409,"
	    "\"error\":{\"type\":\"conflict\",\"reason\":\"r\"}}}]}",
	    "[a 201 7.2 - / ][b 409 -1.-1 -conflict / ]");
	reads(ES_ANSWER_HITS,
	    "{\"hits\":{\"total\":1,\"hits\":[{\"_id\":\"i\",\"_source\":"
	    "{\"collection\":\"c\",\"key\":\"61\"},\"sort\":[\"61\",1]}]}}",
	    "[i 0 -1.-1 - c/61 ]");
	reads(ES_ANSWER_GROUPS,
	    "{\"aggregations\":{\"c\":{\"after_key\":{\"c\":\"z\"},"
	    "\"buckets\":[{\"key\":{\"c\":\"a\"},\"doc_count\":1},{\"key\":"
	    "{\"c\":\"\"},\"doc_count\":2}]}}}",
	    "[ 0 -1.-1 - a/ ][ 0 -1.-1 - / ]");
}

/* A name means something in its own place alone. */
EVKV_TEST(elasticsearch_reader, names_in_other_places_mean_nothing)
{
	reads(ES_ANSWER_MGET,
	    "{\"_id\":\"no\",\"found\":false,\"status\":9,\"docs\":[{\"_id\":"
	    "\"a\","
	    "\"x\":{\"_id\":\"no\",\"found\":false,\"_seq_no\":9,\"status\":9,"
	    "\"_source\":{\"key\":\"no\"}},\"_seq_no\":1,\"_primary_term\":2,"
	    "\"found\":true,\"_source\":{\"x\":{\"collection\":\"no\",\"key\":"
	    "\"no\",\"value\":\"bm8=\"},\"_id\":\"no\",\"found\":false,"
	    "\"_seq_no\":8,\"status\":8,\"error\":{\"type\":\"no\"},"
	    "\"collection\":\"c\",\"key\":\"6b\",\"value\":\"dg==\"}}],"
	    "\"key\":\"no\"}",
	    "[a 0 1.2 found c/6b v]");
	reads(ES_ANSWER_BULK,
	    "{\"status\":9,\"_id\":\"no\",\"items\":[{\"index\":{\"_id\":\"a\","
	    "\"status\":201,\"error\":{\"type\":\"t\",\"caused_by\":{\"type\":"
	    "\"no\",\"_id\":\"no\",\"status\":9}},\"_shards\":{\"failed\":0,"
	    "\"status\":9,\"_id\":\"no\"}}}]}",
	    "[a 201 -1.-1 -t / ]");
	reads(ES_ANSWER_HITS,
	    "{\"_id\":\"no\",\"hits\":{\"_id\":\"no\",\"hits\":[{\"_id\":\"i\","
	    "\"_source\":{\"collection\":\"c\",\"key\":\"61\",\"more\":{"
	    "\"key\":"
	    "\"no\",\"_id\":\"no\"}},\"fields\":{\"key\":[\"no\"],\"_id\":"
	    "[\"no\"]},\"sort\":[\"_id\",\"no\"]}]}}",
	    "[i 0 -1.-1 - c/61 ]");
	reads(ES_ANSWER_GROUPS,
	    "{\"aggregations\":{\"d\":{\"buckets\":[{\"key\":{\"c\":"
	    "\"no\"}}]},"
	    "\"c\":{\"buckets\":[{\"key\":{\"c\":\"a\"},\"x\":{\"c\":\"no\"},"
	    "\"_id\":{\"c\":\"no\"}}]}}}",
	    "[ 0 -1.-1 - a/ ]");
}

EVKV_TEST(elasticsearch_reader, values_that_are_damaged)
{
	static const char *const bad[] = { "A", "AA", "AAA", "A===", "AA==AAAA",
		"AAAA=", "AA=A", "*AAA", "AA==AA==" };
	char text[256];
	struct seen seen;
	bool good;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
		    "{\"docs\":[{\"found\":true,\"_source\":{\"value\":\"%s\"}"
		    "}]}",
		    bad[i]);
		for (size_t piece = 1; piece < 80; piece++) {
			read_in(ES_ANSWER_MGET, text, piece, &seen, &good);
			check(good);
			check_contains(seen.text, "damaged");
		}
	}
}

/* ---- A large answer ------------------------------------------------------ */

#define LARGE ((size_t)12 << 20)

static unsigned turns;

static void count_turns(struct bed *bed, const struct answer *a)
{
	for (turns = 0; a->calls == 0; turns++)
		rig_turn_waiting(&bed->rig);
}

EVKV_TEST(elasticsearch_reader, a_large_value_comes_in_many_turns)
{
	char *value = malloc(LARGE);
	struct answer a = ANSWER_INIT;
	struct bed bed;

	check(value != NULL);
	for (size_t i = 0; i < LARGE; i++)
		value[i] = (char)(i * 31 % 251);
	bed_open(&bed, 1);
	evkv_put(bed.store, EVKV_LIT("c"), EVKV_LIT("k"),
	    evkv_bytes(value, LARGE), 0, answer_cb, &a);
	rig_wait(&bed.rig, &a.calls);
	check_status(a.status, EVKV_OK);
	bed_start_get(&bed, &a, "k");
	/* All of it is there before the first byte is read. */
	count_turns(&bed, &a);
	check_status(a.status, EVKV_OK);
	check_bytes(a.entries[0].bytes, evkv_bytes(value, LARGE));
	check(turns > 20);
	answer_free(&a);
	bed_close(&bed);
	free(value);
}

/* ---- Long keys ----------------------------------------------------------- */

/* Whether the key of a record is read whose name says so. */
static bool name_is_taken(struct es_record *record, struct evkv_slice name)
{
	struct es_text key = { .data = NULL };
	bool taken;

	record->name.size = 0;
	check(evkv__es_text_add(&record->name, name.data, name.size));
	taken = evkv__es_key_read(record, &key);
	evkv__es_text_free(&key);
	return taken;
}

/* Of a key that is not indexed whole the name alone tells the rest. */
EVKV_TEST(elasticsearch_reader, the_name_of_a_long_key_must_be_its_own)
{
	static char key[ES_KEY_HEX_MAX + 1], name[2 * ES_KEY_HEX_MAX];
	struct es_record record = { .seq_no = 0 };
	size_t size;

	memset(key, 'k', sizeof(key));
	size = evkv_base64_encode(evkv_bytes(key, sizeof(key)), name);
	check(evkv__es_key_write(&record.key, evkv_bytes(key, sizeof(key)),
	    false));
	check(name_is_taken(&record, evkv_bytes(name, size)));
	check(!name_is_taken(&record, evkv_bytes(name, size - 4)));
	check(!name_is_taken(&record, evkv_bytes(name, 0)));
	name[0] = name[0] == 'A' ? 'B' : 'A';
	check(!name_is_taken(&record, evkv_bytes(name, size)));
	name[0] = '!';
	check(!name_is_taken(&record, evkv_bytes(name, size)));
	evkv__es_text_free(&record.key);
	evkv__es_text_free(&record.name);
}
