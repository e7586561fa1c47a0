/*
 * stores/log/index_file.c - the index file of a data file: the names in it, the
 * newest of each, by their hashes.
 *
 *      0  magic, version of the format (4), rows (4)
 *     16  the data file's id (8), length (8), last version (8)
 *     40  collections (4), bytes of their names (4)
 *     48  checksum of the table of checksums and of the names (4)
 *     52  zeros, and the checksum of this head at 60
 *     64  checksums of the blocks of rows (4 each), names (size, bytes); padded
 *         to 8; then the rows, 32 bytes each, 2,048 to a block
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "evkv/alloc.h"
#include "stores/log/crc32c.h"
#include "stores/log/env.h"

#define HEAD 64
#define BLOCK_ROWS 2048
#define BLOCK ((size_t)BLOCK_ROWS * LOG_ROW_SIZE)
#define NAMES_MAX ((uint64_t)1 << 31)
#define SPREAD_MAX 100 /* rows that begin with the same bits */

/* ---- Gathering ----------------------------------------------------------- */

void evkv__log_rows_free(struct log_rows *rows)
{
	evkv_free(rows->rows);
	evkv_free(rows->names);
	memset(rows, 0, sizeof(*rows));
}

static bool grow(void **memory, size_t *room, size_t used, size_t more,
    size_t item)
{
	size_t wanted = *room > 0 ? *room : 1024;
	void *larger;

	if (used + more <= *room)
		return true;
	while (wanted < used + more)
		wanted *= 2;
	larger = evkv_malloc(wanted * item);
	if (larger == NULL)
		return false;
	if (used > 0)
		memcpy(larger, *memory, used * item);
	evkv_free(*memory);
	*memory = larger;
	*room = wanted;
	return true;
}

/* The name's number in this file. Few files have more than a few. */
struct name_set {
	uint32_t *slots; /* 1 + number */
	size_t size;
	size_t *starts; /* by number */
	size_t starts_room;
	uint32_t last; /* most rows have the collection of the one before */
};

static bool name_is(const struct log_rows *rows, const struct name_set *set,
    uint32_t number, struct evkv_slice name)
{
	const unsigned char *at = rows->names + set->starts[number];

	return at[0] == name.size &&
	    (name.size == 0 || memcmp(at + 1, name.data, name.size) == 0);
}

static uint32_t *set_slot(const struct log_env *env,
    const struct log_rows *rows, const struct name_set *set,
    struct evkv_slice name)
{
	uint64_t hash = evkv__log_collection_hash(&env->key, name);
	size_t at = (size_t)hash & (set->size - 1);

	while (set->slots[at] != 0 &&
	    !name_is(rows, set, set->slots[at] - 1, name))
		at = (at + 1) & (set->size - 1);
	return &set->slots[at];
}

static bool set_grow(const struct log_env *env, const struct log_rows *rows,
    struct name_set *set)
{
	size_t size = set->size > 0 ? set->size * 2 : 64;
	const unsigned char *at;
	uint32_t i;

	evkv_free(set->slots);
	set->slots = evkv_calloc(size, sizeof(*set->slots));
	set->size = size;
	for (i = 0; set->slots != NULL && i < rows->names_count; i++) {
		at = rows->names + set->starts[i];
		*set_slot(env, rows, set, evkv_bytes(at + 1, at[0])) = i + 1;
	}
	return set->slots != NULL;
}

static bool set_number(const struct log_env *env, struct log_rows *rows,
    struct name_set *set, struct evkv_slice name, uint32_t *number)
{
	void *names = rows->names, *starts = set->starts;
	uint32_t *slot;
	bool ok;

	if (set->last < rows->names_count &&
	    name_is(rows, set, set->last, name)) {
		*number = set->last;
		return true;
	}
	if ((size_t)rows->names_count * 2 >= set->size &&
	    !set_grow(env, rows, set))
		return false;
	slot = set_slot(env, rows, set, name);
	if (*slot == 0) {
		ok = grow(&names, &rows->names_room, rows->names_size,
		    1 + name.size, 1);
		rows->names = names;
		ok = ok &&
		    grow(&starts, &set->starts_room, rows->names_count, 1,
			sizeof(*set->starts));
		set->starts = starts;
		if (!ok)
			return false;
		set->starts[rows->names_count] = rows->names_size;
		rows->names[rows->names_size++] = (unsigned char)name.size;
		if (name.size > 0)
			memcpy(rows->names + rows->names_size, name.data,
			    name.size);
		rows->names_size += name.size;
		*slot = ++rows->names_count;
	}
	*number = set->last = *slot - 1;
	return true;
}

static bool rows_add(const struct log_env *env, struct log_rows *rows,
    struct name_set *set, const struct log_scan *scan)
{
	struct evkv_slice collection = log_item_collection(scan->at,
	    &scan->item);
	void *memory = rows->rows;
	struct log_row *row;
	bool ok = grow(&memory, &rows->room, rows->count, 1, sizeof(*row));

	rows->rows = memory;
	if (!ok)
		return false;
	row = &rows->rows[rows->count];
	if (!set_number(env, rows, set, collection, &row->collection))
		return false;
	row->hash = evkv__log_hash(&env->key, collection,
	    log_item_key(scan->at, &scan->item));
	row->offset = (uint32_t)(scan->item_offset / 8);
	row->size = (uint32_t)(log_item_size(&scan->item) / 8);
	row->expiry = log_coarse(scan->item.expires);
	if (scan->item.kind == LOG_TOMBSTONE)
		row->collection |= LOG_ROW_TOMBSTONE;
	rows->count++;
	return true;
}

static int row_compare(const void *a, const void *b)
{
	const struct log_row *one = a, *two = b;

	if (one->hash.high != two->hash.high)
		return one->hash.high < two->hash.high ? -1 : 1;
	if (one->hash.low != two->hash.low)
		return one->hash.low < two->hash.low ? -1 : 1;
	/* The later one first. */
	return one->offset > two->offset ? -1 : one->offset < two->offset;
}

/*
 * Hashes are spread evenly: one pass brings each row next to its place, and
 * little is left to be moved. false = no memory, or they are not spread.
 */
static bool rows_spread(struct log_rows *rows)
{
	unsigned bits = 63 - (unsigned)__builtin_clzll(rows->count | 8) - 2;
	size_t buckets = (size_t)1 << bits, i, at, most = 0;
	uint32_t *ends = evkv_calloc(buckets + 1, sizeof(*ends));
	struct log_row *to = evkv_malloc(rows->count * sizeof(*to));

	for (i = 0; ends != NULL && i < rows->count; i++) {
		log_make_way(i);
		at = (size_t)(rows->rows[i].hash.high >> (64 - bits));
		most = ++ends[at + 1] > most ? ends[at + 1] : most;
	}
	if (ends == NULL || to == NULL || most > SPREAD_MAX) {
		evkv_free(ends);
		evkv_free(to);
		return false;
	}
	for (i = 1; i <= buckets; i++)
		ends[i] += ends[i - 1];
	for (i = 0; i < rows->count; i++) {
		log_make_way(i);
		to[ends[rows->rows[i].hash.high >> (64 - bits)]++] =
		    rows->rows[i];
	}
	evkv_free(ends);
	evkv_free(rows->rows);
	rows->rows = to;
	rows->room = rows->count;
	return true;
}

static void rows_order(struct log_rows *rows)
{
	struct log_row row;
	size_t i, at;

	if (!rows_spread(rows)) {
		qsort(rows->rows, rows->count, sizeof(*rows->rows),
		    row_compare);
		return;
	}
	for (i = 1; i < rows->count; i++) {
		log_make_way(i);
		row = rows->rows[i];
		for (at = i;
		     at > 0 && row_compare(&row, &rows->rows[at - 1]) < 0; at--)
			rows->rows[at] = rows->rows[at - 1];
		rows->rows[at] = row;
	}
}

static void rows_sort(struct log_rows *rows)
{
	size_t i, kept = 0;

	if (rows->count == 0)
		return;
	rows_order(rows);
	for (i = 1; i < rows->count; i++) {
		if (rows->rows[i].hash.high != rows->rows[kept].hash.high ||
		    rows->rows[i].hash.low != rows->rows[kept].hash.low)
			rows->rows[++kept] = rows->rows[i];
	}
	rows->count = kept + 1;
}

/* What is behind the last sound item. */
static void walk_end(struct log_scan *scan, struct log_walk_end *end)
{
	int found;

	end->offset = scan->offset;
	end->last = scan->last;
	end->puts = scan->puts;
	if (end->step != LOG_STEP_BAD)
		return;
	found = evkv__log_scan_was_durable(scan, &end->evidence);
	end->damage = found == 1;
	if (found < 0)
		end->step = LOG_STEP_IO;
}

/* For as many as the file's end tells; without memory they grow as they come. */
static void rows_reserve(struct log_rows *rows, const struct log_file *file)
{
	void *memory = NULL;

	if (!file->sealed || file->puts > LOG_FILE_ITEMS)
		return;
	grow(&memory, &rows->room, 0, (size_t)file->puts, sizeof(*rows->rows));
	rows->rows = memory;
}

void evkv__log_rows_gather(struct log_env *env, struct log_file *file,
    struct log_rows *rows, struct log_walk_end *end)
{
	struct name_set set = { .last = UINT32_MAX };
	struct log_scan scan;

	memset(end, 0, sizeof(*end));
	memset(rows, 0, sizeof(*rows));
	end->step = LOG_STEP_NOMEM;
	if (!evkv__log_scan_begin(&scan, file))
		return;
	rows_reserve(rows, file);
	while ((end->step = evkv__log_scan_next(&scan, true)) ==
	    LOG_STEP_ITEM) {
		if (!rows_add(env, rows, &set, &scan)) {
			end->step = LOG_STEP_NOMEM;
			break;
		}
		log_make_way(rows->count);
		log_count(&env->counts.scanned, scan.offset);
	}
	end->sys_error = errno;
	walk_end(&scan, end);
	evkv__log_scan_end(&scan);
	evkv_free(set.slots);
	evkv_free(set.starts);
	rows_sort(rows);
}

/* ---- Writing ------------------------------------------------------------- */

static void row_write(unsigned char *to, const struct log_row *row)
{
	log_put_le(to, row->hash.high, 8);
	log_put_le(to + 8, row->hash.low, 8);
	log_put_le(to + 16, row->offset, 4);
	log_put_le(to + 20, row->size, 4);
	log_put_le(to + 24, row->expiry, 4);
	log_put_le(to + 28, row->collection, 4);
}

static size_t blocks_of(uint64_t rows)
{
	return (size_t)((rows + BLOCK_ROWS - 1) / BLOCK_ROWS);
}

/* Where the rows begin. */
static uint64_t rows_at(uint64_t rows, uint64_t names_size)
{
	return log_align(HEAD + blocks_of(rows) * 4 + names_size);
}

static void head_write(unsigned char *to, const struct log_file *file,
    const struct log_rows *rows, uint32_t checksum)
{
	memset(to, 0, HEAD);
	memcpy(to, LOG_INDEX_MAGIC, 8);
	log_put_le(to + 8, LOG_FORMAT, 4);
	log_put_le(to + 12, rows->count, 4);
	log_put_le(to + 16, file->head.id, 8);
	log_put_le(to + 24, file->size, 8);
	log_put_le(to + 32, file->last, 8);
	log_put_le(to + 40, rows->names_count, 4);
	log_put_le(to + 44, rows->names_size, 4);
	log_put_le(to + 48, checksum, 4);
	log_put_le(to + 60, evkv__crc32c(0, to, 60), 4);
}

/* The rows, block by block; their checksums go into `table`. */
static bool rows_write(int fd, const struct log_rows *rows,
    unsigned char *table)
{
	unsigned char *block = evkv_malloc(BLOCK);
	uint64_t at = rows_at(rows->count, rows->names_size);
	size_t i, count, done = 0;
	bool ok = block != NULL;

	if (!ok)
		errno = ENOMEM;
	for (; ok && done < rows->count; done += count, table += 4) {
		count = rows->count - done;
		if (count > BLOCK_ROWS)
			count = BLOCK_ROWS;
		for (i = 0; i < count; i++)
			row_write(block + i * LOG_ROW_SIZE,
			    &rows->rows[done + i]);
		log_put_le(table, evkv__crc32c(0, block, count * LOG_ROW_SIZE),
		    4);
		ok = evkv__log_pwrite(fd, block, count * LOG_ROW_SIZE, at);
		at += count * LOG_ROW_SIZE;
		log_make_way(0);
	}
	evkv_free(block);
	return ok;
}

static bool index_write(int fd, const struct log_file *file,
    const struct log_rows *rows)
{
	size_t table = blocks_of(rows->count) * 4;
	size_t size = HEAD + table + rows->names_size;
	unsigned char *front = evkv_calloc(1, size + 1);
	bool ok = front != NULL;

	if (!ok)
		errno = ENOMEM;
	ok = ok && rows_write(fd, rows, front + HEAD);
	if (ok && rows->names_size > 0)
		memcpy(front + HEAD + table, rows->names, rows->names_size);
	if (ok) {
		head_write(front, file, rows,
		    evkv__crc32c(0, front + HEAD, size - HEAD));
		ok = evkv__log_pwrite(fd, front, size, 0) && fsync(fd) == 0;
	}
	evkv_free(front);
	return ok;
}

bool evkv__log_rows_write(struct log_env *env, const struct log_file *file,
    const struct log_rows *rows)
{
	char new[LOG_NAME_ROOM], name[LOG_NAME_ROOM];
	bool ok;
	int fd, code;

	evkv__log_file_name(new, file->head.number, ".index.new");
	evkv__log_file_name(name, file->head.number, ".index");
	fd = openat(env->folder, new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
	    FOLDER_FILE_MODE);
	if (fd < 0)
		return false;
	ok = index_write(fd, file, rows);
	code = errno;
	close(fd);
	ok = ok && renameat(env->folder, new, env->folder, name) == 0 &&
	    evkv__folder_sync(env->folder);
	if (!ok) {
		unlinkat(env->folder, new, 0);
		errno = code;
	}
	return ok;
}

bool evkv__log_index_file_make(struct log_env *env, struct log_file *file)
{
	struct log_walk_end end;
	struct log_rows rows;
	bool ok;

	evkv__log_rows_gather(env, file, &rows, &end);
	ok = end.step == LOG_STEP_SEAL &&
	    evkv__log_rows_write(env, file, &rows);
	evkv__log_rows_free(&rows);
	return ok;
}

/* ---- Reading ------------------------------------------------------------- */

struct log_reader {
	int fd;               /* -1: rows in memory */
	struct log_rows rows; /* those, or the names alone */
	unsigned char *table, *block;
	uint64_t count, next;
};

static struct log_reader *reader_new(int fd)
{
	struct log_reader *reader = evkv_calloc(1, sizeof(*reader));

	if (reader == NULL) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	reader->fd = fd;
	return reader;
}

void evkv__log_reader_free(struct log_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->fd >= 0)
		close(reader->fd);
	evkv__log_rows_free(&reader->rows);
	evkv_free(reader->table);
	evkv_free(reader->block);
	evkv_free(reader);
}

/* Takes the rows over, also where it fails. */
struct log_reader *evkv__log_reader_of_rows(struct log_rows *rows)
{
	struct log_reader *reader = reader_new(-1);

	if (reader == NULL) {
		evkv__log_rows_free(rows);
		return NULL;
	}
	reader->rows = *rows;
	reader->count = rows->count;
	memset(rows, 0, sizeof(*rows));
	return reader;
}

/* Whether it is sound and of this file. */
static bool head_fits(const unsigned char *head, const struct log_file *file)
{
	return memcmp(head, LOG_INDEX_MAGIC, 8) == 0 &&
	    log_get_le(head + 60, 4) == evkv__crc32c(0, head, 60) &&
	    log_get_le(head + 8, 4) == LOG_FORMAT &&
	    log_get_le(head + 16, 8) == file->head.id &&
	    log_get_le(head + 24, 8) == file->size &&
	    log_get_le(head + 32, 8) == file->last &&
	    log_get_le(head + 44, 4) < NAMES_MAX;
}

static bool reader_front(struct log_reader *reader, const unsigned char *head)
{
	size_t names = (size_t)log_get_le(head + 44, 4), table, size;

	reader->count = log_get_le(head + 12, 4);
	table = blocks_of(reader->count) * 4;
	size = table + names;
	reader->table = evkv_malloc(size + 1);
	reader->block = evkv_malloc(BLOCK);
	reader->rows.names = evkv_malloc(names + 1);
	if (reader->table == NULL || reader->block == NULL ||
	    reader->rows.names == NULL ||
	    !evkv__log_pread(reader->fd, reader->table, size, HEAD) ||
	    evkv__crc32c(0, reader->table, size) != log_get_le(head + 48, 4))
		return false;
	memcpy(reader->rows.names, reader->table + table, names);
	reader->rows.names_size = names;
	reader->rows.names_count = (uint32_t)log_get_le(head + 40, 4);
	return true;
}

struct log_reader *evkv__log_reader_open(struct log_env *env,
    const struct log_file *file)
{
	unsigned char head[HEAD];
	char name[LOG_NAME_ROOM];
	struct log_reader *reader;
	int fd;

	evkv__log_file_name(name, file->head.number, ".index");
	fd = openat(env->folder, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	reader = reader_new(fd);
	if (reader == NULL)
		return NULL;
	if (evkv__log_pread(fd, head, sizeof(head), 0) &&
	    head_fits(head, file) && reader_front(reader, head))
		return reader;
	evkv__log_reader_free(reader);
	return NULL;
}

uint64_t evkv__log_reader_count(const struct log_reader *reader)
{
	return reader->count;
}

struct evkv_slice evkv__log_reader_names(const struct log_reader *reader)
{
	return evkv_bytes(reader->rows.names, reader->rows.names_size);
}

static bool reader_block(struct log_reader *reader)
{
	size_t block = (size_t)(reader->next / BLOCK_ROWS);
	uint64_t left = reader->count - reader->next;
	size_t size = (size_t)(left < BLOCK_ROWS ? left : BLOCK_ROWS) *
	    LOG_ROW_SIZE;

	return evkv__log_pread(reader->fd, reader->block, size,
		   rows_at(reader->count, reader->rows.names_size) +
		       block * BLOCK) &&
	    evkv__crc32c(0, reader->block, size) ==
	    log_get_le(reader->table + block * 4, 4);
}

bool evkv__log_reader_next(struct log_reader *reader, struct log_row *row,
    bool *failed)
{
	const unsigned char *at;

	if (reader->next == reader->count)
		return false;
	if (reader->fd < 0) {
		*row = reader->rows.rows[reader->next++];
		return true;
	}
	if (reader->next % BLOCK_ROWS == 0 && !reader_block(reader)) {
		*failed = true;
		return false;
	}
	at = reader->block + reader->next++ % BLOCK_ROWS * LOG_ROW_SIZE;
	row->hash.high = log_get_le(at, 8);
	row->hash.low = log_get_le(at + 8, 8);
	row->offset = (uint32_t)log_get_le(at + 16, 4);
	row->size = (uint32_t)log_get_le(at + 20, 4);
	row->expiry = (uint32_t)log_get_le(at + 24, 4);
	row->collection = (uint32_t)log_get_le(at + 28, 4);
	return true;
}
