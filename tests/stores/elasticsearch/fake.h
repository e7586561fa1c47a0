/*
 * tests/stores/elasticsearch/fake.h - a search server on the test's own loop,
 * with documents that it keeps, and faults as told.
 *
 * It knows the paths that look up and write by _id, and those of the index;
 * everything else is answered by `canned`. Several fakes may share their
 * documents.
 */
#ifndef TESTS_STORES_ELASTICSEARCH_FAKE_H
#define TESTS_STORES_ELASTICSEARCH_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/web.h"

#define FAKE_DOCS 512

struct fake_doc {
	char id[600];
	char *source; /* NULL: it is not there */
	int64_t seq_no;
	unsigned writes; /* that have taken effect */
};

struct fake_docs {
	struct fake_doc docs[FAKE_DOCS];
	size_t count;
	int64_t seq_no;
	bool index; /* it is there */
};

struct fake {
	struct web *web;
	struct fake_docs *docs, own;
	unsigned mgets, bulks, items, looks, creates;
	char created[1000]; /* with what the index was made last */

	/* What goes wrong, from now on. */
	int code;           /* of answers to _mget and _bulk; 0 = none */
	const char *reason; /* with it */
	unsigned refused;   /* so many items to come are refused with 429 */
	unsigned no_shard;  /* so many looks to come find no shard */
	int item_code;      /* of all items of a bulk; 0 = none */
	const char *item_reason;
	size_t max_body;     /* above it: 413; 0 = any */
	bool answers_late;   /* takes effect, and says nothing */
	const char *mapping; /* of the index that is there; NULL = ours */
	int create_code;     /* of making the index; 0 = 200 */
	/* Of paths that it does not know; false = 404. */
	bool (*canned)(struct fake *fake, struct peer_conn *conn);
};

/* `options` as for web_open(); `docs` NULL = its own. */
void fake_open(struct fake *fake, struct event_base *base,
    const struct peer_options *options, struct fake_docs *docs);
void fake_close(struct fake *fake);
void fake_docs_free(struct fake_docs *docs);
/* NULL: it was never there. */
struct fake_doc *fake_find(struct fake_docs *docs, const char *id);
/* Put a document there, as somebody else would. */
void fake_put(struct fake_docs *docs, const char *id, const char *source);

#endif
