/*
 * stores/jsonfile/work.c - what the worker does with a batch of jobs.
 *
 * The file is looked at first, and read if it has changed. Then all jobs are
 * done on the entries in memory, and if any of them has changed something the
 * file is replaced, once, before any of it is acknowledged. Where somebody else
 * was faster it is read again, and the batch is done once more. Where the file
 * can't be replaced the entries in memory are given up, and read anew.
 */
#include "stores/jsonfile/store.h"

#define TRIES 8

/* ---- The file ------------------------------------------------------------ */

static void work_forget(struct jsonfile *json)
{
	evkv__jsonfile_clear(&json->table);
	json->loaded = json->changed = false;
}

static void work_read(struct jsonfile *json)
{
	char *text = NULL;
	size_t size = 0;

	work_forget(json);
	json->wrong.status = EVKV_OK;
	if (evkv__json_file_load(&json->file, &text, &size, &json->wrong) &&
	    text != NULL)
		evkv__jsonfile_read(evkv_bytes(text, size), json->file.path,
		    &json->table, &json->wrong);
	evkv_free(text);
	/* Want of memory may pass; what is wrong with the file stays. */
	json->loaded = json->wrong.status == EVKV_OK ||
	    json->wrong.status == EVKV_CORRUPT;
}

static bool work_current(struct jsonfile *json)
{
	return json->loaded && !json->changed &&
	    evkv__json_file_same(&json->file);
}

/* Have the entries as the file is now. */
static bool work_refresh(struct jsonfile *json, struct file_failure *failure)
{
	if (!work_current(json))
		work_read(json);
	if (json->wrong.status != EVKV_OK)
		*failure = json->wrong;
	return json->wrong.status == EVKV_OK;
}

/* Likewise, with the lock. */
static bool work_refresh_locked(struct jsonfile *json,
    struct file_failure *failure)
{
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		if (!work_refresh(json, failure) ||
		    !evkv__json_file_lock(&json->file, &json->serial, failure))
			return false;
		if (work_current(json))
			return true;
		evkv__json_file_unlock(&json->file);
	}
	return evkv__file_fail(failure, EVKV_BUSY, 0, "%s: it keeps changing",
	    json->file.path);
}

bool evkv__jsonfile_open(void *self, struct file_failure *failure)
{
	struct jsonfile *json = self;

	json->file.seen = false;
	return work_refresh(json, failure);
}

void evkv__jsonfile_close(void *self, struct file_failure *failure)
{
	struct jsonfile *json = self;

	(void)failure;
	work_forget(json);
	evkv__json_file_close(&json->file);
}

/* ---- Batches ------------------------------------------------------------- */

static bool job_writes(const struct serial_job *job)
{
	return (evkv_kind_classes(job->request->kind) & EVKV_CLASS_WRITES) != 0;
}

static struct serial_job *job_next(const struct serial_job *job)
{
	return (struct serial_job *)evkv_job_next(&job->job);
}

static bool batch_writes(const struct serial_job *job)
{
	for (; job != NULL; job = job_next(job)) {
		if (job_writes(job))
			return true;
	}
	return false;
}

/* As it was before it was done. */
static void job_reset(struct serial_job *job)
{
	size_t i;

	for (i = 0; job->cells != NULL && i < job->request->count; i++) {
		evkv_value_unref(job->cells[i].value);
		job->cells[i] = (struct file_cell){ .status = EVKV_OK };
	}
	evkv__name_page_free(&job->page);
	job->failure.status = EVKV_OK;
	job->removed = 0;
}

/* Jobs that only read are not failed by what keeps others from writing. */
static void batch_fail(struct serial_job *job,
    const struct file_failure *failure, bool reads)
{
	for (; job != NULL; job = job_next(job)) {
		if (!reads && !job_writes(job))
			continue;
		job_reset(job);
		job->failure = *failure;
		evkv__serial_job_fail(job);
	}
}

/*
 * The file could not be replaced. A read behind a write has told what is not
 * there; one before it has not.
 */
static void batch_undo(struct serial_job *job,
    const struct file_failure *failure)
{
	bool written = false;

	for (; job != NULL; job = job_next(job)) {
		written |= job_writes(job);
		if (!written)
			continue;
		job_reset(job);
		job->failure = *failure;
		if (!job_writes(job))
			job->failure.status = EVKV_IO;
		evkv__serial_job_fail(job);
	}
}

static void batch_do(struct jsonfile *json, struct serial_job *job, bool writes)
{
	for (; job != NULL; job = job_next(job)) {
		if (!writes && job_writes(job))
			continue;
		job_reset(job);
		evkv__jsonfile_do(json, job);
	}
}

static enum json_saved batch_save(struct jsonfile *json,
    struct file_failure *failure)
{
	enum json_saved saved = JSON_FAILED;
	struct evkv_json_writer writer;

	if (!json->changed)
		return JSON_SAVED;
	if (evkv__jsonfile_write(&json->table, &writer))
		saved = evkv__json_file_save(&json->file,
		    evkv_bytes(writer.data, writer.size), failure);
	else
		evkv__file_fail(failure, EVKV_NOMEM, 0, "out of memory");
	evkv_json_writer_clear(&writer);
	if (saved == JSON_SAVED)
		json->changed = false;
	else
		work_forget(json);
	return saved;
}

/* true: it is done, well or not. false: once more. */
static bool batch_try(struct jsonfile *json, struct serial_job *first)
{
	struct file_failure failure = { .status = EVKV_OK };
	enum json_saved saved;

	if (!work_refresh_locked(json, &failure)) {
		if (json->wrong.status == EVKV_OK)
			batch_do(json, first, false);
		batch_fail(first, &failure, json->wrong.status != EVKV_OK);
		return true;
	}
	batch_do(json, first, true);
	saved = batch_save(json, &failure);
	evkv__json_file_unlock(&json->file);
	if (saved == JSON_FAILED)
		batch_undo(first, &failure);
	return saved != JSON_CHANGED;
}

void evkv__jsonfile_run(void *self, struct serial_job *first)
{
	struct jsonfile *json = self;
	struct file_failure failure = { .status = EVKV_OK };
	int tries;

	if (!batch_writes(first)) {
		if (work_refresh(json, &failure))
			batch_do(json, first, false);
		else
			batch_fail(first, &failure, true);
		return;
	}
	for (tries = 0; tries < TRIES; tries++) {
		if (batch_try(json, first))
			return;
	}
	evkv__file_fail(&failure, EVKV_BUSY, 0, "%s: it keeps changing",
	    json->file.path);
	batch_fail(first, &failure, true);
}
