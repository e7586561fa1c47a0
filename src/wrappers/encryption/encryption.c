/*
 * wrappers/encryption/encryption.c - values sealed by XChaCha20-Poly1305.
 *
 *      0  3  magic
 *      3  1  version, 1
 *      4  4  id of the key, little-endian
 *      8 24  nonce, random
 *     32     the value, encrypted
 *        16  the tag, at the end
 *
 * The tag also covers the first 8 bytes, the collection (behind its size, 4
 * bytes, little-endian) and the key of the entry. Random nonces of 192 bits do
 * not meet.
 */
#include "evkv/wrappers/encryption.h"

#include <limits.h>
#include <string.h>

#include <sodium.h>

#include "evkv/wrapper.h"
#include "wrappers/encryption/keys.h"

#define HEAD 8 /* magic, version, id */
#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define BEFORE (HEAD + NONCE)
#define OVERHEAD (BEFORE + TAG)

_Static_assert(EVKV_ENCRYPTION_KEY_SIZE ==
	crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    "the size of a key");
_Static_assert(OVERHEAD == 48, "what evkv/wrappers/encryption.h says");

static const unsigned char magic[4] = { 0xf8, 'e', 0x9d, 1 };

static void put_le32(unsigned char *to, uint32_t number)
{
	int i;

	for (i = 0; i < 4; i++)
		to[i] = (unsigned char)(number >> 8 * i);
}

static uint32_t get_le32(const unsigned char *from)
{
	return (uint32_t)from[0] | (uint32_t)from[1] << 8 |
	    (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* Which entry a value is of, behind the head of its frame; NULL = no memory. */
static unsigned char *bind_entry(struct evkv_op *op,
    const struct evkv_request *request, size_t i, const unsigned char *frame,
    size_t *size)
{
	struct evkv_slice collection = request->collection;
	struct evkv_slice key = request->keys[i];
	unsigned char *bytes;

	*size = HEAD + 4 + collection.size + key.size;
	bytes = evkv_op_alloc(op, *size);
	if (bytes == NULL)
		return NULL;
	memcpy(bytes, frame, HEAD);
	put_le32(bytes + HEAD, (uint32_t)collection.size);
	if (collection.size > 0)
		memcpy(bytes + HEAD + 4, collection.data, collection.size);
	if (key.size > 0)
		memcpy(bytes + HEAD + 4 + collection.size, key.data, key.size);
	return bytes;
}

/* ---- Hooks --------------------------------------------------------------- */

static void *encryption_init(void *options, struct evkv_store *inner,
    struct evkv_error *error)
{
	(void)inner;
	return keys_new(options, error);
}

static void encryption_free(void *self)
{
	keys_free(self);
}

static void encryption_narrow(void *self, struct evkv_capabilities *can)
{
	(void)self;
	can->max_value -= can->max_value < OVERHEAD ? can->max_value : OVERHEAD;
}

static enum evkv_status encryption_encode(void *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i, struct evkv_slice *value)
{
	const struct keys *keys = self;
	unsigned char *frame = evkv_op_alloc(op, OVERHEAD + value->size);
	unsigned char *entry;
	size_t size;

	if (frame == NULL)
		return EVKV_NOMEM;
	memcpy(frame, magic, sizeof(magic));
	put_le32(frame + sizeof(magic), keys->current.id);
	randombytes_buf(frame + HEAD, NONCE);
	entry = bind_entry(op, request, i, frame, &size);
	if (entry == NULL)
		return EVKV_NOMEM;
	crypto_aead_xchacha20poly1305_ietf_encrypt(frame + BEFORE, NULL,
	    value->data, value->size, entry, size, NULL, frame + HEAD,
	    keys->current.bytes);
	*value = evkv_bytes(frame, OVERHEAD + value->size);
	return EVKV_OK;
}

static enum evkv_status corrupt(struct evkv_op *op, const char *why)
{
	evkv_op_explain(op, EVKV_CAUSE_NONE, 0, why);
	return EVKV_CORRUPT;
}

static enum evkv_status unseal(struct evkv_op *op, size_t i,
    struct evkv_slice sealed, const unsigned char *key)
{
	const unsigned char *frame = sealed.data;
	struct evkv_value *value;
	unsigned char *entry;
	size_t size;
	void *data;

	entry = bind_entry(op, evkv_op_request(op), i, frame, &size);
	value = evkv_value_new_uninit(sealed.size - OVERHEAD, &data);
	if (entry == NULL || value == NULL) {
		evkv_value_unref(value);
		return EVKV_NOMEM;
	}
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(data, NULL, NULL,
		frame + BEFORE, sealed.size - BEFORE, entry, size, frame + HEAD,
		key) != 0) {
		evkv_value_unref(value);
		return corrupt(op,
		    "encryption: the value does not open: it is damaged, of "
		    "another entry, or sealed with another key of this id");
	}
	evkv_op_give_value(op, i, value);
	return EVKV_OK;
}

static enum evkv_status encryption_decode(void *self, struct evkv_op *op,
    const struct evkv_request *request, size_t i)
{
	struct evkv_slice sealed = evkv_value_bytes(evkv_op_entry(op, i)
							->value);
	const unsigned char *frame = sealed.data, *key;

	(void)request;
	if (sealed.size < OVERHEAD)
		return corrupt(op,
		    "encryption: the value is too short to be encrypted");
	if (memcmp(frame, magic, sizeof(magic)) != 0)
		return corrupt(op,
		    "encryption: the value is not encrypted, or in an unknown "
		    "format");
	key = keys_find(self, get_le32(frame + sizeof(magic)));
	if (key == NULL)
		return corrupt(op, "encryption: the value's key is not known");
	return unseal(op, i, sealed, key);
}

/* Names are needed again where values come up; values to be put are not. */
static enum evkv_verdict encryption_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	(void)self;
	if ((evkv_kind_classes(request->kind) & EVKV_CLASS_ANSWERS_VALUES) == 0)
		return evkv_wrapper_forward(op, request);
	if (!evkv_op_keep(op))
		return evkv_op_nomem(op);
	return evkv_wrapper_forward(op, evkv_op_request(op));
}

/* ---- The type ------------------------------------------------------------ */

static const struct evkv_url_option encryption_options[] = {
	{ .name = "key_file",
	    .type = EVKV_URL_STRING,
	    .offset = offsetof(struct evkv_encryption_options, key_file),
	    .summary = "the file of the key that values are sealed with" },
	{ .name = "key_id",
	    .type = EVKV_URL_INT,
	    .offset = offsetof(struct evkv_encryption_options, key_id),
	    .min = 1,
	    .max = INT_MAX,
	    .summary = "its id, which is stored with each value",
	    .standard = "1" },
	{ .name = "previous_key_file",
	    .type = EVKV_URL_STRING,
	    .offset = offsetof(struct evkv_encryption_options,
		previous_key_file),
	    .summary = "the file of a key that values were sealed with" },
	{ .name = "previous_key_id",
	    .type = EVKV_URL_INT,
	    .offset = offsetof(struct evkv_encryption_options, previous_key_id),
	    .min = 1,
	    .max = INT_MAX,
	    .summary = "its id" },
};

static const struct evkv_wrapper encryption_hooks = {
	.size = sizeof(struct evkv_wrapper),
	.init = encryption_init,
	.free = encryption_free,
	.narrow = encryption_narrow,
	.encode = encryption_encode,
	.decode = encryption_decode,
	.submit = encryption_submit,
};

static const struct evkv_type encryption_type = {
	.size = sizeof(struct evkv_type),
	.name = "encryption",
	.summary = "encrypts values by XChaCha20-Poly1305",
	.options = encryption_options,
	.option_count = sizeof(encryption_options) /
	    sizeof(encryption_options[0]),
	.options_size = sizeof(struct evkv_encryption_options),
	.argument = "key_file",
	.wrapper = &encryption_hooks,
};

struct evkv_store *evkv_encryption_new_sized(struct evkv_store *inner,
    const struct evkv_encryption_options *options, size_t size,
    struct evkv_error *error)
{
	return evkv_wrapper_create(&encryption_type, inner, options, size,
	    error);
}

bool evkv_encryption_use_key(struct evkv_store *store, int id,
    struct evkv_error *error)
{
	struct keys *keys = evkv_wrapper_self(store, &encryption_type);

	if (keys != NULL && id > 0 && keys_use(keys, (uint32_t)id))
		return true;
	evkv_error_set(error, EVKV_INVALID,
	    keys == NULL ? "encryption: the store is not one of encryption"
			 : "encryption: there is no key %d",
	    id);
	return false;
}

bool evkv_encryption_register(struct evkv_loop *loop)
{
	return evkv_loop_register(loop, &encryption_type);
}
