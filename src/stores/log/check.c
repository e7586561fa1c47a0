#include "stores/log/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "evkv/alloc.h"

struct checking {
	struct log_env
	    *env; /* of what is looked at: its folder alone is open */
	struct log_check *check;
	struct log_worker *out;
	int64_t now_ms;
	struct file_failure *failure;
	const struct log_file *file;
};

static void wrong_text(struct checking *c, const char *text)
{
	c->check->damages++;
	if (c->check->wrong != NULL)
		c->check->wrong(text, c->check->arg);
}

__attribute__((format(printf, 3, 4))) static void wrong(struct checking *c,
    uint64_t number, const char *format, ...)
{
	char text[400];
	int used = snprintf(text, sizeof(text), "%04" PRIu64 ": ", number);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
	va_end(args);
	wrong_text(c, text);
}

/* ---- Saving -------------------------------------------------------------- */

/* One record, as a put or a delete of its name. */
static bool save_item(struct checking *c, const struct log_scan *scan)
{
	const struct log_item *item = &scan->item;
	struct evkv_slice key = log_item_key(scan->at, item), value;
	bool puts = item->kind == LOG_PUT && log_live(item, c->now_ms);
	struct evkv_request request = {
		.kind = puts ? EVKV_OP_PUT : EVKV_OP_DELETE,
		.collection = log_item_collection(scan->at, item),
		.count = 1,
		.keys = &key,
	};
	struct log_job job = { .base.request = &request, .now_ms = c->now_ms };
	const struct log_unit unit = { .job = &job };

	if (puts) {
		value = log_item_value(scan->at, item);
		request.values = &value;
		request.ttl_ms = item->expires == 0
		    ? EVKV_TTL_NONE
		    : (int64_t)item->expires - c->now_ms;
	}
	job.cells = &job.one_cell;
	evkv__log_group_commit(c->out, &unit, 1);
	if (job.one_cell.status == EVKV_OK ||
	    job.one_cell.status == EVKV_NOT_FOUND)
		return true;
	*c->failure = job.failure;
	c->failure->status = job.one_cell.status;
	return false;
}

/* ---- Walking ------------------------------------------------------------- */

static bool check_item(struct checking *c, const struct log_scan *scan)
{
	if (scan->item.kind == LOG_PUT)
		c->check->puts++;
	else
		c->check->tombstones++;
	return c->out == NULL || save_item(c, scan);
}

/* What is not sound: damage, unless the file was torn at its end. */
static bool check_bad(struct checking *c, struct log_scan *scan, bool *goes_on)
{
	uint64_t offset = scan->offset, where;
	int durable = c->file->sealed
	    ? 1
	    : evkv__log_scan_was_durable(scan, &where);

	if (durable < 0)
		return evkv__file_fail(c->failure, EVKV_IO, errno,
		    "%04" PRIu64 ".data: can't read it", c->file->head.number);
	*goes_on = durable == 1;
	if (!*goes_on)
		return true;
	scan->offset = offset;
	*goes_on = evkv__log_scan_skip(scan);
	if (*goes_on)
		wrong(c, c->file->head.number,
		    "damaged from offset %" PRIu64 " to %" PRIu64, offset,
		    scan->offset);
	else
		wrong(c, c->file->head.number,
		    "damaged from offset %" PRIu64 " to its end", offset);
	return true;
}

static bool check_file(struct checking *c, struct log_file *file)
{
	struct log_scan scan;
	bool goes_on = true, ok = true;

	c->file = file;
	if (!evkv__log_scan_begin(&scan, file))
		return evkv__file_fail(c->failure, EVKV_NOMEM, 0,
		    "out of memory");
	while (ok && goes_on) {
		switch (evkv__log_scan_next(&scan, true)) {
		case LOG_STEP_ITEM: ok = check_item(c, &scan); break;
		case LOG_STEP_SEAL: goes_on = false; break;
		case LOG_STEP_BAD: ok = check_bad(c, &scan, &goes_on); break;
		case LOG_STEP_NOMEM:
			ok = evkv__file_fail(c->failure, EVKV_NOMEM, 0,
			    "out of memory");
			break;
		default:
			ok = evkv__file_fail(c->failure, EVKV_IO, errno,
			    "%04" PRIu64 ".data: can't read it",
			    file->head.number);
			break;
		}
	}
	evkv__log_scan_end(&scan);
	return ok;
}

/* An index file is damaged or of another file; or there is none. */
static void check_index(struct checking *c, struct log_file *file)
{
	char name[LOG_NAME_ROOM];
	struct log_reader *reader;
	struct log_row row;
	bool failed = false;

	evkv__log_file_name(name, file->head.number, ".index");
	if (faccessat(c->env->folder, name, F_OK, 0) != 0 || !file->sealed)
		return;
	reader = evkv__log_reader_open(c->env, file);
	while (reader != NULL && evkv__log_reader_next(reader, &row, &failed))
		;
	if (reader == NULL || failed)
		wrong(c, file->head.number,
		    "its index file is damaged or not its own; it will be "
		    "made anew");
	evkv__log_reader_free(reader);
}

/* ---- All files ----------------------------------------------------------- */

static int file_compare(const void *a, const void *b)
{
	const struct log_file *one = *(struct log_file *const *)a;
	const struct log_file *two = *(struct log_file *const *)b;

	if (one->head.first != two->head.first)
		return one->head.first < two->head.first ? -1 : 1;
	return one->head.number < two->head.number ? -1 : 1;
}

static bool check_files(struct checking *c, struct log_file **files,
    size_t count)
{
	uint64_t next = 1;
	bool ok = true;
	size_t i;

	qsort(files, count, sizeof(*files), file_compare);
	for (i = 0; ok && i < count; i++) {
		if (files[i]->head.first > next)
			wrong(c, files[i]->head.number,
			    "a data file before it is missing, with versions "
			    "%" PRIu64 " to %" PRIu64,
			    next, files[i]->head.first - 1);
		if (!files[i]->sealed && i + 1 < count)
			wrong(c, files[i]->head.number,
			    "cut off or damaged at its end, at offset %" PRIu64,
			    files[i]->size);
		if (files[i]->sealed && files[i]->last >= next)
			next = files[i]->last + 1;
		c->check->files++;
		ok = check_file(c, files[i]);
		if (ok)
			check_index(c, files[i]);
	}
	return ok;
}

/* STORE holds no entries: all that is sound can be saved without it. */
static bool check_store(struct checking *c)
{
	if (evkv__log_folder_check(c->env, c->failure))
		return true;
	if (c->failure->status != EVKV_CORRUPT)
		return false;
	wrong_text(c, "STORE: missing or damaged; the log can't be opened");
	return true;
}

static bool check_open(struct checking *c, const char *path)
{
	struct log_env *env = c->env;

	env->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Nothing is written into, or removed from, what is no log. */
	if (env->folder >= 0 && !check_store(c))
		return false;
	if (env->folder >= 0)
		env->lock_file = openat(env->folder, "LOCK",
		    O_RDWR | O_CREAT | O_CLOEXEC, FOLDER_FILE_MODE);
	if (env->lock_file < 0)
		return evkv__file_fail(c->failure,
		    evkv__file_errno_status(errno), errno, "%s: can't open it",
		    path);
	return evkv__log_folder_lock(env, c->failure);
}

static bool check_all(struct checking *c, const char *path)
{
	struct file_failure failure;
	struct log_file **files;
	uint64_t *numbers = NULL;
	size_t count = 0, opened = 0, i;
	bool ok;

	if (!check_open(c, path) ||
	    !evkv__log_folder_list(c->env, &numbers, &count, c->failure))
		return false;
	if (log_last_is_lost(c->env, numbers, count))
		wrong(c, c->env->indexed, "its data file is missing");
	files = evkv_calloc(count + 1, sizeof(struct log_file *));
	for (i = 0; files != NULL && i < count; i++) {
		files[opened] = evkv__log_file_open(c->env->folder, numbers[i],
		    path, &failure);
		if (files[opened] != NULL)
			opened++;
		else
			wrong(c, numbers[i], "%s", failure.message);
	}
	ok = files != NULL
	    ? check_files(c, files, opened)
	    : evkv__file_fail(c->failure, EVKV_NOMEM, 0, "out of memory");
	for (i = 0; i < opened; i++)
		evkv__log_file_unref(files[i]);
	evkv_free(files);
	evkv_free(numbers);
	return ok;
}

bool evkv__log_check(const char *path, struct log_check *check,
    struct log_worker *out, int64_t now_ms, struct file_failure *failure)
{
	const struct log_config config = { .path = (char *)(uintptr_t)path };
	struct checking c = { .env = evkv__log_env_new(&config),
		.check = check,
		.out = out,
		.now_ms = now_ms,
		.failure = failure };
	bool ok;

	if (c.env == NULL)
		return evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
	ok = check_all(&c, path);
	evkv__log_folder_close(c.env);
	evkv__log_env_free(c.env);
	return ok;
}
