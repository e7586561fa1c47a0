/*
 * stores/log/lost.c - whether what is written is where it will be found.
 *
 * Somebody may move or replace the directory of a log that is open, or remove,
 * rename or cut the file that is written. Writing would go well all the same,
 * by descriptors. So each group is followed by one look at the path, and is not
 * acknowledged where that does not lead to the file that it is in.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "engines/files/look.h"
#include "stores/log/env.h"

/*
 * Look at a path. false: *lost tells whether nothing is there; where that can't
 * be told, as for want of a permission, it is not.
 */
static bool path_look(const char *path, struct file_look *found, bool *lost)
{
	bool there = file_look(AT_FDCWD, path, found);

	*lost = !there &&
	    (errno == ENOENT || errno == ENOTDIR || errno == ELOOP);
	return there;
}

/* All of its room is there from the beginning. */
static bool file_cut(const struct log_env *env, const struct file_look *found)
{
	return (uint64_t)found->size < env->active_room;
}

static bool folder_lost(const struct log_env *env)
{
	struct file_look own, found;
	bool lost;

	if (!path_look(env->config.path, &found, &lost))
		return lost;
	return file_look(env->folder, "", &own) && !file_is_same(&own, &found);
}

bool evkv__log_lost(const struct log_env *env)
{
	char path[PATH_MAX];
	struct file_look own, found;
	bool lost;

	if (env->active == NULL)
		return folder_lost(env);
	snprintf(path, sizeof(path), "%s/%04" PRIu64 ".data", env->config.path,
	    env->active->head.number);
	if (!path_look(path, &found, &lost))
		return lost;
	return file_cut(env, &found) ||
	    (file_look(env->active->fd, "", &own) &&
		!file_is_same(&own, &found));
}

bool evkv__log_spoilt(const struct log_env *env)
{
	struct file_look own;

	return file_look(env->active->fd, "", &own) &&
	    (own.links == 0 || file_cut(env, &own));
}
