/*
 * tests/stores/redis/reply_test.c - replies that are taken where they lie, in
 * memory of exactly their size: what is read beyond is seen by ASan.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"
#include "stores/redis/store.h"

static struct redis_item seen;
static char seen_bytes[64];
static unsigned seen_count;

static bool on_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	(void)connection;
	(void)part;
	seen_count++;
	seen = *item;
	check(item->bytes.size < sizeof(seen_bytes));
	memcpy(seen_bytes, item->bytes.data != NULL ? item->bytes.data : "",
	    item->bytes.size);
	seen_bytes[item->bytes.size] = '\0';
	return true;
}

static const struct redis_command command = { .item = on_item };

static const struct {
	const char *reply;
	enum redis_item_type type;
	const char *bytes;
	long long number;
} replies[] = {
	{ "$5\r\nhello\r\n", REDIS_ITEM_STRING, "hello", 0 },
	{ "$0\r\n\r\n", REDIS_ITEM_STRING, "", 0 },
	{ "$2\r\n\r\n\r\n", REDIS_ITEM_STRING, "\r\n", 0 },
	{ "$-1\r\n", REDIS_ITEM_NIL, "", 0 },
	{ "+OK\r\n", REDIS_ITEM_STATUS, "OK", 0 },
	{ "+\r\n", REDIS_ITEM_STATUS, "", 0 },
	{ ":0\r\n", REDIS_ITEM_INTEGER, "", 0 },
	{ ":123456789012345678\r\n", REDIS_ITEM_INTEGER, "",
	    123456789012345678LL },
	{ "$16\r\n0123456789abcdef\r\n", REDIS_ITEM_STRING, "0123456789abcdef",
	    0 },
};

/* The first `size` bytes of a reply, in memory of that size. */
static enum redis_whole take(const char *reply, size_t size, size_t *used,
    size_t *left)
{
	struct redis_store store = { .options.max_reply_bytes = 1000 };
	struct redis_part part = { .command = &command };
	struct redis_connection connection = { .store = &store, .part = &part };
	char *exact = malloc(size > 0 ? size : 1);
	enum redis_whole whole;

	check(exact != NULL);
	memcpy(exact, reply, size);
	*used = 0;
	seen_count = 0;
	whole = evkv__redis_reply_whole(&connection, exact, size, used, left);
	check(connection.wrong == NULL);
	free(exact);
	return whole;
}

EVKV_TEST(redis_reply, cut_at_every_byte)
{
	size_t i, size, whole, used, left;

	for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		whole = strlen(replies[i].reply);
		for (size = 0; size < whole; size++) {
			enum redis_whole part = take(replies[i].reply, size,
			    &used, &left);

			/* Of a nil the reader takes what there is. */
			if (part != REDIS_WHOLE_NOT ||
			    replies[i].type != REDIS_ITEM_NIL)
				check_int(part, REDIS_WHOLE_LATER);
			check_int(used, 0);
			check_int(seen_count, 0);
		}
		check_int(take(replies[i].reply, whole, &used, &left),
		    REDIS_WHOLE_YES);
		check_int(used, whole);
		check_int(seen_count, 1);
		check_int(seen.type, replies[i].type);
		check_str(seen_bytes, replies[i].bytes);
		check_int(seen.number, replies[i].number);
	}
}

/* What is not taken here is for the reader: nothing is told of it. */
EVKV_TEST(redis_reply, what_is_not_taken)
{
	static const char *const others[] = { "*1\r\n$1\r\na\r\n", "-ERR x\r\n",
		":-1\r\n", ":01\r\n", ":\r\n", "$01\r\na\r\n", "$-2\r\n",
		"$1\r\nabc", "$1\r\na\rx", "+OK\rx", "$1x\r\n",
		":1234567890123456789\r\n", "%1\r\n", "$1\rx" };
	size_t i, used, left;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		check_int(take(others[i], strlen(others[i]), &used, &left),
		    REDIS_WHOLE_NOT);
		check_int(used, 0);
		check_int(seen_count, 0);
		check_int(left, 0);
	}
	/* A long string, of which it is known how much is to come. */
	check_int(take("$100000\r\nab", 11, &used, &left), REDIS_WHOLE_NOT);
	check_int(left, 9 + 100000 + 2);
	check_int(seen_count, 0);
}

/* One as long as the bound is taken, a longer one is for its end. */
EVKV_TEST(redis_reply, at_the_bound)
{
	char reply[1200];
	size_t head, more, used, left;
	struct redis_store store = { .options.max_reply_bytes = 1000 };
	struct redis_part part = { .command = &command };
	struct redis_connection connection = { .store = &store, .part = &part };

	for (more = 0; more < 2; more++) {
		head = (size_t)snprintf(reply, sizeof(reply), "+");
		memset(reply + head, 'x', 997 + more);
		memcpy(reply + head + 997 + more, "\r\n", 3);
		used = 0;
		part.base.slot.op = NULL;
		connection.part = NULL;
		check_int(evkv__redis_reply_whole(&connection, reply,
			      1000 + more, &used, &left),
		    more == 0 ? REDIS_WHOLE_YES : REDIS_WHOLE_LATER);
		check_int(used, more == 0 ? 1000 : 0);
		check_int(connection.reply_bytes, more == 0 ? 0 : 1001);
	}
}
