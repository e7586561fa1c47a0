/*
 * Damage: a value that is returned is the value that was stored; what is not is
 * CORRUPT, and can be put anew or deleted. evkv_disk_check finds the rest.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit.h"
#include "stores/disk/format.h"

#define MARK "this-value-is-looked-for-in-the-file"
#define ROW_HEAD 28

/* Of this process, begun and not ended. */
static int transactions;

static void *lmdb_next(const char *name)
{
	void *next = dlsym(RTLD_NEXT, name);

	check(next != NULL);
	return next;
}

/* Before LMDB's own; the tree is compiled with hidden symbols. */
__attribute__((visibility("default"))) int mdb_txn_begin(MDB_env *env,
    MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
	void *found = lmdb_next("mdb_txn_begin");
	int (*next)(MDB_env *, MDB_txn *, unsigned, MDB_txn **);
	int code;

	memcpy(&next, &found, sizeof(next));
	code = next(env, parent, flags, txn);
	__atomic_add_fetch(&transactions, code == 0, __ATOMIC_SEQ_CST);
	return code;
}

__attribute__((visibility("default"))) int mdb_txn_commit(MDB_txn *txn)
{
	void *found = lmdb_next("mdb_txn_commit");
	int (*next)(MDB_txn *);

	memcpy(&next, &found, sizeof(next));
	__atomic_sub_fetch(&transactions, 1, __ATOMIC_SEQ_CST);
	return next(txn);
}

__attribute__((visibility("default"))) void mdb_txn_abort(MDB_txn *txn)
{
	void *found = lmdb_next("mdb_txn_abort");
	void (*next)(MDB_txn *);

	memcpy(&next, &found, sizeof(next));
	__atomic_sub_fetch(&transactions, txn != NULL, __ATOMIC_SEQ_CST);
	next(txn);
}

/* Read the whole file; returns its size. */
static size_t slurp(const struct kit *kit, unsigned char **bytes)
{
	char path[400];
	size_t size = kit_file_size(kit);
	int fd;

	kit_data_file(kit, path, sizeof(path));
	*bytes = malloc(size);
	fd = open(path, O_RDONLY);
	check_int(pread(fd, *bytes, size, 0), size);
	close(fd);
	return size;
}

/* Flip bits of one byte of the file. */
static void flip(const struct kit *kit, size_t at, unsigned char bits)
{
	char path[400];
	unsigned char byte;
	int fd;

	kit_data_file(kit, path, sizeof(path));
	fd = open(path, O_RDWR);
	check_int(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= bits;
	check_int(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

/* Where the mark is last in the file: the copy that counts, and older ones. */
static size_t find_all(const struct kit *kit, size_t *places, size_t most)
{
	unsigned char *bytes;
	size_t size = slurp(kit, &bytes), count = 0, i;

	for (i = 0; i + sizeof(MARK) - 1 < size && count < most; i++) {
		if (memcmp(bytes + i, MARK, sizeof(MARK) - 1) == 0)
			places[count++] = i;
	}
	free(bytes);
	check(count > 0);
	return count;
}

static void flip_all(const struct kit *kit, ptrdiff_t offset,
    unsigned char bits)
{
	size_t places[64], count = find_all(kit, places, 64), i;

	for (i = 0; i < count; i++)
		flip(kit, (size_t)((ptrdiff_t)places[i] + offset), bits);
}

static void prepare(struct kit *kit)
{
	kit_begin(kit);
	kit_open(kit, NULL);
	check_status(kit_put(kit, "c", EVKV_LIT("marked"), EVKV_LIT(MARK),
			 3600000),
	    EVKV_OK);
	check_status(kit_put(kit, "c", EVKV_LIT("other"), EVKV_LIT("fine"), 0),
	    EVKV_OK);
	kit_close(kit);
}

static int run_check(const struct kit *kit, const char *out)
{
	int status;
	pid_t pid = fork();

	check(pid >= 0);
	if (pid == 0) {
		int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execl(DISK_CHECK, "evkv_disk_check", kit->path, (char *)NULL);
		_exit(127);
	}
	check(waitpid(pid, &status, 0) == pid);
	check(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int check_store(const struct kit *kit, char *text, size_t room)
{
	char out[400];
	ssize_t size;
	int status, fd;

	snprintf(out, sizeof(out), "%s/out", kit->folder);
	status = run_check(kit, out);
	fd = open(out, O_RDONLY);
	size = read(fd, text, room - 1);
	text[size > 0 ? size : 0] = '\0';
	close(fd);
	return status;
}

EVKV_TEST(disk_damage, every_flipped_bit_of_a_row_is_found)
{
	struct answer answer = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("marked");
	struct kit kit;
	ptrdiff_t at;
	int bit;

	prepare(&kit);
	/* The head of the row, with its expiry and checksums, and the value. */
	for (at = -ROW_HEAD; at < (ptrdiff_t)sizeof(MARK) - 1; at++) {
		bit = 1 << ((at + ROW_HEAD) % 8);
		/* Beyond its first byte the mark is found again afterwards. */
		size_t places[64], count = find_all(&kit, places, 64), i;

		for (i = 0; i < count; i++)
			flip(&kit, (size_t)((ptrdiff_t)places[i] + at),
			    (unsigned char)bit);
		kit_open(&kit, NULL);
		check_status(kit_do(&kit,
				 &(struct evkv_request){ .kind = EVKV_OP_TTL,
				     .flags = EVKV_FLAG_SINGLE,
				     .collection = EVKV_LIT("c"),
				     .count = 1,
				     .keys = &key },
				 &answer),
		    EVKV_CORRUPT);
		check_int(answer.entries[0].has_value, false);
		answer_reset(&answer);
		check_status(kit_get(&kit, "c", EVKV_LIT("other"),
				 EVKV_LIT("fine")),
		    EVKV_OK);
		kit_close(&kit);
		for (i = 0; i < count; i++)
			flip(&kit, (size_t)((ptrdiff_t)places[i] + at),
			    (unsigned char)bit);
	}
	kit_open(&kit, NULL);
	check_status(kit_get(&kit, "c", key, EVKV_LIT(MARK)), EVKV_OK);
	answer_free(&answer);
	kit_end(&kit);
}

EVKV_TEST(disk_damage, a_put_or_a_delete_mends)
{
	struct kit kit;

	prepare(&kit);
	flip_all(&kit, 5, 0x10);
	kit_open(&kit, NULL);
	check_status(kit_get(&kit, "c", EVKV_LIT("marked"), EVKV_LIT("")),
	    EVKV_CORRUPT);
	check_status(kit_put(&kit, "c", EVKV_LIT("marked"), EVKV_LIT(MARK), 0),
	    EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("marked"), EVKV_LIT(MARK)),
	    EVKV_OK);
	kit_close(&kit);
	flip_all(&kit, -ROW_HEAD, 0x80); /* the flags */
	kit_open(&kit, NULL);
	check_status(kit_get(&kit, "c", EVKV_LIT("marked"), EVKV_LIT("")),
	    EVKV_CORRUPT);
	check_status(kit_delete(&kit, "c", EVKV_LIT("marked")), EVKV_OK);
	check_status(kit_get(&kit, "c", EVKV_LIT("marked"), EVKV_LIT("")),
	    EVKV_NOT_FOUND);
	kit_end(&kit);
}

EVKV_TEST(disk_damage, a_wrong_key_or_collection_is_no_answer)
{
	struct kit kit;

	prepare(&kit);
	/* "marked" lies before the row: it becomes another key. */
	flip_all(&kit, -ROW_HEAD - 1, 0x01);
	kit_open(&kit, NULL);
	check_status(kit_get(&kit, "c", EVKV_LIT("marked"), EVKV_LIT("")),
	    EVKV_NOT_FOUND);
	check_status(kit_get(&kit, "c", EVKV_LIT("markee"), EVKV_LIT("")),
	    EVKV_CORRUPT);
	kit_end(&kit);
}

EVKV_TEST(disk_damage, the_tool_finds_a_damaged_row)
{
	char text[2000];
	struct kit kit;

	prepare(&kit);
	check_int(check_store(&kit, text, sizeof(text)), 0);
	check_contains(text,
	    "2 entries, 1 collections, 1 expiries: 0 problems");
	flip_all(&kit, 3, 0x20);
	check_int(check_store(&kit, text, sizeof(text)), 1);
	check_contains(text, "entries: damaged: c / marked");
	kit_end(&kit);
}

/* The least and the most that there are, with a row for the sweep each. */
EVKV_TEST(disk_damage, the_tool_takes_names_of_every_size)
{
	static const size_t sizes[] = { 1, DISK_KEY_HEAD, DISK_KEY_HEAD + 1,
		EVKV_KEY_MAX };
	char collection[EVKV_COLLECTION_MAX + 1] = "", text[2000];
	static char name[EVKV_KEY_MAX];
	struct kit kit;
	size_t i;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	memset(name, 'n', sizeof(name));
	for (i = 0; i < 4; i++)
		check_status(kit_put(&kit, collection,
				 evkv_bytes(name, sizes[i]), EVKV_LIT(""),
				 1000),
		    EVKV_OK);
	memset(collection, 'c', EVKV_COLLECTION_MAX);
	check_status(kit_put(&kit, collection, EVKV_LIT("k"), EVKV_LIT(""), 0),
	    EVKV_OK);
	kit_close(&kit);
	check_int(check_store(&kit, text, sizeof(text)), 0);
	check_contains(text,
	    "5 entries, 2 collections, 4 expiries: 0 problems");
	kit_end(&kit);
}

/* Put a row, or remove it, as no store does. */
static void row_edit(const struct kit *kit, const char *table, const void *key,
    size_t size, struct evkv_slice data, bool removes)
{
	MDB_val name = { size, (void *)(uintptr_t)key };
	MDB_val row = { data.size, (void *)(uintptr_t)data.data };
	char path[400];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	kit_data_file(kit, path, sizeof(path));
	*strrchr(path, '/') = '\0';
	check_int(mdb_env_create(&env), 0);
	check_int(mdb_env_set_maxdbs(env, 8), 0);
	check_int(mdb_env_open(env, path, 0, 0600), 0);
	check_int(mdb_txn_begin(env, NULL, 0, &txn), 0);
	check_int(mdb_dbi_open(txn, table, 0, &dbi), 0);
	check_int(removes ? mdb_del(txn, dbi, &name, NULL)
			  : mdb_put(txn, dbi, &name, &row, 0),
	    0);
	check_int(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

EVKV_TEST(disk_damage, the_tool_finds_rows_that_are_none)
{
	/* Behind all others; the first eight bytes are the collection's. */
	static const char z[DISK_EXPIRY_KEY_MAX + 1] = "\377\377\377\377\377";
	static const struct {
		const char *table;
		size_t size;
		struct evkv_slice data;
		const char *says;
	} rows[] = {
		{ "expiry", 8 + DISK_ID_SIZE, { "", 0 },
		    "expiry: a row that is none" },
		{ "expiry", DISK_EXPIRY_KEY_MAX + 1, { "", 0 },
		    "expiry: a row that is none" },
		{ "entries", DISK_ID_SIZE, { z, DISK_ROW_HEAD },
		    "entries: a row that is none" },
		{ "entries", DISK_ROW_KEY_MAX + 1, { z, DISK_ROW_HEAD },
		    "entries: a row that is none" },
		{ "entries", DISK_ID_SIZE + 1, { z, DISK_ROW_HEAD - 1 },
		    "entries: a row that is none" },
		{ "entries", DISK_ID_SIZE + 1, { z + 8, DISK_ROW_HEAD },
		    "entries: a row of no collection" },
		{ "collections", 2, { z, DISK_ID_SIZE },
		    "collections: a damaged row" },
	};
	char text[2000];
	struct kit kit;
	size_t i;

	prepare(&kit);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		row_edit(&kit, rows[i].table, z, rows[i].size, rows[i].data,
		    false);
		check_int(check_store(&kit, text, sizeof(text)), 1);
		check_contains(text, rows[i].says);
		row_edit(&kit, rows[i].table, z, rows[i].size, rows[i].data,
		    true);
	}
	check_int(check_store(&kit, text, sizeof(text)), 0);
	kit_end(&kit);
}

/* What is refused is left without a transaction that is not ended. */
static void check_refused(struct kit *kit, enum evkv_status status)
{
	struct answer answer = ANSWER_INIT;

	check_status(kit_try_open(kit, NULL, &answer), status);
	answer_free(&answer);
	kit_close(kit);
	check_int(transactions, 0);
	rig_advance(&kit->rig, 2000);
}

EVKV_TEST(disk_damage, rows_about_the_store_itself_are_looked_at)
{
	static const struct {
		const char *key;
		struct evkv_slice data;
		enum evkv_status status;
	} rows[] = {
		{ "format", { "\4\0\0\0", 4 }, EVKV_UNSUPPORTED },
		{ "format", { "\2\0\0\0", 4 }, EVKV_UNSUPPORTED },
		{ "format", { "\3\0\0", 3 }, EVKV_UNSUPPORTED },
		{ "format", { "\3\0\0\0\0", 5 }, EVKV_UNSUPPORTED },
		{ "instance", { "1234567", 7 }, EVKV_CORRUPT },
		{ "instance", { "123456789", 9 }, EVKV_CORRUPT },
	};
	struct kit kit;
	size_t i;

	prepare(&kit);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		row_edit(&kit, "meta", rows[i].key, strlen(rows[i].key),
		    rows[i].data, false);
		check_refused(&kit, rows[i].status);
		row_edit(&kit, "meta", "format", 6, evkv_bytes("\3\0\0\0", 4),
		    false);
		row_edit(&kit, "meta", "instance", 8, evkv_bytes("12345678", 8),
		    false);
		kit_open(&kit, NULL);
		kit_close(&kit);
	}
	row_edit(&kit, "meta", "format", 6, evkv_bytes("", 0), true);
	check_refused(&kit, EVKV_CORRUPT);
	kit_end(&kit);
}

EVKV_TEST(disk_damage, the_tool_finds_damaged_pages)
{
	unsigned char *bytes;
	char text[5000], path[400], value[300];
	size_t size, page, found = 0, tried = 0;
	struct kit kit;
	unsigned i;
	int fd, status;

	kit_begin(&kit);
	kit_open(&kit, NULL);
	memset(value, 'v', sizeof(value));
	for (i = 0; i < 2000; i++)
		kit_put(&kit, "c", evkv_bytes(&i, sizeof(i)),
		    evkv_bytes(value, sizeof(value)), 0);
	kit_span(&kit, EVKV_OP_COMPACT, "");
	kit_close(&kit);
	size = slurp(&kit, &bytes);
	kit_data_file(&kit, path, sizeof(path));
	/* All pages are in use after a compaction, but what was added since. */
	for (page = 2; (page + 1) * 4096 <= size && tried < 20; page += 9) {
		char garbage[4096];

		if (bytes[page * 4096] == 0 && bytes[page * 4096 + 1] == 0 &&
		    bytes[page * 4096 + 10] == 0)
			continue;
		memset(garbage, 0x5a, sizeof(garbage));
		fd = open(path, O_WRONLY);
		check_int(pwrite(fd, garbage, 4096, (off_t)page * 4096), 4096);
		status = check_store(&kit, text, sizeof(text));
		check_between(status, 0, 1);
		found += status == 1;
		tried++;
		check_int(pwrite(fd, bytes + page * 4096, 4096,
			      (off_t)page * 4096),
		    4096);
		close(fd);
	}
	check(tried >= 10);
	check(found >= tried - 1);
	check_int(check_store(&kit, text, sizeof(text)), 0);
	free(bytes);
	kit_end(&kit);
}

EVKV_TEST(disk_damage, the_tool_refuses_what_is_no_store)
{
	char text[2000];
	struct kit kit;

	kit_begin(&kit);
	check_int(check_store(&kit, text, sizeof(text)), 2);
	check_contains(text, "is not there");
	check(access(kit.path, F_OK) != 0);
	mkdir(kit.path, 0700);
	snprintf(text, sizeof(text), "%s/x", kit.path);
	close(open(text, O_WRONLY | O_CREAT, 0600));
	check_int(check_store(&kit, text, sizeof(text)), 2);
	check_contains(text, "not a disk store");
	kit_end(&kit);
}
