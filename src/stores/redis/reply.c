/*
 * Reading replies: the hiredis reader, with object functions that build no
 * tree but hand each element to the part that it belongs to, as it is read.
 *
 * hiredis needs a pointer for every element and ends the reader where it gets
 * NULL, so each gets the address of one dummy. Where there is no memory for a
 * value, the part records that in the op. Counts of elements are the server's
 * word and are never used for a size; commands compare them with what they
 * asked for. Types beyond RESP2, which only newer versions of hiredis know,
 * break the protocol here.
 */
#include "commands.h"

static int reply_dummy;

/* Pass an element to its operation; dropped ones are not reported. */
static void reply_give(struct redis_connection *connection,
    const struct redis_item *item)
{
	struct redis_part *part = connection->part;

	if (part == NULL && item->depth == 0 && item->type == REDIS_ITEM_ERROR)
		evkv__redis_turned_away(connection, item->bytes);
	if (part == NULL || connection->wrong != NULL)
		return;
	/* Of a group the others may be waited for. */
	if (part->base.slot.op != NULL &&
	    evkv_op_detached(part->base.slot.op) &&
	    (part->command != &evkv__redis_ttl || part->group == NULL))
		return;
	if (!part->command->item(connection, part, item))
		connection->wrong = "a reply of an unexpected kind";
}

static void *reply_take(const redisReadTask *task, struct redis_item *item)
{
	item->index = (size_t)task->idx;
	if (task->parent != NULL) {
		item->depth = task->parent->parent != NULL ? 2 : 1;
		item->parent = (size_t)task->parent->idx;
	}
	reply_give(task->privdata, item);
	return &reply_dummy;
}

static void reply_other_version(const redisReadTask *task)
{
	struct redis_connection *connection = task->privdata;

	connection->wrong = "a reply of another version of the protocol";
}

static void *reply_string(const redisReadTask *task, char *text, size_t size)
{
	struct redis_item item = {
		.type = task->type == REDIS_REPLY_STRING ? REDIS_ITEM_STRING
		    : task->type == REDIS_REPLY_STATUS   ? REDIS_ITEM_STATUS
							 : REDIS_ITEM_ERROR,
		.bytes = { text, size },
	};

#if HIREDIS_MAJOR >= 1
	if (task->type == REDIS_REPLY_VERB || task->type == REDIS_REPLY_BIGNUM)
		reply_other_version(task);
#endif
	return reply_take(task, &item);
}

#if HIREDIS_MAJOR >= 1
static void *reply_array(const redisReadTask *task, size_t count)
#else
static void *reply_array(const redisReadTask *task, int count)
#endif
{
	struct redis_item item = {
		.type = REDIS_ITEM_ARRAY,
		.number = (long long)count,
	};

	if (task->type != REDIS_REPLY_ARRAY)
		reply_other_version(task);
	return reply_take(task, &item);
}

static void *reply_integer(const redisReadTask *task, long long number)
{
	struct redis_item item = {
		.type = REDIS_ITEM_INTEGER,
		.number = number,
	};

	return reply_take(task, &item);
}

static void *reply_nil(const redisReadTask *task)
{
	struct redis_item item = { .type = REDIS_ITEM_NIL };

#if HIREDIS_MAJOR >= 1
	/* Our version has no nil of its own, only strings and arrays. */
	if (task->type == REDIS_REPLY_NIL)
		reply_other_version(task);
#endif
	return reply_take(task, &item);
}

#if HIREDIS_MAJOR >= 1
static void *reply_double(const redisReadTask *task, double number, char *text,
    size_t size)
{
	(void)number;
	(void)text;
	(void)size;
	reply_other_version(task);
	return &reply_dummy;
}

static void *reply_bool(const redisReadTask *task, int value)
{
	(void)value;
	reply_other_version(task);
	return &reply_dummy;
}
#endif

static void reply_free(void *object)
{
	(void)object;
}

static redisReplyObjectFunctions reply_functions = {
	.createString = reply_string,
	.createArray = reply_array,
	.createInteger = reply_integer,
	.createNil = reply_nil,
#if HIREDIS_MAJOR >= 1
	.createDouble = reply_double,
	.createBool = reply_bool,
#endif
	.freeObject = reply_free,
};

/* ---- Replies that are there in one piece ------------------------------ */

#define REPLY_DIGITS 18  /* of a number, at most */
#define REPLY_LINE 512   /* bytes of a line that are waited for */
#define REPLY_BULK 16384 /* likewise of a string */

/*
 * Digits and a line end, at `at`. No zeros before others: to the reader those
 * are no number.
 */
static enum redis_whole reply_number(const char **at, const char *end,
    long long *number)
{
	const char *first = *at, *next = first, *last = end;

	if (end - first > REPLY_DIGITS)
		last = first + REPLY_DIGITS;
	*number = 0;
	while (next < last && *next >= '0' && *next <= '9')
		*number = *number * 10 + (*next++ - '0');
	if (next == end)
		return REDIS_WHOLE_LATER;
	if (next == first || *next != '\r' ||
	    (*first == '0' && next - first > 1))
		return REDIS_WHOLE_NOT;
	if (end - next < 2)
		return REDIS_WHOLE_LATER;
	*at = next + 2;
	return next[1] == '\n' ? REDIS_WHOLE_YES : REDIS_WHOLE_NOT;
}

static enum redis_whole reply_bulk(const char **at, const char *end,
    struct redis_item *item, size_t *left)
{
	enum redis_whole whole;
	long long size;

	item->type = REDIS_ITEM_STRING;
	if (end - *at >= 4 && memcmp(*at, "-1\r\n", 4) == 0) {
		item->type = REDIS_ITEM_NIL;
		*at += 4;
		return REDIS_WHOLE_YES;
	}
	whole = reply_number(at, end, &size);
	if (whole != REDIS_WHOLE_YES)
		return whole;
	if (size > end - *at - 2) {
		if (size <= REPLY_BULK)
			return REDIS_WHOLE_LATER;
		*left = (size_t)size + 2;
		return REDIS_WHOLE_NOT;
	}
	item->bytes = evkv_bytes(*at, (size_t)size);
	*at += size + 2;
	return (*at)[-2] == '\r' && (*at)[-1] == '\n' ? REDIS_WHOLE_YES
						      : REDIS_WHOLE_NOT;
}

static enum redis_whole reply_line(const char **at, const char *end,
    struct redis_item *item)
{
	const char *stop = memchr(*at, '\r', (size_t)(end - *at));

	item->type = REDIS_ITEM_STATUS;
	if (stop == NULL || end - stop < 2)
		return end - *at < REPLY_LINE ? REDIS_WHOLE_LATER
					      : REDIS_WHOLE_NOT;
	item->bytes = evkv_bytes(*at, (size_t)(stop - *at));
	*at = stop + 2;
	return stop[1] == '\n' ? REDIS_WHOLE_YES : REDIS_WHOLE_NOT;
}

enum redis_whole evkv__redis_reply_whole(struct redis_connection *connection,
    const char *data, size_t size, size_t *used, size_t *left)
{
	struct redis_item item = { .depth = 0 };
	const char *at = data + 1, *end = data + size;
	enum redis_whole whole = REDIS_WHOLE_NOT;

	*left = 0;
	if (size == 0)
		return REDIS_WHOLE_LATER;
	if (data[0] == '$') {
		whole = reply_bulk(&at, end, &item, left);
		if (*left > 0)
			*left += (size_t)(at - data);
	} else if (data[0] == '+') {
		whole = reply_line(&at, end, &item);
	} else if (data[0] == ':') {
		item.type = REDIS_ITEM_INTEGER;
		whole = reply_number(&at, end, &item.number);
	}
	if (whole != REDIS_WHOLE_YES)
		return whole;
	if ((size_t)(at - data) > connection->store->options.max_reply_bytes) {
		connection->reply_bytes = (size_t)(at - data);
		return REDIS_WHOLE_LATER;
	}
	*used += (size_t)(at - data);
	reply_give(connection, &item);
	return REDIS_WHOLE_YES;
}

redisReader *evkv__redis_reader_new(struct redis_connection *connection)
{
	redisReader *reader = redisReaderCreateWithFunctions(&reply_functions);

	if (reader != NULL)
		reader->privdata = connection;
	return reader;
}
