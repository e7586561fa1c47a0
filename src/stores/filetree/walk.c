/*
 * stores/filetree/walk.c - removing what matches or has expired.
 *
 * Folders are read name by name, a piece of TREE_PIECE names at a time; the
 * streams stay open between the pieces, and the collection is locked during
 * each. What is left behind by a crash goes, too: while the lock is held nobody
 * else writes, so a temporary file is nobody's, and a note counts only where
 * its file is there.
 */
#include "stores/filetree/tree.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct tree_walk {
	DIR *root; /* NULL: one collection */
	DIR *list; /* of the collection that is being walked */
	char file[TREE_FILE_ROOM];
	char name[EVKV_COLLECTION_MAX];
	struct evkv_slice collection;
	bool removed, changed; /* in this collection; in this piece */
	/* Room for the name of a key, and where it is. */
	char key[EVKV_KEY_MAX];
};

void evkv__walk_free(void *self)
{
	struct tree_walk *walk = self;

	if (walk->root != NULL)
		closedir(walk->root);
	if (walk->list != NULL)
		closedir(walk->list);
	evkv_free(walk);
}

/* ---- One name ------------------------------------------------------------ */

static bool walk_wants(const struct evkv_request *request,
    const struct tree_entry *entry, struct evkv_slice key)
{
	if (request->kind == EVKV_OP_PURGE_EXPIRED)
		return entry->found == TREE_EXPIRED;
	return request->kind == EVKV_OP_CLEAR_ALL ||
	    evkv_match(request->match.prefix, request->match.pattern, key);
}

static void walk_remove_entry(struct filetree *tree, struct tree_walk *walk,
    const struct tree_place *place, const struct tree_entry *entry,
    struct serial_job *job)
{
	bool counts = (job->request->kind == EVKV_OP_PURGE_EXPIRED) ==
	    (entry->found == TREE_EXPIRED);

	if (evkv__entry_remove(tree, place, entry, &job->failure) != EVKV_OK)
		return;
	walk->removed = walk->changed = true;
	job->removed += counts;
}

/* Whether it has expired can't be told: what is to go all the same fails. */
static void walk_unread(struct serial_job *job, const struct tree_look *look)
{
	if (walk_wants(job->request, &look->entry, look->key))
		job->failure = look->failure;
}

static void walk_look(struct filetree *tree, struct tree_walk *walk,
    const struct tree_place *place, struct serial_job *job)
{
	struct tree_look look = { .now_ms = job->now_ms, .buffer = walk->key };

	if (evkv__entry_look(tree, place, &look, &job->failure)) {
		if (look.entry.found == TREE_FAILED)
			walk_unread(job, &look);
		else if (walk_wants(job->request, &look.entry, look.key))
			walk_remove_entry(tree, walk, place, &look.entry, job);
		else if (look.entry.expires_ms != 0)
			job->ttls = true;
	}
	evkv__entry_close(&look.entry);
}

/* A name of ours that is no entry's. */
static void walk_tidy(int folder, const char *file)
{
	ino_t inode = evkv__note_inode(file);

	if (strcmp(file, TREE_TEMPORARY) == 0 ||
	    strcmp(file, TREE_NOTE_NEW) == 0 ||
	    (inode != 0 && !evkv__note_counts(folder, inode)))
		unlinkat(folder, file, 0);
}

/* ---- Collections --------------------------------------------------------- */

/* false: there is no such folder, or that can't be told, which fails. */
static bool walk_begin_list(struct filetree *tree, struct tree_walk *walk,
    struct file_failure *failure)
{
	walk->removed = false;
	walk->list = evkv__tree_list(tree, walk->file, failure);
	return walk->list != NULL;
}

/* The next collection that is asked for; false: there is none left. */
static bool walk_next_list(struct filetree *tree, struct tree_walk *walk,
    struct serial_job *job)
{
	const struct evkv_request *request = job->request;
	const char *name;

	while (walk->root != NULL && job->failure.status == EVKV_OK &&
	    (name = evkv__tree_next_name(tree, walk->root, &job->failure)) !=
		NULL) {
		if (strlen(name) >= sizeof(walk->file))
			continue;
		strcpy(walk->file, name);
		if (!evkv__names_collection(tree, walk->file, walk->name,
			&walk->collection, &job->failure) ||
		    !evkv_match(request->match.prefix, request->match.pattern,
			walk->collection))
			continue;
		if (walk_begin_list(tree, walk, &job->failure))
			return true;
	}
	return false;
}

/* A collection without entries has no folder, where it had one from us. */
static void walk_end_list(struct filetree *tree, struct tree_walk *walk)
{
	struct stat stat;
	bool known = fstat(dirfd(walk->list), &stat) == 0;

	closedir(walk->list);
	walk->list = NULL;
	if (!walk->removed ||
	    unlinkat(tree->root, walk->file, AT_REMOVEDIR) != 0)
		return;
	if (known)
		evkv__note_remove(tree->root, stat.st_ino);
	if (tree_full(tree))
		evkv__folder_sync(tree->root);
}

/* ---- Pieces -------------------------------------------------------------- */

/* false: the collection is at its end. */
static bool walk_list(struct filetree *tree, struct tree_walk *walk,
    struct serial_job *job)
{
	struct tree_place place = { .folder = dirfd(walk->list),
		.in = walk->file };
	int looked;

	for (looked = 0; looked < TREE_PIECE; looked++) {
		place.file = evkv__tree_next_name(tree, walk->list,
		    &job->failure);
		if (place.file == NULL)
			return false;
		if (place.file[0] == '.')
			walk_tidy(place.folder, place.file);
		else
			walk_look(tree, walk, &place, job);
		if (job->failure.status != EVKV_OK)
			break;
	}
	return true;
}

/* What was removed before can't be denied; NOMEM does not deny it. */
static void walk_fail(struct tree_walk *walk, struct serial_job *job)
{
	if ((job->removed > 0 || walk->changed) &&
	    job->failure.status != EVKV_NOMEM)
		job->failure.status = EVKV_UNKNOWN_OUTCOME;
}

static void walk_piece(struct filetree *tree, struct tree_walk *walk,
    struct serial_job *job)
{
	bool more;

	if (!evkv__tree_lock(tree, walk->collection, &job->failure)) {
		walk_fail(walk, job);
		return;
	}
	walk->changed = false;
	more = walk_list(tree, walk, job);
	if (walk->changed && tree_full(tree) && fsync(dirfd(walk->list)) != 0)
		evkv__tree_errno(tree, "write the folder to the disk",
		    walk->file, &job->failure);
	if (!more)
		walk_end_list(tree, walk);
	evkv__tree_unlock(tree, walk->collection);
	if (job->failure.status != EVKV_OK)
		walk_fail(walk, job);
}

static struct tree_walk *walk_new(struct filetree *tree,
    const struct evkv_request *request, struct file_failure *failure)
{
	struct tree_walk *walk = evkv_calloc(1, sizeof(*walk));

	if (walk == NULL) {
		evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
		return NULL;
	}
	if (request->kind == EVKV_OP_CLEAR) {
		walk->collection = request->collection;
		evkv_file_name_encode(walk->collection, walk->file);
		walk_begin_list(tree, walk, failure);
		return walk;
	}
	walk->root = evkv__folder_list(tree->root);
	if (walk->root != NULL)
		return walk;
	evkv__tree_errno(tree, "list it", "", failure);
	evkv_free(walk);
	return NULL;
}

void evkv__walk_remove(struct filetree *tree, struct serial_job *job)
{
	struct tree_walk *walk = job->walk;

	if (walk == NULL)
		walk = job->walk = walk_new(tree, job->request, &job->failure);
	if (walk == NULL)
		return;
	if (walk->list == NULL && !walk_next_list(tree, walk, job)) {
		if (job->failure.status != EVKV_OK)
			walk_fail(walk, job);
		return;
	}
	walk_piece(tree, walk, job);
	if (job->failure.status == EVKV_OK && !evkv_job_stopped(&job->job))
		evkv_job_again(&job->job);
}
