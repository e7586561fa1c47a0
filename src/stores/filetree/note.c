/*
 * stores/filetree/note.c - what is kept with a file beside its bytes: when it
 * expires, and the whole name where its file name is a hash.
 *
 * Both are extended attributes. Where the file system has none, or has no room
 * for them, they are in a note: a small file beside it, named after the inode
 * of its file, and naming that file. So a note that was left behind by a crash,
 * or whose file was replaced by somebody else, says nothing about another file.
 *
 *     evkv filetree 1
 *     file ada
 *     expires 1790000000000
 *     name 616461
 *
 * The last two lines may be missing; the name is in hexadecimal.
 */
#include "stores/filetree/tree.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/hex.h"

#define ATTRIBUTE_EXPIRES "user.evkv.expires"
#define ATTRIBUTE_NAME "user.evkv.name"
#define NOTE_HEAD "evkv filetree 1"
#define NOTE_MAX (2 * EVKV_KEY_MAX + 400) /* bytes of a note */
#define NOTE_FILE_ROOM 40

/* ---- Notes --------------------------------------------------------------- */

static void note_file(ino_t inode, char file[NOTE_FILE_ROOM])
{
	snprintf(file, NOTE_FILE_ROOM, TREE_NOTE "%" PRIu64, (uint64_t)inode);
}

ino_t evkv__note_inode(const char *file)
{
	char again[NOTE_FILE_ROOM];
	uint64_t inode;

	if (strncmp(file, TREE_NOTE, strlen(TREE_NOTE)) != 0)
		return 0;
	inode = strtoull(file + strlen(TREE_NOTE), NULL, 10);
	note_file((ino_t)inode, again);
	return strcmp(file, again) == 0 ? (ino_t)inode : 0;
}

bool evkv__note_remove(int folder, ino_t inode)
{
	char file[NOTE_FILE_ROOM];

	note_file(inode, file);
	return unlinkat(folder, file, 0) == 0 || errno == ENOENT;
}

void evkv__note_free(struct tree_note *note)
{
	evkv_free(note->memory);
	note->memory = NULL;
}

/* A file of ours, whole, with a NUL behind it; NULL = errno tells why. */
static char *note_load(int folder, const char *file)
{
	int fd = openat(folder, file,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char *text = NULL;
	struct stat stat;
	ssize_t size = -1;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) &&
	    stat.st_size <= NOTE_MAX) {
		text = evkv_malloc((size_t)stat.st_size + 1);
		if (text == NULL)
			errno = ENOMEM;
		else
			size = read(fd, text, (size_t)stat.st_size);
	} else {
		errno = EINVAL;
	}
	close(fd);
	if (size >= 0) {
		text[size] = '\0';
		return text;
	}
	evkv_free(text);
	return NULL;
}

/* "<word> " at *at: what stands behind it up to the end of the line. */
static bool note_line(char **at, const char *word, char **rest)
{
	char *end = strchr(*at, '\n');

	if (end == NULL || strncmp(*at, word, strlen(word)) != 0)
		return false;
	*end = '\0';
	*rest = *at + strlen(word);
	*at = end + 1;
	return true;
}

/* Digits alone, and a number above 0 that fits. */
static bool expires_parse(const char *text, int64_t *expires_ms)
{
	char *end;

	if (text[0] < '1' || text[0] > '9')
		return false;
	errno = 0;
	*expires_ms = strtoll(text, &end, 10);
	return *end == '\0' && errno == 0;
}

/* Hexadecimal digits become bytes, in place. */
static bool name_parse(char *text, struct evkv_slice *name)
{
	size_t size = strlen(text), i;
	int high, low;

	if (size % 2 != 0 || size > 2 * (size_t)EVKV_KEY_MAX)
		return false;
	for (i = 0; i < size; i += 2) {
		high = hex_digit(text[i]);
		low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		text[i / 2] = (char)(high << 4 | low);
	}
	*name = evkv_bytes(text, size / 2);
	return true;
}

static bool note_parse(char *text, const char *file, struct tree_note *note)
{
	char *at = text, *rest;

	if (!note_line(&at, NOTE_HEAD, &rest) ||
	    !note_line(&at, "file ", &rest) || strcmp(rest, file) != 0)
		return false;
	if (note_line(&at, "expires ", &rest) &&
	    !expires_parse(rest, &note->expires_ms))
		return false;
	return !note_line(&at, "name ", &rest) || name_parse(rest, &note->name);
}

bool evkv__note_read(const struct tree_place *place, ino_t inode,
    struct tree_note *note)
{
	char file[NOTE_FILE_ROOM];

	memset(note, 0, sizeof(*note));
	note_file(inode, file);
	note->memory = note_load(place->folder, file);
	if (note->memory == NULL)
		return false;
	if (note_parse(note->memory, place->file, note))
		return true;
	evkv__note_free(note);
	errno = ENOENT;
	return false;
}

/* Whether a file is there and has the inode; also where that can't be told. */
static bool note_fits(int folder, const char *file, ino_t inode)
{
	struct stat stat;

	if (strchr(file, '/') != NULL)
		return false;
	if (fstatat(folder, file, &stat, AT_SYMLINK_NOFOLLOW) != 0)
		return errno != ENOENT;
	return stat.st_ino == inode;
}

bool evkv__note_counts(int folder, ino_t inode)
{
	char file[NOTE_FILE_ROOM], *text, *at, *rest;
	bool counts;

	note_file(inode, file);
	at = text = note_load(folder, file);
	if (text == NULL)
		return true;
	counts = note_line(&at, NOTE_HEAD, &rest) &&
	    note_line(&at, "file ", &rest) && note_fits(folder, rest, inode);
	evkv_free(text);
	return counts;
}

static size_t note_format(const struct tree_place *place,
    const struct tree_note *note, char *text)
{
	const unsigned char *name = note->name.data;
	size_t size, i;

	size = (size_t)sprintf(text, NOTE_HEAD "\nfile %s\n", place->file);
	if (note->expires_ms != 0)
		size += (size_t)sprintf(text + size, "expires %" PRId64 "\n",
		    note->expires_ms);
	if (note->name.size == 0)
		return size;
	size += (size_t)sprintf(text + size, "name ");
	for (i = 0; i < note->name.size; i++)
		size += (size_t)sprintf(text + size, "%02x", name[i]);
	text[size++] = '\n';
	return size;
}

/* Something was changed: it is not told as a want of room. */
static bool keep_half(void)
{
	errno = EIO;
	return false;
}

/* Where the new note has not its temporary name it may be in place. */
static bool note_unwritten(int folder)
{
	int sys_error = errno;

	if (unlinkat(folder, TREE_NOTE_NEW, 0) != 0)
		return keep_half();
	errno = sys_error;
	return false;
}

/* It is on the disk when this returns, for its file is to follow it there. */
static bool note_write(const struct tree_place *place, ino_t inode,
    const struct tree_note *note)
{
	char *text = evkv_malloc(NOTE_MAX + 1), file[NOTE_FILE_ROOM];
	bool written;

	if (text == NULL) {
		errno = ENOMEM;
		return false;
	}
	note_file(inode, file);
	written = evkv__folder_write(place->folder, file, TREE_NOTE_NEW, text,
	    note_format(place, note, text));
	evkv_free(text);
	return written || note_unwritten(place->folder);
}

/* ---- Attributes ---------------------------------------------------------- */

/* The file system has no attributes, or no room for this one. */
static bool attribute_needs_note(void)
{
	return errno == ENOTSUP || errno == ENOSPC || errno == E2BIG ||
	    errno == ERANGE;
}

static bool attribute_absent(void)
{
	return errno == ENODATA || errno == ENOTSUP;
}

/* Set it, or remove it where there is nothing to be kept. */
static bool attribute_set(int fd, const char *attribute,
    struct evkv_slice value)
{
	if (value.size > 0)
		return fsetxattr(fd, attribute, value.data, value.size, 0) == 0;
	return fremovexattr(fd, attribute) == 0 || attribute_absent();
}

/* What fails for want of room has changed nothing: the expiry comes last. */
bool evkv__note_keep(int fd, const struct tree_place *place,
    const struct tree_note *note, bool *noted)
{
	char expires[24] = "";
	struct stat stat;

	*noted = false;
	if (note->expires_ms != 0)
		snprintf(expires, sizeof(expires), "%" PRId64,
		    note->expires_ms);
	if (fstat(fd, &stat) != 0)
		return false;
	if (attribute_set(fd, ATTRIBUTE_NAME, note->name) &&
	    attribute_set(fd, ATTRIBUTE_EXPIRES, evkv_str(expires)))
		return evkv__note_remove(place->folder, stat.st_ino) ||
		    keep_half();
	if (!attribute_needs_note() || !note_write(place, stat.st_ino, note))
		return false;
	*noted = true;
	/* Else an old one would count. */
	return attribute_set(fd, ATTRIBUTE_EXPIRES, EVKV_LIT("")) ||
	    keep_half();
}

int evkv__note_expires(int fd, const struct tree_place *place, ino_t inode,
    int64_t *expires_ms)
{
	char text[24];
	ssize_t size = fgetxattr(fd, ATTRIBUTE_EXPIRES, text, sizeof(text) - 1);
	struct tree_note note;

	*expires_ms = 0;
	if (size >= 0) {
		text[size] = '\0';
		return expires_parse(text, expires_ms) ? 0 : EILSEQ;
	}
	if (errno == ERANGE)
		return EILSEQ;
	if (!attribute_absent())
		return errno;
	if (!evkv__note_read(place, inode, &note))
		return errno;
	*expires_ms = note.expires_ms;
	evkv__note_free(&note);
	return 0;
}

bool evkv__note_name(int fd, const struct tree_place *place, ino_t inode,
    char *buffer, struct evkv_slice *name)
{
	ssize_t size = fgetxattr(fd, ATTRIBUTE_NAME, buffer, EVKV_KEY_MAX);
	struct tree_note note;

	*name = evkv_bytes(buffer, size > 0 ? (size_t)size : 0);
	if (size < 0 && attribute_absent() &&
	    evkv__note_read(place, inode, &note)) {
		if (note.name.size > 0)
			memcpy(buffer, note.name.data, note.name.size);
		name->size = note.name.size;
		evkv__note_free(&note);
	}
	return name->size > 0;
}
