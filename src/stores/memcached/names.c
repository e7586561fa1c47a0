/*
 * The names of keys on servers, which have at most 250 bytes, none of them a
 * blank or a control character.
 *
 * A name is key_prefix and the flat name. Where it can it stands as it is
 * (PLAIN). Else, where it is short enough, it is sent in base64 and the server
 * keeps it as it is (BASE64): a name with such bytes is nobody else's plain one.
 * Longer ones are key_prefix, "%-" and the SHA-256 of the flat name in digits
 * (HASHED). No flat name begins so, for behind a '%' of an encoded collection
 * stands 25 or 3A. The flat name then goes before the value, behind its size
 * in four bytes, and is compared when the value is read.
 */
#include <openssl/sha.h>

#include "evkv/base64.h"
#include "store.h"

#define NAMES_RAW_MAX 186 /* that fit into a name in base64 */
#define NAMES_MARK "%-"
#define NAMES_SIZE 4 /* bytes of the size before a value */

static bool names_plain(struct evkv_slice bytes)
{
	const unsigned char *at = bytes.data;
	unsigned bad = 0;

	for (size_t i = 0; i < bytes.size; i++)
		bad |= (unsigned)(at[i] <= ' ') | (unsigned)(at[i] == 0x7f);
	return bad == 0;
}

struct memcached_name evkv__memcached_name(struct memcached_store *store,
    const struct evkv_request *request, size_t i)
{
	struct memcached_name name = {
		.head = evkv_key_head(&store->head, store->prefix,
		    request->collection),
		.key = request->keys[i],
	};
	size_t size = name.head.size + name.key.size;

	if (size <= MEMCACHED_NAME_MAX && names_plain(name.key) &&
	    names_plain(name.head))
		name.form = MEMCACHED_PLAIN;
	else if (size <= NAMES_RAW_MAX)
		name.form = MEMCACHED_BASE64;
	else
		name.form = MEMCACHED_HASHED;
	return name;
}

struct memcached_name evkv__memcached_part_name(
    const struct memcached_part *part, size_t i)
{
	return evkv__memcached_name(part->connection->store,
	    evkv_op_request(part->base.slot.op),
	    evkv_part_entry(&part->base, i));
}

static char *names_copy(char *at, struct evkv_slice bytes)
{
	if (bytes.size > 0)
		memcpy(at, bytes.data, bytes.size);
	return at + bytes.size;
}

static __attribute__((noinline)) char *names_write_hash(
    const struct memcached_store *store, const struct memcached_name *name,
    char *at)
{
	static const char hex[] = "0123456789abcdef";
	struct evkv_slice head = evkv_bytes((const char *)name->head.data +
		store->prefix.size,
	    name->head.size - store->prefix.size);
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char flat[EVKV_KEY_ENCODED_MAX];
	char *end = names_copy(names_copy(flat, head), name->key);

	SHA256((const unsigned char *)flat, (size_t)(end - flat), digest);
	at = names_copy(at, store->prefix);
	at = names_copy(at, EVKV_LIT(NAMES_MARK));
	for (size_t i = 0; i < sizeof(digest); i++) {
		*at++ = hex[digest[i] >> 4];
		*at++ = hex[digest[i] & 15];
	}
	return at;
}

size_t evkv__memcached_name_bytes(const struct memcached_store *store,
    const struct memcached_name *name, char *bytes)
{
	char *at = bytes;

	if (name->form == MEMCACHED_HASHED)
		return (size_t)(names_write_hash(store, name, at) - bytes);
	at = names_copy(at, name->head);
	at = names_copy(at, name->key);
	return (size_t)(at - bytes);
}

char *evkv__memcached_name_write(const struct memcached_store *store,
    const struct memcached_name *name, char *at)
{
	char raw[NAMES_RAW_MAX];

	if (name->form != MEMCACHED_BASE64)
		return at + evkv__memcached_name_bytes(store, name, at);
	return at +
	    evkv_base64_encode(evkv_bytes(raw,
				   evkv__memcached_name_bytes(store, name,
				       raw)),
		at);
}

/* ---- Before values ---------------------------------------------------- */

size_t evkv__memcached_value_head(const struct memcached_name *name)
{
	if (name->form != MEMCACHED_HASHED)
		return 0;
	return NAMES_SIZE + name->head.size + name->key.size;
}

char *evkv__memcached_value_write(const struct memcached_name *name, char *at)
{
	size_t size = name->head.size + name->key.size;

	if (name->form != MEMCACHED_HASHED)
		return at;
	for (int shift = 24; shift >= 0; shift -= 8)
		*at++ = (char)(size >> shift & 0xff);
	at = names_copy(at, name->head);
	return names_copy(at, name->key);
}

bool evkv__memcached_value_open(const struct memcached_name *name,
    struct evkv_slice *value)
{
	size_t head = evkv__memcached_value_head(name);
	const unsigned char *at = value->data;
	size_t size = 0;

	if (head == 0)
		return true;
	if (value->size < head)
		return false;
	for (int i = 0; i < NAMES_SIZE; i++)
		size = size << 8 | *at++;
	if (size != head - NAMES_SIZE ||
	    memcmp(at, name->head.data, name->head.size) != 0 ||
	    memcmp(at + name->head.size, name->key.data, name->key.size) != 0)
		return false;
	*value = evkv_bytes((const char *)value->data + head,
	    value->size - head);
	return true;
}
