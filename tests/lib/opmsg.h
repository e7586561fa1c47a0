/*
 * tests/lib/opmsg.h - MongoDB's wire protocol, as far as a scripted server
 * needs it: messages taken apart, answers put together. No library of
 * MongoDB's is used, so that what is tested by it is not tested by itself.
 */
#ifndef TESTS_LIB_OPMSG_H
#define TESTS_LIB_OPMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Reading ------------------------------------------------------------- */

struct opmsg {
	int32_t id;
	bool legacy; /* OP_QUERY, of a handshake */
	char command[32];
	const unsigned char *body; /* the command's document */
	size_t body_size;
	const unsigned char *documents; /* a sequence of them; NULL = none */
	size_t documents_size;
};

/*
 * Take a message from the start of the data. Returns its size, or 0 where it is
 * not there whole. A message that is none ends the program.
 */
size_t opmsg_read(const void *data, size_t size, struct opmsg *message);

/*
 * A field of a document, by its name: its type and where its value is. false =
 * there is none.
 */
bool opmsg_field(const unsigned char *document, const char *name,
    unsigned char *type, const unsigned char **value);
/* How many documents a command writes, in a sequence or in its body. */
int32_t opmsg_writes(const struct opmsg *message);
/* The size of a value of a type. */
size_t opmsg_size(unsigned char type, const unsigned char *value);
int32_t opmsg_int(const void *bytes);
/* A string's bytes and size, its NUL not counted. */
const char *opmsg_text(const unsigned char *value, size_t *size);

/* ---- Writing ------------------------------------------------------------- */

struct opdoc {
	unsigned char *data;
	size_t size, room;
	size_t open[8]; /* where documents that are open begin */
	unsigned depth;
};

/* Begin with an answer to a message; then the fields of its document. */
void opdoc_answer(struct opdoc *out, const struct opmsg *message);
/* End it; its bytes are out->data from `from` on. */
void opdoc_end_answer(struct opdoc *out);
void opdoc_free(struct opdoc *out);

void opdoc_int(struct opdoc *out, const char *name, int32_t value);
void opdoc_long(struct opdoc *out, const char *name, int64_t value);
void opdoc_double(struct opdoc *out, const char *name, double value);
void opdoc_bool(struct opdoc *out, const char *name, bool value);
void opdoc_text(struct opdoc *out, const char *name, const char *text,
    size_t size);
void opdoc_binary(struct opdoc *out, const char *name, const void *bytes,
    size_t size);
void opdoc_open(struct opdoc *out, const char *name, bool array);
void opdoc_close(struct opdoc *out);

/* What a standalone server says of itself. */
void opdoc_hello(struct opdoc *out);

#endif
