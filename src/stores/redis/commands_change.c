/*
 * The commands that depend on what is there: IF_VERSION, INCR, TAKE.
 *
 * A version is the SHA-1 of the value, cut to 16 bytes. It is worked out here
 * for what is read and written, and on the server, by a script, where a write
 * depends on it. Scripts are sent as text each time: with EVALSHA a server that
 * does not know them would answer NOSCRIPT, and what is sent again comes out of
 * order. They catch the errors of the commands within and return those as they
 * are, for servers wrap the words of what they throw, each in another way.
 *
 * A number is added to by INCRBY, which refuses what is no canonical decimal
 * text and what would overflow. It begins at 0 and makes entries without a TTL;
 * where another beginning or a TTL is asked for, a script makes the entry. Lua
 * has no 64-bit integers, so the script answers the text.
 */
#include <openssl/sha.h>

#include "commands.h"
#include "evkv/number.h"

/* ---- Versions --------------------------------------------------------- */

void evkv__redis_version(struct evkv_slice value, struct evkv_version *version)
{
	unsigned char digest[SHA_DIGEST_LENGTH];

	SHA1(value.data, value.size, digest);
	memcpy(version->bytes, digest, sizeof(version->bytes));
}

/* What the entries have after a put that succeeds. */
void evkv__redis_versions_expect(struct redis_part *part, struct evkv_op *op,
    const struct evkv_request *request)
{
	for (size_t i = 0; i < part->base.count; i++)
		evkv__redis_version(evkv__redis_put_value(part, request, i),
		    &evkv_op_entry(op, evkv_part_entry(&part->base, i))
			 ->version);
}

/* Those that did not. */
void evkv__redis_versions_clear(const struct redis_part *part)
{
	for (size_t i = 0; part->versions && i < part->base.count; i++) {
		struct evkv_entry *entry = evkv__redis_entry(part, i);

		if (entry->status != EVKV_OK)
			memset(&entry->version, 0, sizeof(entry->version));
	}
}

/* ---- Scripts ---------------------------------------------------------- */

/* What a script answers. */
enum change_answer {
	CHANGE_ABSENT,
	CHANGE_DONE,
	CHANGE_CONFLICT,
	CHANGE_TOO_LARGE,
};

/* Up to here hashing does not hold up the server. */
#define CHANGE_VALUE_MAX "65536"

/* KEYS[1]; ARGV[1]: the version in hexadecimal digits. */
#define CHANGE_CHECK                                                           \
	"local v=redis.pcall('GET',KEYS[1])"                                   \
	" if type(v)=='table' and string.sub(v.err,1,9)~='WRONGTYPE' then"     \
	" return v end"                                                        \
	" if type(v)~='string' then return 0 end"                              \
	" if #v>" CHANGE_VALUE_MAX " then return 3 end"                        \
	" if string.sub(redis.sha1hex(v),1,32)~=ARGV[1] then return 2 end"     \
	" local r "
#define CHANGE_RESULT                                                          \
	" if type(r)=='table' and r.err then return r end return 1"

/* ARGV[2]: the TTL or ''; ARGV[3]: the value. */
static const char change_put[] = CHANGE_CHECK
    "if ARGV[2]=='' then r=redis.pcall('SET',KEYS[1],ARGV[3])"
    " else r=redis.pcall('SET',KEYS[1],ARGV[3],'PX',ARGV[2]) end" CHANGE_RESULT;
static const char change_delete[] = CHANGE_CHECK
    "r=redis.pcall('UNLINK',KEYS[1])" CHANGE_RESULT;
static const char change_touch[] = CHANGE_CHECK
    "if ARGV[2]=='' then r=redis.pcall('PERSIST',KEYS[1])"
    " else r=redis.pcall('PEXPIRE',KEYS[1],ARGV[2]) end" CHANGE_RESULT;

/*
 * ARGV: the delta; the sum for a new entry or ''; its TTL or ''. The sum is
 * read by GET, so whether the user may do that is seen before.
 */
static const char change_incr[] =
    "local r=redis.pcall('GET',KEYS[1])"
    " if type(r)=='table' then return r end"
    " if r then r=redis.pcall('INCRBY',KEYS[1],ARGV[1])"
    " if type(r)=='table' then return r end"
    " return redis.call('GET',KEYS[1]) end"
    " if ARGV[2]=='' then return redis.error_reply('ERR would overflow') end"
    " if ARGV[3]=='' then r=redis.pcall('SET',KEYS[1],ARGV[2])"
    " else r=redis.pcall('SET',KEYS[1],ARGV[2],'PX',ARGV[3]) end"
    " if r.err then return r end return ARGV[2]";

/* EVAL of a script with the i-th key and `count` words. */
static bool change_write(struct redis_connection *connection,
    struct redis_part *part, size_t i, const char *script,
    const struct evkv_slice *words, size_t count)
{
	struct redis_name name = evkv__redis_name(connection, part,
	    evkv__redis_request(part), i);
	struct evkv_slice text = evkv_str(script);
	size_t room_size = RESP_HEAD_MAX * 3 + resp_word_max(text.size) +
	    redis_name_max(&name);
	char *room, *at;

	for (size_t j = 0; j < count; j++)
		room_size += resp_word_max(words[j].size);
	room = evkv_pipeline_reserve(connection->pipeline, room_size);
	if (room == NULL)
		return false;
	at = resp_command(room, 4 + count);
	at = resp_word(at, EVKV_LIT("EVAL"));
	at = resp_word(at, text);
	at = resp_word(at, EVKV_LIT("1"));
	at = evkv__redis_name_word(&name, at);
	for (size_t j = 0; j < count; j++)
		at = resp_word(at, words[j]);
	evkv__redis_commit(connection, part, room, at);
	evkv__redis_effect(connection, part, i);
	return true;
}

/* A TTL as a word of a script; none is ''. */
static struct evkv_slice change_ttl(int64_t ttl_ms, char *buffer)
{
	if (ttl_ms == EVKV_TTL_NONE)
		return EVKV_LIT("");
	return evkv_number_write(ttl_ms, buffer);
}

/* ---- IF_VERSION ------------------------------------------------------- */

static void version_digits(const struct evkv_version *version, char *digits)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof(version->bytes); i++) {
		*digits++ = hex[version->bytes[i] >> 4];
		*digits++ = hex[version->bytes[i] & 15];
	}
}

static bool version_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	const struct evkv_request *request = evkv__redis_request(part);
	char digits[2 * sizeof(request->versions->bytes)];
	char ttl[EVKV_NUMBER_MAX];
	struct evkv_slice words[3] = { { digits, sizeof(digits) } };
	const char *script = change_touch;
	size_t count = 2;

	if (request->kind == EVKV_OP_DELETE) {
		script = change_delete;
		count = 1;
	} else if (request->kind == EVKV_OP_PUT) {
		script = change_put;
		count = 3;
	}
	for (size_t i = 0; i < part->base.count; i++) {
		version_digits(&request
				    ->versions[evkv_part_entry(&part->base, i)],
		    digits);
		if (count > 1)
			words[1] = change_ttl(evkv__redis_put_ttl(part, request,
						  i),
			    ttl);
		if (count > 2)
			words[2] = evkv__redis_put_value(part, request, i);
		if (!change_write(connection, part, i, script, words, count))
			return false;
	}
	return true;
}

static bool version_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	static const enum evkv_status statuses[] = {
		[CHANGE_ABSENT] = EVKV_NOT_FOUND,
		[CHANGE_DONE] = EVKV_OK,
		[CHANGE_CONFLICT] = EVKV_CONFLICT,
		[CHANGE_TOO_LARGE] = EVKV_UNSUPPORTED,
	};

	if (item->depth != 0)
		return false;
	if (item->type == REDIS_ITEM_INTEGER) {
		if (item->number < 0 || item->number > CHANGE_TOO_LARGE)
			return false;
		evkv__redis_entry(part, part->base.settled)
		    ->status = statuses[item->number];
		if (item->number == CHANGE_TOO_LARGE)
			evkv_op_explain(part->base.slot.op, EVKV_CAUSE_NONE, 0,
			    "redis: IF_VERSION is for values of up "
			    "to " CHANGE_VALUE_MAX " bytes");
	} else if (!evkv__redis_take_error(connection, part, part->base.settled,
		       1, item)) {
		return false;
	}
	part->base.settled++;
	return true;
}

/* ---- INCR ------------------------------------------------------------- */

static int64_t incr_delta(const struct redis_part *part,
    const struct evkv_request *request, size_t i)
{
	return request->deltas != NULL
	    ? request->deltas[evkv_part_entry(&part->base, i)]
	    : request->delta;
}

static bool incr_by(struct redis_connection *connection,
    struct redis_part *part, size_t i, struct evkv_slice delta)
{
	char *room;

	if (!evkv__redis_write_one(connection, part, i,
		COMMAND_START("3", "6", "INCRBY")))
		return false;
	room = evkv_pipeline_reserve(connection->pipeline,
	    resp_word_max(delta.size));
	if (room == NULL)
		return false;
	evkv__redis_commit(connection, part, room, resp_word(room, delta));
	evkv__redis_effect(connection, part, i);
	return true;
}

static bool incr_one(struct redis_connection *connection,
    struct redis_part *part, const struct evkv_request *request, size_t i)
{
	char delta[EVKV_NUMBER_MAX], sum[EVKV_NUMBER_MAX], ttl[EVKV_NUMBER_MAX];
	int64_t ttl_ms = evkv__redis_put_ttl(part, request, i), first;
	struct evkv_slice words[3] = {
		evkv_number_write(incr_delta(part, request, i), delta),
		EVKV_LIT(""),
		change_ttl(ttl_ms, ttl),
	};

	if (request->initial == 0 && ttl_ms == EVKV_TTL_NONE)
		return incr_by(connection, part, i, words[0]);
	if (evkv_incr_apply(request, evkv_part_entry(&part->base, i), NULL,
		&first) == EVKV_OK)
		words[1] = evkv_number_write(first, sum);
	return change_write(connection, part, i, change_incr, words, 3);
}

static bool incr_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	const struct evkv_request *request = evkv__redis_request(part);

	for (size_t i = 0; i < part->base.count; i++) {
		if (!incr_one(connection, part, request, i))
			return false;
	}
	return true;
}

/* The value is no number, the sum too large, or the key no string. */
static bool incr_refuses(struct evkv_slice words)
{
	static const char *const parts[] = { "not an integer",
		"would overflow" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (memmem(words.data, words.size, parts[i],
			strlen(parts[i])) != NULL)
			return true;
	}
	return evkv__redis_error_is(words, "WRONGTYPE");
}

static void incr_done(struct redis_part *part, int64_t number)
{
	struct evkv_entry *entry = evkv__redis_entry(part, part->base.settled);
	char text[EVKV_NUMBER_MAX];

	entry->number = number;
	if (part->versions)
		evkv__redis_version(evkv_number_write(number, text),
		    &entry->version);
}

static bool incr_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	int64_t number;

	if (item->depth != 0)
		return false;
	if (item->type == REDIS_ITEM_INTEGER) {
		incr_done(part, item->number);
	} else if (item->type == REDIS_ITEM_STRING) {
		if (!evkv_number_read(item->bytes, &number))
			return false;
		incr_done(part, number);
	} else if (item->type == REDIS_ITEM_ERROR &&
	    incr_refuses(item->bytes)) {
		evkv__redis_entry(part, part->base.settled)
		    ->status = EVKV_INVALID;
		evkv_op_explain(part->base.slot.op, EVKV_CAUSE_NONE, 0,
		    EVKV_INCR_REFUSED);
	} else if (!evkv__redis_take_error(connection, part, part->base.settled,
		       1, item)) {
		return false;
	}
	part->base.settled++;
	return true;
}

/* ---- TAKE ------------------------------------------------------------- */

static bool take_encode(struct redis_connection *connection,
    struct redis_part *part)
{
	return evkv__redis_write_each(connection, part,
	    COMMAND_START("2", "6", "GETDEL"));
}

/* What there was no memory for is gone all the same. */
static bool take_item(struct redis_connection *connection,
    struct redis_part *part, const struct redis_item *item)
{
	struct evkv_entry *entry = evkv__redis_entry(part, part->base.settled);

	if (item->depth != 0)
		return false;
	if (item->type == REDIS_ITEM_ERROR &&
	    evkv__redis_error_is(item->bytes, "WRONGTYPE")) {
		entry->status = EVKV_NOT_FOUND;
	} else if (evkv__redis_take_value(part, part->base.settled, item)) {
		if (entry->status == EVKV_NOMEM)
			entry->status = EVKV_UNKNOWN_OUTCOME;
	} else if (!evkv__redis_take_error(connection, part, part->base.settled,
		       1, item)) {
		return false;
	}
	part->base.settled++;
	return true;
}

/* ---- The tables ------------------------------------------------------- */

const struct redis_command evkv__redis_if_version = {
	.encode = version_encode,
	.item = version_item,
	.end = evkv__redis_part_end,
};

const struct redis_command evkv__redis_incr = {
	.encode = incr_encode,
	.item = incr_item,
	.end = evkv__redis_part_end,
};

const struct redis_command evkv__redis_take = {
	.encode = take_encode,
	.item = take_item,
	.end = evkv__redis_part_end,
};
