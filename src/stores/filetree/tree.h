/*
 * stores/filetree/tree.h - the tree of files, as the worker sees it.
 *
 *     <root>/.evkv-lock              byte ranges of it are locked; it is empty
 *     <root>/<collection>/           a folder for each collection
 *     <root>/<collection>/<key>      the bytes of the value
 *     <root>/<collection>/.evkv-tmp  what is being written
 *     <root>/<collection>/.evkv-N    a note: what is kept with the file whose
 *                                    inode is N and could not be an attribute
 *
 * Names are those of evkv_file_name_encode(), none of which begins with '.'. An
 * entry's expiry is the attribute user.evkv.expires of its file, milliseconds
 * since 1970 as decimal text; the name that a hashed file name stands for is
 * the attribute user.evkv.name. No symbolic link is followed below the root.
 */
#ifndef EVKV_STORES_FILETREE_TREE_H
#define EVKV_STORES_FILETREE_TREE_H

#include <dirent.h>
#include <sys/stat.h>

#include "engines/files/folder.h"
#include "engines/serial/serial.h"
#include "evkv/key_codec.h"
#include "evkv/stores/filetree.h"

#define TREE_LOCK ".evkv-lock"
#define TREE_TEMPORARY ".evkv-tmp"
#define TREE_NOTE ".evkv-"        /* and the inode */
#define TREE_NOTE_NEW ".evkv-new" /* a note that is being written */
#define TREE_FILE_ROOM (EVKV_FILE_NAME_MAX + 1)
#define TREE_UNITS 1024 /* entries of one session */
#define TREE_PIECE 1024 /* names that a piece of a long job looks at */

/* Names of one folder, in order, behind some name; see names.c. */
struct tree_window {
	uint64_t id; /* cursors tell which window they are of */
	struct name_page names;
	bool more; /* there are later ones that are not in it */
};

/* One collection, while a worker is at it. */
struct tree_session {
	int fd;                    /* of its folder; -1 = it has none */
	char file[TREE_FILE_ROOM]; /* its name */
	bool open, locked;
	bool made, changed; /* to be brought to the disk */
	struct tree_unit {
		struct serial_job *job;
		size_t index;
	} units[TREE_UNITS]; /* what was done in it */
	size_t count;
};

struct filetree {
	struct serial_store serial; /* first */
	char *path;
	enum evkv_filetree_durability durability;
	size_t max_value;

	/* The worker's. */
	int root;         /* -1 = not open */
	int lock;         /* -1 = not opened yet */
	uint64_t windows; /* how many there were, from a random number on */
	struct tree_window window;
	struct tree_session session;
};

static inline bool tree_full(const struct filetree *tree)
{
	return tree->durability == EVKV_FILETREE_FULL;
}

/* ---- tree.c: the root ---------------------------------------------------- */

bool evkv__tree_open(void *self, struct file_failure *failure);
void evkv__tree_close(void *self, struct file_failure *failure);
/* false: the root is not the folder any more that was opened. */
bool evkv__tree_there(struct filetree *tree, struct file_failure *failure);
/* A call on something of the tree has failed; errno tells why. */
bool evkv__tree_errno(const struct filetree *tree, const char *what,
    const char *file, struct file_failure *failure);
/* The next name of a folder; NULL: the end, or a failure, which is told. */
const char *evkv__tree_next_name(const struct filetree *tree, DIR *list,
    struct file_failure *failure);
/* The folder of a collection, or -1 with errno; ENOTDIR: it is no folder. */
int evkv__tree_folder(const struct filetree *tree, const char *file);
/* Its names; NULL: there is no such folder, or a failure, which is told. */
DIR *evkv__tree_list(const struct filetree *tree, const char *file,
    struct file_failure *failure);
/* Make it, with the name that it stands for. */
bool evkv__tree_make_folder(struct filetree *tree, const char *file,
    struct evkv_slice collection, struct file_failure *failure);
/* Lock a collection against other processes, and let go of it. */
bool evkv__tree_lock(struct filetree *tree, struct evkv_slice collection,
    struct file_failure *failure);
void evkv__tree_unlock(struct filetree *tree, struct evkv_slice collection);

/* ---- note.c: what is kept with a file ------------------------------------ */

/* What a note says; `name` is in `memory`. */
struct tree_note {
	int64_t expires_ms; /* 0 = never */
	struct evkv_slice name;
	char *memory;
};

/*
 * Where a file is: a folder's descriptor, and its name there; and the folder's
 * name, for messages.
 */
struct tree_place {
	int folder;
	const char *file;
	const char *in; /* NULL = the root */
};

/*
 * The note of a file; false: it has none that is about this file. Without
 * memory that is so, too, and errno is ENOMEM.
 */
bool evkv__note_read(const struct tree_place *place, ino_t inode,
    struct tree_note *note);
void evkv__note_free(struct tree_note *note);
/* Remove it; false: there is one that stays. */
bool evkv__note_remove(int folder, ino_t inode);
/*
 * Whether the note for an inode is about a file that is there, or that can't be
 * told.
 */
bool evkv__note_counts(int folder, ino_t inode);
/* The inode that a note's file name is for; 0 = it is no such name. */
ino_t evkv__note_inode(const char *file);
/*
 * Keep an expiry, and a name (empty: none), with an open file: as attributes,
 * or as a note at `place`, where *noted is set. false = errno tells why.
 */
bool evkv__note_keep(int fd, const struct tree_place *place,
    const struct tree_note *note, bool *noted);
/* The expiry that is kept with an open file: 0, ENOENT (it has moved) ... */
int evkv__note_expires(int fd, const struct tree_place *place, ino_t inode,
    int64_t *expires_ms);
/* The name that is kept with it, into `buffer` of EVKV_KEY_MAX bytes. */
bool evkv__note_name(int fd, const struct tree_place *place, ino_t inode,
    char *buffer, struct evkv_slice *name);

/* ---- entry.c: one file --------------------------------------------------- */

enum tree_found {
	TREE_NONE,
	TREE_LIVE,
	TREE_EXPIRED,
	TREE_FOREIGN, /* a link, a folder, a device: not ours to touch */
	TREE_FAILED, /* the failure tells why; CORRUPT: its expiry is damaged */
};

struct tree_entry {
	enum tree_found found;
	int fd; /* -1 = not open */
	ino_t inode;
	off_t size;
	int64_t expires_ms;
};

/* Look at a file; evkv__entry_close() is due in any case. */
void evkv__entry_open(const struct filetree *tree,
    const struct tree_place *place, int64_t now_ms, struct tree_entry *entry,
    struct file_failure *failure);
void evkv__entry_close(struct tree_entry *entry);
struct tree_look {
	int64_t now_ms;
	char *buffer;            /* EVKV_KEY_MAX bytes, for the key */
	struct tree_entry entry; /* LIVE also where it is damaged */
	struct evkv_slice key;
	struct file_failure failure; /* where entry.found is TREE_FAILED */
};

/*
 * Likewise for a name that was found in the folder, with its key; false: it is
 * no entry of ours, or that can't be told, which fails.
 */
bool evkv__entry_look(const struct filetree *tree,
    const struct tree_place *place, struct tree_look *look,
    struct file_failure *failure);
/* Its bytes, or NULL with a failure. */
struct evkv_value *evkv__entry_read(const struct filetree *tree,
    const struct tree_place *place, const struct tree_entry *entry,
    struct file_failure *failure);
struct tree_put {
	struct evkv_slice
	    key; /* its whole name, kept where the file's is not */
	struct evkv_slice value;
	int64_t expires_ms; /* 0 = never */
};

/*
 * Write a file and let it take the place of `old`, or, where there is none, a
 * place that must be free: EXISTS where it is not any more.
 */
enum evkv_status evkv__entry_write(struct filetree *tree,
    const struct tree_place *place, const struct tree_entry *old,
    const struct tree_put *put, struct file_failure *failure);
/* Another expiry for a file that is there. */
enum evkv_status evkv__entry_touch(struct filetree *tree,
    const struct tree_place *place, const struct tree_entry *entry,
    const struct tree_put *put, struct file_failure *failure);
/* OK, or NOT_FOUND where somebody else was faster. */
enum evkv_status evkv__entry_remove(struct filetree *tree,
    const struct tree_place *place, const struct tree_entry *entry,
    struct file_failure *failure);

/* ---- group.c, walk.c, names.c: jobs -------------------------------------- */

void evkv__tree_run(void *self, struct serial_job *first);
/* One more piece of a removal. */
void evkv__walk_remove(struct filetree *tree, struct serial_job *job);
void evkv__walk_free(void *walk);
/* One more piece of a page of names, and its state; `walk` as above. */
void evkv__names_page(struct filetree *tree, struct serial_job *job);
void evkv__names_free(void *walk);
/*
 * The collection of a folder, in `buffer`; false: it is not one of ours. Only
 * want of memory fails it.
 */
bool evkv__names_collection(const struct filetree *tree, const char *file,
    char buffer[EVKV_COLLECTION_MAX], struct evkv_slice *collection,
    struct file_failure *failure);

#endif
