#include "stores/log/env.h"

#include "evkv/alloc.h"

/* Readers, of which the loop is one, go before who waits to change something:
 * what they do under the lock is short, and who waits is a worker. */
struct log_env *evkv__log_env_new(const struct log_config *config)
{
	struct log_env *env = evkv_calloc(1, sizeof(*env));

	if (env == NULL)
		return NULL;
	env->config = *config;
	env->config.path = evkv__folder_path(config->path);
	if (env->config.path == NULL) {
		evkv_free(env);
		return NULL;
	}
	env->folder = env->lock_file = -1;
	pthread_rwlock_init(&env->lock, NULL);
	return env;
}

void evkv__log_env_free(struct log_env *env)
{
	if (env == NULL)
		return;
	pthread_rwlock_destroy(&env->lock);
	evkv_free(env->here.data);
	evkv_free(env->config.path);
	evkv_free(env);
}
