/* bench/mongodb_peer.c - answers in MongoDB's protocol, OP_MSG. */
#include "mongodb_peer.h"

#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "opmsg.h"

static const char value[100];

static void say_document(struct opdoc *out, unsigned n, const unsigned char *id)
{
	char index[16];
	const char *text;
	size_t size;

	snprintf(index, sizeof(index), "%u", n);
	text = opmsg_text(id, &size);
	opdoc_open(out, index, false);
	opdoc_text(out, "_id", text, size);
	opdoc_binary(out, "value", value, sizeof(value));
	opdoc_binary(out, "version", "0123456789abcdef", 16);
	opdoc_close(out);
}

static void say_found(struct opdoc *out, const struct opmsg *message)
{
	const unsigned char *filter, *id, *in, *at;
	unsigned char type;
	unsigned n = 0;

	opdoc_open(out, "cursor", false);
	opdoc_long(out, "id", 0);
	opdoc_text(out, "ns", "evkv.evkv", 9);
	opdoc_open(out, "firstBatch", true);
	bench_check(opmsg_field(message->body, "filter", &type, &filter) &&
	    opmsg_field(filter, "_id", &type, &id));
	if (type == 2) {
		say_document(out, 0, id);
	} else {
		bench_check(opmsg_field(id, "$in", &type, &in));
		for (at = in + 4; *at != 0; at += opmsg_size(2, at)) {
			at += 1 + strlen((const char *)at + 1) + 1;
			say_document(out, n++, at);
		}
	}
	opdoc_close(out);
	opdoc_close(out);
	opdoc_double(out, "ok", 1);
}

static void say(struct opdoc *out, const struct opmsg *message)
{
	int32_t n;

	opdoc_answer(out, message);
	if (strcmp(message->command, "find") == 0) {
		say_found(out, message);
	} else if (strcmp(message->command, "update") == 0) {
		n = opmsg_writes(message);
		opdoc_int(out, "n", n);
		opdoc_int(out, "nModified", n);
		opdoc_double(out, "ok", 1);
	} else {
		opdoc_hello(out);
	}
	opdoc_end_answer(out);
}

size_t mongodb_peer_answer(const char *bytes, size_t size,
    struct evkv_slice *answer)
{
	static struct opdoc out;
	struct opmsg message;
	size_t used = opmsg_read(bytes, size, &message);

	if (used == 0)
		return 0;
	say(&out, &message);
	*answer = evkv_bytes(out.data, out.size);
	return used;
}
