/*
 * Who to log in as: given once, set again, asked for or read from a file, each
 * time before a connection says it. Connections that are there stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store.h"

#define CREDENTIALS_FILE_MAX 4096

static void credentials_free(const char *string)
{
	char *ours;

	if (string == NULL)
		return;
	memcpy(&ours, &string, sizeof(ours));
	explicit_bzero(ours, strlen(ours));
	evkv_free(ours);
}

/* Copies of both, or nothing is changed. */
static bool credentials_set(struct redis_store *store, const char *user,
    const char *password)
{
	struct evkv_redis_options *options = &store->options;
	char *our_user = user != NULL ? evkv_strdup(user) : NULL;
	char *our_password = password != NULL ? evkv_strdup(password) : NULL;

	if ((user != NULL && our_user == NULL) ||
	    (password != NULL && our_password == NULL)) {
		credentials_free(our_user);
		credentials_free(our_password);
		return false;
	}
	credentials_free(options->user);
	credentials_free(options->password);
	options->user = our_user;
	options->password = our_password;
	store->secrets++;
	return true;
}

/* The one redis store of a stack; NULL where there is none, or a second. */
static struct redis_store *credentials_find(struct evkv_store *store)
{
	struct redis_store *found = evkv__redis_self(store), *other;
	struct evkv_store *inner;

	for (size_t i = 0; (inner = evkv_store_inner(store, i)) != NULL; i++) {
		other = credentials_find(inner);
		if (other != NULL && found != NULL)
			return NULL;
		if (other != NULL)
			found = other;
	}
	return found;
}

enum evkv_status evkv_redis_set_credentials(struct evkv_store *store,
    const char *user, const char *password)
{
	struct redis_store *redis;

	if (user != NULL && user[0] == '\0')
		user = NULL;
	redis = store != NULL ? credentials_find(store) : NULL;
	if (redis == NULL || (user != NULL && password == NULL))
		return EVKV_INVALID;
	if (!credentials_set(redis, user, password))
		return EVKV_NOMEM;
	for (size_t i = 0; i < redis->spread.count; i++)
		evkv_pipeline_try_now(redis->connections[i].pipeline);
	return EVKV_OK;
}

/* ---- From a file ------------------------------------------------------ */

/* The first line; false with errno where there is none. */
static bool credentials_read(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got;
	int error;

	if (fd < 0)
		return false;
	got = read(fd, line, size - 1);
	error = errno;
	(void)close(fd);
	errno = error;
	if (got < 0)
		return false;
	line[got] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return true;
}

/* While it can't be read, the last one is sent. */
void evkv__redis_credentials_ask(struct redis_store *store)
{
	const struct evkv_redis_options *options = &store->options;
	char line[CREDENTIALS_FILE_MAX];

	if (options->credentials != NULL)
		options->credentials(store->store, options->credentials_arg);
	if (options->password_file == NULL)
		return;
	if (!credentials_read(options->password_file, line, sizeof(line))) {
		evkv_loop_log(store->loop, EVKV_LOG_WARNING,
		    "redis: password_file %s: %s", options->password_file,
		    strerror(errno));
	} else if (options->password == NULL ||
	    strcmp(line, options->password) != 0) {
		char *password = evkv_strdup(line);

		if (password != NULL) {
			credentials_free(options->password);
			store->options.password = password;
			store->secrets++;
		}
	}
	explicit_bzero(line, sizeof(line));
}
