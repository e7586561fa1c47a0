/*
 * wrappers/statistics/text.c - lines of the text for Prometheus.
 */
#include "wrappers/statistics/text.h"

#include <event2/buffer.h>

/* ---- Label values -------------------------------------------------------- */

static void put(struct writer *writer, const void *bytes, size_t size)
{
	if (evbuffer_add(writer->out, bytes, size) != 0)
		writer->failed = true;
}

#define PUT(writer_, literal_) put((writer_), literal_, sizeof(literal_) - 1)

static bool continues(const unsigned char *at, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return false;
	}
	return true;
}

/* The size of the UTF-8 character at `at`; 0 = there is none. */
static size_t utf8_size(const unsigned char *at, size_t left)
{
	uint32_t code;

	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] < 0xe0 && left >= 2 && continues(at + 1, 1))
		return 2;
	if ((at[0] & 0xf0) == 0xe0 && left >= 3 && continues(at + 1, 2)) {
		code = (uint32_t)(at[0] & 0x0f) << 12 |
		    (uint32_t)(at[1] & 0x3f) << 6;
		return code >= 0x800 && (code < 0xd800 || code > 0xdfff) ? 3
									 : 0;
	}
	if (at[0] >= 0xf0 && at[0] < 0xf5 && left >= 4 &&
	    continues(at + 1, 3)) {
		code = (uint32_t)(at[0] & 0x07) << 18 |
		    (uint32_t)(at[1] & 0x3f) << 12;
		return code >= 0x10000 && code < 0x110000 ? 4 : 0;
	}
	return 0;
}

/*
 * Bytes inside quotes. A backslash becomes two, and two are written as four, so
 * that no name looks like an escaped byte or like the label of the rest.
 */
static void put_value(struct writer *writer, const void *bytes, size_t size)
{
	const unsigned char *at = bytes, *end = at + size;
	size_t step;

	for (; at < end; at += step) {
		step = utf8_size(at, (size_t)(end - at));
		if (step == 0 || *at < 0x20 || *at == 0x7f) {
			if (evbuffer_add_printf(writer->out, "\\\\x%02x", *at) <
			    0)
				writer->failed = true;
			step = 1;
		} else if (*at == '\\') {
			PUT(writer, "\\\\\\\\");
		} else if (*at == '"') {
			PUT(writer, "\\\"");
		} else {
			put(writer, at, step);
		}
	}
}

static void put_string(struct writer *writer, const char *string)
{
	put(writer, string, strlen(string));
}

/* name{store="...",collection="...",kind="..."; the closing is the caller's */
void evkv__text_labels(struct writer *writer, const char *name,
    const struct line *line)
{
	const char *store = line->self->name;

	if (store == NULL)
		store = evkv_store_name(line->self->inner);
	put_string(writer, name);
	PUT(writer, "{store=\"");
	put_value(writer, store, strlen(store));
	PUT(writer, "\"");
	if (line->collection == NULL)
		return;
	PUT(writer, ",collection=\"");
	if (line->collection == line->self->rest)
		PUT(writer, "\\\\other");
	else
		put_value(writer, line->collection->name,
		    line->collection->size);
	PUT(writer, "\",kind=\"");
	put_string(writer, evkv_kind_name(line->kind));
	PUT(writer, "\"");
}

void evkv__text_number(struct writer *writer, uint64_t number)
{
	if (evbuffer_add_printf(writer->out, "} %llu\n",
		(unsigned long long)number) < 0)
		writer->failed = true;
}

/* One label more, then the number. */
void evkv__text_line(struct writer *writer, const char *name,
    const struct line *line, const char *label, const char *value,
    uint64_t number)
{
	evkv__text_labels(writer, name, line);
	PUT(writer, ",");
	put_string(writer, label);
	PUT(writer, "=\"");
	put_string(writer, value);
	PUT(writer, "\"");
	evkv__text_number(writer, number);
}

void evkv__text_head(struct writer *writer, const char *name, const char *type,
    const char *help)
{
	if (evbuffer_add_printf(writer->out, "# HELP %s %s\n# TYPE %s %s\n",
		name, help, name, type) < 0)
		writer->failed = true;
}
