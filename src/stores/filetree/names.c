/*
 * stores/filetree/names.c - pages of keys and of collections.
 *
 * A folder has no order that lasts, so a page can't go on where the one before
 * has stopped reading. Instead names are taken in the order of their bytes: the
 * folder is read through, and the first WINDOW_NAMES behind the last name that
 * was given are kept, sorted. Pages are served from this window until it is
 * used up, and then the next one is read. A cursor names its window; where that
 * is not there any more (another enumeration has taken its place) a new one is
 * read, from the cursor's name on.
 *
 * Each name is looked at when it is given: whether it has expired meanwhile, or
 * is gone.
 */
#include "stores/filetree/tree.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_NAMES 32768
#define POSITION_HEAD 8 /* the number of a window */

struct tree_names {
	int folder;                 /* whose names they are; -1 = the root */
	char in[TREE_FILE_ROOM];    /* its name */
	char after[TREE_FILE_ROOM]; /* the last name that was looked at */
	bool reading;
	DIR *list;                 /* that is read; or a collection's */
	struct tree_window window; /* that is being read */
	uint64_t window_id;        /* that the page is served from; 0 = none */
	size_t at;                 /* the next name in it */
	char key[EVKV_KEY_MAX];
};

void evkv__names_free(void *self)
{
	struct tree_names *names = self;

	if (names->list != NULL)
		closedir(names->list);
	if (names->folder >= 0)
		close(names->folder);
	evkv__name_page_free(&names->window.names);
	evkv_free(names);
}

/* ---- Names --------------------------------------------------------------- */

/* It is none of ours, or gone meanwhile; all else is a failure. */
static bool names_foreign(void)
{
	return errno == 0 || errno == ENODATA || errno == ENOTSUP ||
	    errno == ENOENT || errno == ENOTDIR || errno == ERANGE;
}

bool evkv__names_collection(const struct filetree *tree, const char *file,
    char buffer[EVKV_COLLECTION_MAX], struct evkv_slice *collection,
    struct file_failure *failure)
{
	const struct tree_place place = { .folder = tree->root, .file = file };
	char whole[EVKV_KEY_MAX], again[TREE_FILE_ROOM];
	enum evkv_file_name kind = evkv_file_name_decode(file, buffer,
	    collection);
	struct stat stat;
	bool found;
	int fd;

	if (kind != EVKV_FILE_NAME_HASHED)
		return kind == EVKV_FILE_NAME_WHOLE;
	errno = 0;
	fd = evkv__tree_folder(tree, file);
	found = fd >= 0 && fstat(fd, &stat) == 0 &&
	    evkv__note_name(fd, &place, stat.st_ino, whole, collection) &&
	    collection->size <= EVKV_COLLECTION_MAX;
	if (!found && !names_foreign())
		evkv__tree_errno(tree, "read the name of", file, failure);
	if (fd >= 0)
		close(fd);
	if (!found)
		return false;
	memcpy(buffer, whole, collection->size);
	collection->data = buffer;
	evkv_file_name_encode(*collection, again);
	return strcmp(again, file) == 0;
}

/* Whether a file name may be asked for; of a hashed one it is not known yet. */
static bool names_may_want(struct tree_names *names,
    const struct evkv_request *request, const char *file)
{
	struct evkv_slice name;

	switch (evkv_file_name_decode(file, names->key, &name)) {
	case EVKV_FILE_NAME_WHOLE:
		return evkv_match(request->match.prefix, request->match.pattern,
		    name);
	case EVKV_FILE_NAME_HASHED: return true;
	default: return false;
	}
}

/* ---- Reading a window ---------------------------------------------------- */

/* Keep the first WINDOW_NAMES of what was gathered. */
static void window_cut(struct tree_window *window)
{
	struct name_page *names = &window->names;
	size_t i, at = 0;
	unsigned char *bytes;

	evkv__name_page_sort(names, 0);
	if (names->count <= WINDOW_NAMES)
		return;
	window->more = true;
	names->count = WINDOW_NAMES;
	bytes = evkv_malloc(names->bytes_room);
	if (bytes == NULL)
		return; /* what was cut off stays in memory, unused */
	for (i = 0; i < names->count; i++) {
		memcpy(bytes + at, names->bytes + names->names[i].at,
		    names->names[i].size);
		names->names[i].at = at;
		at += names->names[i].size;
	}
	evkv_free(names->bytes);
	names->bytes = bytes;
	names->bytes_size = at;
}

/* One more piece of the folder; false: it is at its end, or has failed. */
static bool window_read(struct filetree *tree, struct tree_names *names,
    struct serial_job *job)
{
	struct tree_window *window = &names->window;
	const char *file;
	int looked;

	for (looked = 0; looked < 4 * TREE_PIECE; looked++) {
		file = evkv__tree_next_name(tree, names->list, &job->failure);
		if (file == NULL)
			return false;
		if (strcmp(file, names->after) <= 0 ||
		    !names_may_want(names, job->request, file))
			continue;
		if (evkv__name_page_add(&window->names,
			evkv_bytes(file, strlen(file) + 1)) != 0) {
			evkv__file_fail(&job->failure, EVKV_NOMEM, 0,
			    "out of memory");
			return false;
		}
		if (window->names.count >= 2 * WINDOW_NAMES)
			window_cut(window);
	}
	return true;
}

static void window_done(struct filetree *tree, struct tree_names *names)
{
	closedir(names->list);
	names->list = NULL;
	names->reading = false;
	window_cut(&names->window);
	evkv__name_page_free(&tree->window.names);
	tree->window = names->window;
	memset(&names->window, 0, sizeof(names->window));
	tree->window.id = names->window_id = ++tree->windows;
	names->at = 0;
}

/* ---- A page from the window ---------------------------------------------- */

static const char *window_name(const struct filetree *tree, size_t i)
{
	return (const char *)tree->window.names.bytes +
	    tree->window.names.names[i].at;
}

/* The first of the window behind `after`. */
static size_t window_find(const struct filetree *tree, const char *after)
{
	size_t low = 0, high = tree->window.names.count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(window_name(tree, middle), after) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The next page goes on behind the last name that was looked at. */
static void page_more(struct filetree *tree, struct tree_names *names,
    struct name_page *page)
{
	unsigned char position[POSITION_HEAD + TREE_FILE_ROOM];
	size_t size = strlen(names->after);

	memcpy(position, &tree->window.id, POSITION_HEAD);
	memcpy(position + POSITION_HEAD, names->after, size);
	evkv__name_page_position(page, position, POSITION_HEAD + size);
	page->more = true;
}

/*
 * Whether a file is a live entry, and its key. One that can't be read, or is
 * damaged, is shown: asking for it will tell.
 */
static bool page_live(struct filetree *tree, struct tree_names *names,
    struct serial_job *job, const struct tree_place *place,
    struct evkv_slice *key)
{
	struct tree_look look = { .now_ms = job->now_ms, .buffer = names->key };
	bool live;

	live = evkv__entry_look(tree, place, &look, &job->failure) &&
	    look.entry.found != TREE_EXPIRED;
	*key = look.key;
	evkv__entry_close(&look.entry);
	return live;
}

enum page_answer {
	PAGE_NO,
	PAGE_YES,
	PAGE_AGAIN, /* it takes another piece */
};

static enum page_answer page_key(struct filetree *tree,
    struct tree_names *names, struct serial_job *job, const char *file,
    struct evkv_slice *key)
{
	const struct tree_place place = { names->folder, file, names->in };

	return page_live(tree, names, job, &place, key) ? PAGE_YES : PAGE_NO;
}

/* Whether a collection has a live entry. */
static enum page_answer page_collection(struct filetree *tree,
    struct tree_names *names, struct serial_job *job, const char *file)
{
	struct tree_place place = { .in = file };
	struct evkv_slice key;
	int looked;

	if (names->list == NULL)
		names->list = evkv__tree_list(tree, file, &job->failure);
	for (looked = 0; names->list != NULL; looked++) {
		if (looked == TREE_PIECE)
			return PAGE_AGAIN;
		place.folder = dirfd(names->list);
		place.file = evkv__tree_next_name(tree, names->list,
		    &job->failure);
		if (place.file == NULL)
			return PAGE_NO;
		if (place.file[0] != '.' &&
		    page_live(tree, names, job, &place, &key))
			return PAGE_YES;
	}
	return PAGE_NO;
}

static enum page_answer page_look(struct filetree *tree,
    struct tree_names *names, struct serial_job *job, const char *file)
{
	char buffer[EVKV_COLLECTION_MAX];
	bool keys = job->request->kind == EVKV_OP_KEYS;
	enum page_answer answer;
	struct evkv_slice name;

	answer = keys ? page_key(tree, names, job, file, &name)
		      : page_collection(tree, names, job, file);
	if (answer == PAGE_AGAIN)
		return answer;
	if (!keys && names->list != NULL) {
		closedir(names->list);
		names->list = NULL;
	}
	strcpy(names->after, file);
	if (answer == PAGE_NO ||
	    (!keys &&
		!evkv__names_collection(tree, file, buffer, &name,
		    &job->failure)) ||
	    !evkv_match(job->request->match.prefix, job->request->match.pattern,
		name))
		return PAGE_NO;
	if (evkv__name_page_add(&job->page, name) != 0)
		evkv__file_fail(&job->failure, EVKV_NOMEM, 0, "out of memory");
	return PAGE_YES;
}

/* false: the page is complete, or has failed. */
static bool page_piece(struct filetree *tree, struct tree_names *names,
    struct serial_job *job)
{
	int looked;

	for (looked = 0; looked < TREE_PIECE; looked++) {
		if (names->at == tree->window.names.count) {
			if (tree->window.more)
				page_more(tree, names, &job->page);
			return false;
		}
		if (evkv__name_page_full(&job->page, job->request)) {
			page_more(tree, names, &job->page);
			return false;
		}
		if (page_look(tree, names, job, window_name(tree, names->at)) ==
		    PAGE_AGAIN)
			return true;
		names->at++;
		if (job->failure.status != EVKV_OK)
			return false;
	}
	return true;
}

/* ---- Jobs ---------------------------------------------------------------- */

static bool names_start_reading(struct filetree *tree, struct tree_names *names,
    struct serial_job *job)
{
	if (names->list != NULL)
		closedir(names->list);
	names->reading = true;
	names->list = evkv__folder_list(names->folder >= 0 ? names->folder
							   : tree->root);
	return names->list != NULL ||
	    evkv__tree_errno(tree, "list it", "", &job->failure);
}

static bool names_position(struct tree_names *names, struct evkv_slice position)
{
	const char *bytes = position.data;

	if (position.size == 0)
		return true;
	if (position.size <= POSITION_HEAD ||
	    position.size >= POSITION_HEAD + TREE_FILE_ROOM)
		return false;
	memcpy(&names->window_id, bytes, POSITION_HEAD);
	memcpy(names->after, bytes + POSITION_HEAD,
	    position.size - POSITION_HEAD);
	return true;
}

/* false: there is nothing to be read, or it has failed. */
static bool names_begin(struct filetree *tree, struct serial_job *job)
{
	struct tree_names *names = evkv_calloc(1, sizeof(*names));

	job->walk = names;
	if (names == NULL)
		return evkv__file_fail(&job->failure, EVKV_NOMEM, 0,
		    "out of memory");
	names->folder = -1;
	if (!names_position(names, job->position))
		return evkv__file_fail(&job->failure, EVKV_INVALID, 0,
		    "the cursor is not of this store and query");
	if (job->request->kind == EVKV_OP_COLLECTIONS)
		return true;
	evkv_file_name_encode(job->request->collection, names->in);
	names->folder = evkv__tree_folder(tree, names->in);
	if (names->folder >= 0)
		return true;
	if (errno != ENOENT && errno != ENOTDIR)
		evkv__tree_errno(tree, "open the folder", names->in,
		    &job->failure);
	return false;
}

/* Whether no window has what comes next; else it is found there. */
static bool names_need_window(const struct filetree *tree,
    struct tree_names *names)
{
	if (names->window_id == 0 || names->window_id != tree->window.id)
		return true;
	/* In the midst of a collection: it is the same one. */
	if (names->list != NULL)
		return false;
	names->at = window_find(tree, names->after);
	return names->at == tree->window.names.count && tree->window.more;
}

void evkv__names_page(struct filetree *tree, struct serial_job *job)
{
	struct tree_names *names;
	bool more = true;

	if (job->walk == NULL && !names_begin(tree, job))
		return;
	names = job->walk;
	if (!names->reading && names_need_window(tree, names) &&
	    !names_start_reading(tree, names, job))
		return;
	if (names->reading) {
		more = window_read(tree, names, job);
		if (!more && job->failure.status == EVKV_OK)
			window_done(tree, names);
	}
	if (!names->reading)
		more = page_piece(tree, names, job);
	if (more && !evkv_job_stopped(&job->job))
		evkv_job_again(&job->job);
}
