/*
 * wrappers/encryption/keys.c - keys from files and from the callback.
 *
 * Nothing here tells a key, or a part of one, to anybody: errors name files and
 * ids. Every buffer that held one is wiped.
 */
#include "wrappers/encryption/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#define HEX_SIZE (2 * EVKV_ENCRYPTION_KEY_SIZE)
#define FILE_ROOM 80 /* more than any key file has */

/* ---- Files --------------------------------------------------------------- */

/* How many bytes a file has, up to the room; -1 with errno on failure. */
static ssize_t read_file(const char *path, char *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t size = 0, more;
	int saved;

	if (fd < 0)
		return -1;
	do {
		more = read(fd, bytes + size, FILE_ROOM - (size_t)size);
		size += more > 0 ? more : 0;
	} while ((more > 0 && size < FILE_ROOM) ||
	    (more < 0 && errno == EINTR));
	saved = errno;
	close(fd);
	errno = saved;
	return more < 0 ? -1 : size;
}

/* 32 bytes, or 64 digits and a line end. */
static bool parse_key(const char *bytes, size_t size, unsigned char *key)
{
	size_t digits = size, made;

	if (size == EVKV_ENCRYPTION_KEY_SIZE) {
		memcpy(key, bytes, size);
		return true;
	}
	if (digits > 0 && bytes[digits - 1] == '\n')
		digits--;
	if (digits > 0 && digits < size && bytes[digits - 1] == '\r')
		digits--;
	return digits == HEX_SIZE &&
	    sodium_hex2bin(key, EVKV_ENCRYPTION_KEY_SIZE, bytes, digits, NULL,
		&made, NULL) == 0 &&
	    made == EVKV_ENCRYPTION_KEY_SIZE;
}

static bool load_key(struct key *key, const char *path, int id,
    struct evkv_error *error)
{
	char bytes[FILE_ROOM];
	ssize_t size = read_file(path, bytes);
	bool good = size >= 0 && parse_key(bytes, (size_t)size, key->bytes);

	if (size < 0)
		evkv_error_set(error, EVKV_INVALID,
		    "encryption: the key file %s can't be read: %s", path,
		    strerror(errno));
	else if (!good)
		evkv_error_set(error, EVKV_INVALID,
		    "encryption: the key file %s has neither %d bytes nor %d "
		    "hexadecimal digits",
		    path, EVKV_ENCRYPTION_KEY_SIZE, HEX_SIZE);
	sodium_memzero(bytes, sizeof(bytes));
	key->id = (uint32_t)id;
	return good;
}

/* ---- Making -------------------------------------------------------------- */

static bool load(struct keys *keys,
    const struct evkv_encryption_options *options, struct evkv_error *error)
{
	const char *previous = options->previous_key_file;
	int id = options->key_id != 0 ? options->key_id : 1;

	if ((previous != NULL) != (options->previous_key_id != 0) ||
	    options->previous_key_id == id) {
		evkv_error_set(error, EVKV_INVALID,
		    "encryption: previous_key_file and previous_key_id go "
		    "together, with another id than key_id");
		return false;
	}
	if (options->key_file != NULL &&
	    !load_key(&keys->files[0], options->key_file, id, error))
		return false;
	if (previous != NULL &&
	    !load_key(&keys->files[1], previous, options->previous_key_id,
		error))
		return false;
	if (keys_use(keys, (uint32_t)id))
		return true;
	evkv_error_set(error, EVKV_INVALID,
	    "encryption: there is no key %d: key_file is needed, or a callback "
	    "that knows it",
	    id);
	return false;
}

struct keys *keys_new(const struct evkv_encryption_options *options,
    struct evkv_error *error)
{
	struct keys *keys;

	if (sodium_init() < 0) {
		evkv_error_set(error, EVKV_INVALID,
		    "encryption: libsodium can't be initialised");
		return NULL;
	}
	keys = sodium_malloc(sizeof(*keys));
	if (keys == NULL)
		return NULL;
	memset(keys, 0, sizeof(*keys));
	keys->ask = options->key;
	keys->arg = options->key_arg;
	if (load(keys, options, error))
		return keys;
	keys_free(keys);
	return NULL;
}

void keys_free(struct keys *keys)
{
	if (keys == NULL)
		return;
	sodium_memzero(keys, sizeof(*keys));
	sodium_free(keys);
}

/* ---- Looking up ---------------------------------------------------------- */

static const unsigned char *ask(struct keys *keys, uint32_t id)
{
	struct key *key = &keys->room[keys->next];

	if (keys->ask == NULL)
		return NULL;
	sodium_memzero(key, sizeof(*key));
	if (!keys->ask(keys->arg, id, key->bytes)) {
		sodium_memzero(key, sizeof(*key));
		return NULL;
	}
	key->id = id;
	keys->next = (keys->next + 1) % KEYS_ROOM;
	return key->bytes;
}

const unsigned char *keys_find(struct keys *keys, uint32_t id)
{
	size_t i;

	if (id == 0)
		return NULL;
	if (keys->current.id == id)
		return keys->current.bytes;
	for (i = 0; i < 2; i++) {
		if (keys->files[i].id == id)
			return keys->files[i].bytes;
	}
	for (i = 0; i < KEYS_ROOM; i++) {
		if (keys->room[i].id == id)
			return keys->room[i].bytes;
	}
	return ask(keys, id);
}

bool keys_use(struct keys *keys, uint32_t id)
{
	const unsigned char *bytes = keys_find(keys, id);

	if (bytes == NULL)
		return false;
	if (bytes != keys->current.bytes)
		memcpy(keys->current.bytes, bytes, EVKV_ENCRYPTION_KEY_SIZE);
	keys->current.id = id;
	return true;
}
