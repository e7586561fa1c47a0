/* tests/lib/opmsg.c - MongoDB's wire protocol. */
#include "opmsg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OP_REPLY 1
#define OP_QUERY 2004
#define OP_MSG 2013

enum {
	TYPE_DOUBLE = 1,
	TYPE_TEXT = 2,
	TYPE_DOCUMENT = 3,
	TYPE_ARRAY = 4,
	TYPE_BINARY = 5,
	TYPE_OBJECT_ID = 7,
	TYPE_BOOL = 8,
	TYPE_DATE = 9,
	TYPE_NULL = 10,
	TYPE_INT = 16,
	TYPE_TIMESTAMP = 17,
	TYPE_LONG = 18,
};

/* ---- Reading ------------------------------------------------------------- */

int32_t opmsg_int(const void *bytes)
{
	const unsigned char *at = bytes;

	return (int32_t)((uint32_t)at[0] | (uint32_t)at[1] << 8 |
	    (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
}

static void opmsg_die(const char *what)
{
	fprintf(stderr, "opmsg: %s\n", what);
	abort();
}

size_t opmsg_size(unsigned char type, const unsigned char *value)
{
	switch (type) {
	case TYPE_DOUBLE:
	case TYPE_DATE:
	case TYPE_TIMESTAMP:
	case TYPE_LONG: return 8;
	case TYPE_INT: return 4;
	case TYPE_BOOL: return 1;
	case TYPE_NULL: return 0;
	case TYPE_OBJECT_ID: return 12;
	case TYPE_TEXT: return 4 + (size_t)opmsg_int(value);
	case TYPE_BINARY: return 5 + (size_t)opmsg_int(value);
	case TYPE_DOCUMENT:
	case TYPE_ARRAY: return (size_t)opmsg_int(value);
	default: opmsg_die("a type that is not known"); return 0;
	}
}

bool opmsg_field(const unsigned char *document, const char *name,
    unsigned char *type, const unsigned char **value)
{
	const unsigned char *at = document + 4;
	const char *found;

	while (*at != 0) {
		*type = *at++;
		found = (const char *)at;
		at += strlen(found) + 1;
		*value = at;
		if (name == NULL || strcmp(found, name) == 0)
			return true;
		at += opmsg_size(*type, at);
	}
	return false;
}

int32_t opmsg_writes(const struct opmsg *message)
{
	const unsigned char *array, *at;
	unsigned char type;
	int32_t count = 0;
	size_t size = 0;

	for (; size < message->documents_size; count++)
		size += (size_t)opmsg_int(message->documents + size);
	if (!opmsg_field(message->body, "updates", &type, &array) ||
	    type != TYPE_ARRAY)
		return count;
	for (at = array + 4; *at != 0; count++) {
		type = *at++;
		at += strlen((const char *)at) + 1;
		at += opmsg_size(type, at);
	}
	return count;
}

const char *opmsg_text(const unsigned char *value, size_t *size)
{
	*size = (size_t)opmsg_int(value) - 1;
	return (const char *)value + 4;
}

/* The first field's name is the command's. */
static void opmsg_command(struct opmsg *message, const unsigned char *body)
{
	unsigned char type;
	const unsigned char *value;

	message->body = body;
	message->body_size = (size_t)opmsg_int(body);
	snprintf(message->command, sizeof(message->command), "%s",
	    (const char *)body + 5);
	/* A handshake of the old kind may wrap it up. */
	if (opmsg_field(body, "$query", &type, &value))
		opmsg_command(message, value);
}

static void opmsg_sections(struct opmsg *message, const unsigned char *at,
    const unsigned char *end)
{
	size_t size, name;

	while (at < end) {
		if (*at++ == 0) {
			opmsg_command(message, at);
			at += message->body_size;
			continue;
		}
		size = (size_t)opmsg_int(at);
		name = strlen((const char *)at + 4) + 1;
		message->documents = at + 4 + name;
		message->documents_size = size - 4 - name;
		at += size;
	}
}

size_t opmsg_read(const void *data, size_t size, struct opmsg *message)
{
	const unsigned char *bytes = data, *at;
	size_t length;

	if (size < 16)
		return 0;
	length = (size_t)opmsg_int(bytes);
	if (size < length)
		return 0;
	memset(message, 0, sizeof(*message));
	message->id = opmsg_int(bytes + 4);
	switch (opmsg_int(bytes + 12)) {
	case OP_MSG: opmsg_sections(message, bytes + 20, bytes + length); break;
	case OP_QUERY:
		message->legacy = true;
		at = bytes + 20;
		at += strlen((const char *)at) + 1 + 8;
		opmsg_command(message, at);
		break;
	default: opmsg_die("an opcode that is not known");
	}
	return length;
}

/* ---- Writing ------------------------------------------------------------- */

static void out_bytes(struct opdoc *out, const void *bytes, size_t size)
{
	if (out->size + size > out->room) {
		out->room = out->room * 2 + size + 4096;
		out->data = realloc(out->data, out->room);
		if (out->data == NULL)
			abort();
	}
	if (size > 0)
		memcpy(out->data + out->size, bytes, size);
	out->size += size;
}

static void put_int(unsigned char *at, int32_t value)
{
	uint32_t bits = (uint32_t)value;

	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(bits >> 8 * i);
}

static void out_int(struct opdoc *out, int32_t value)
{
	unsigned char bytes[4];

	put_int(bytes, value);
	out_bytes(out, bytes, sizeof(bytes));
}

static void out_name(struct opdoc *out, unsigned char type, const char *name)
{
	out_bytes(out, &type, 1);
	out_bytes(out, name, strlen(name) + 1);
}

static void out_open(struct opdoc *out)
{
	out->open[out->depth++] = out->size;
	out_int(out, 0);
}

void opdoc_answer(struct opdoc *out, const struct opmsg *message)
{
	static const unsigned char zeros[16];

	out->size = 0;
	out->depth = 0;
	out_int(out, 0);
	out_int(out, message->id + 1000000);
	out_int(out, message->id);
	out_int(out, message->legacy ? OP_REPLY : OP_MSG);
	if (message->legacy) {
		out_bytes(out, zeros, 16);
		out_int(out, 1); /* documents */
	} else {
		out_bytes(out, zeros, 5);
	}
	out_open(out);
}

void opdoc_end_answer(struct opdoc *out)
{
	opdoc_close(out);
	put_int(out->data, (int32_t)out->size);
}

void opdoc_free(struct opdoc *out)
{
	free(out->data);
	out->data = NULL;
}

void opdoc_int(struct opdoc *out, const char *name, int32_t value)
{
	out_name(out, TYPE_INT, name);
	out_int(out, value);
}

void opdoc_long(struct opdoc *out, const char *name, int64_t value)
{
	out_name(out, TYPE_LONG, name);
	out_int(out, (int32_t)(value & 0xffffffff));
	out_int(out, (int32_t)(value >> 32));
}

void opdoc_double(struct opdoc *out, const char *name, double value)
{
	out_name(out, TYPE_DOUBLE, name);
	out_bytes(out, &value, sizeof(value));
}

void opdoc_bool(struct opdoc *out, const char *name, bool value)
{
	unsigned char byte = value;

	out_name(out, TYPE_BOOL, name);
	out_bytes(out, &byte, 1);
}

void opdoc_text(struct opdoc *out, const char *name, const char *text,
    size_t size)
{
	out_name(out, TYPE_TEXT, name);
	out_int(out, (int32_t)size + 1);
	out_bytes(out, text, size);
	out_bytes(out, "", 1);
}

void opdoc_binary(struct opdoc *out, const char *name, const void *bytes,
    size_t size)
{
	out_name(out, TYPE_BINARY, name);
	out_int(out, (int32_t)size);
	out_bytes(out, "", 1);
	out_bytes(out, bytes, size);
}

void opdoc_open(struct opdoc *out, const char *name, bool array)
{
	out_name(out, array ? TYPE_ARRAY : TYPE_DOCUMENT, name);
	out_open(out);
}

void opdoc_close(struct opdoc *out)
{
	size_t from = out->open[--out->depth];

	out_bytes(out, "", 1);
	put_int(out->data + from, (int32_t)(out->size - from));
}

void opdoc_hello(struct opdoc *out)
{
	opdoc_bool(out, "ismaster", true);
	opdoc_bool(out, "isWritablePrimary", true);
	opdoc_int(out, "maxBsonObjectSize", 16 << 20);
	opdoc_int(out, "maxMessageSizeBytes", 48000000);
	opdoc_int(out, "maxWriteBatchSize", 100000);
	opdoc_int(out, "minWireVersion", 0);
	opdoc_int(out, "maxWireVersion", 13);
	opdoc_bool(out, "readOnly", false);
	opdoc_double(out, "ok", 1);
}
