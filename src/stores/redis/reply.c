/*
 * Reading replies: the hiredis reader, with object functions that build no
 * tree but hand each element to the part that it belongs to, as it is read.
 *
 * hiredis needs a pointer for every element and takes NULL as a want of memory
 * that ends the reader, so each gets the address of one dummy. Where memory is
 * lacking for a value, the part notes it in the op. Counts of elements are the
 * server's word and are never used for a size; commands compare them with what
 * they asked for. Types beyond RESP2, which only newer versions of hiredis
 * know, break the protocol here.
 */
#include "store.h"

static int reply_dummy;

/* Hand an element to whom it belongs; nobody is told about dropped ones. */
static void *reply_take(const redisReadTask *task, struct redis_item *item)
{
	struct redis_connection *connection = task->privdata;
	struct redis_part *part = connection->part;

	item->index = (size_t)task->idx;
	if (task->parent != NULL) {
		item->depth = task->parent->parent != NULL ? 2 : 1;
		item->parent = (size_t)task->parent->idx;
	}
	if (part == NULL || connection->wrong != NULL ||
	    (part->slot.op != NULL && evkv_op_detached(part->slot.op)))
		return &reply_dummy;
	if (!part->command->item(connection, part, item))
		connection->wrong = "a reply of an unexpected kind";
	return &reply_dummy;
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
		((struct redis_connection *)task->privdata)
		    ->wrong = "a reply of another version of the protocol";
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
		((struct redis_connection *)task->privdata)
		    ->wrong = "a reply of another version of the protocol";
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

	return reply_take(task, &item);
}

#if HIREDIS_MAJOR >= 1
static void *reply_double(const redisReadTask *task, double number, char *text,
    size_t size)
{
	(void)number;
	(void)text;
	(void)size;
	((struct redis_connection *)task->privdata)
	    ->wrong = "a reply of another version of the protocol";
	return &reply_dummy;
}

static void *reply_bool(const redisReadTask *task, int value)
{
	(void)value;
	((struct redis_connection *)task->privdata)
	    ->wrong = "a reply of another version of the protocol";
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

redisReader *evkv__redis_reader_new(struct redis_connection *connection)
{
	redisReader *reader = redisReaderCreateWithFunctions(&reply_functions);

	if (reader != NULL)
		reader->privdata = connection;
	return reader;
}
