#include "direct.h"

#include <stdio.h>
#include <stdlib.h>

#include "evkv/alloc.h"
#include "lib/test.h"

bool direct_open(struct direct *direct, const struct direct_config *config,
    struct file_failure *failure)
{
	const struct log_config log_config = {
		.path = (char *)(uintptr_t)config->path,
		.durability = config->durability,
		.max_bytes = config->max_bytes != 0 ? config->max_bytes
						    : (uint64_t)1 << 40,
		.segment_bytes = config->segment_bytes != 0
		    ? config->segment_bytes
		    : 64 << 10,
		.compact_ratio = config->ratio != 0 ? config->ratio : 0.5,
		.hash_mask = config->hash_mask != 0 ? config->hash_mask
						    : UINT64_MAX,
	};

	failure->status = EVKV_OK;
	failure->message[0] = '\0';
	direct->env = evkv__log_env_new(&log_config);
	check(direct->env != NULL);
	direct->worker = (struct log_worker){ .env = direct->env };
	if (direct->now_ms == 0)
		direct->now_ms = INT64_C(1800000000000);
	if (evkv__log_open(direct->env, direct->now_ms, failure)) {
		check(evkv__log_group_new(direct->env));
		return true;
	}
	evkv__log_env_free(direct->env);
	direct->env = NULL;
	return false;
}

void direct_close(struct direct *direct)
{
	if (direct->env == NULL)
		return;
	evkv__log_close(direct->env);
	evkv__log_group_free(direct->env);
	evkv__log_env_free(direct->env);
	evkv_free(direct->worker.buffer.data);
	direct->env = NULL;
}

/* ---- Writing ------------------------------------------------------------- */

struct direct_job {
	struct log_job job;
	struct evkv_request request;
	struct evkv_slice key, value;
};

static struct evkv_slice direct_collection(const struct direct *direct)
{
	return evkv_str(direct->collection != NULL ? direct->collection : "c");
}

static void job_make(struct direct *direct, struct direct_job *job,
    const struct direct_write *write)
{
	memset(job, 0, sizeof(*job));
	job->key = evkv_str(write->key);
	job->value = write->deletes ? evkv_bytes(NULL, 0)
				    : evkv_str(write->value);
	job->request = (struct evkv_request){
		.kind = write->deletes ? EVKV_OP_DELETE : EVKV_OP_PUT,
		.collection = direct_collection(direct),
		.count = 1,
		.keys = &job->key,
		.values = write->deletes ? NULL : &job->value,
		.ttl_ms = write->ttl_ms,
	};
	job->job.base.request = &job->request;
	job->job.now_ms = direct->now_ms;
	job->job.cells = &job->job.one_cell;
}

void direct_group(struct direct *direct, struct direct_write *writes,
    size_t count)
{
	struct direct_job *jobs = calloc(count, sizeof(*jobs));
	struct log_unit *units = calloc(count, sizeof(*units));
	size_t i;

	check(jobs != NULL && units != NULL);
	for (i = 0; i < count; i++) {
		job_make(direct, &jobs[i], &writes[i]);
		units[i] = (struct log_unit){ .job = &jobs[i].job };
	}
	evkv__log_group_commit(&direct->worker, units, count);
	for (i = 0; i < count; i++)
		writes[i].status = jobs[i].job.one_cell.status;
	free(units);
	free(jobs);
}

enum evkv_status direct_put(struct direct *direct, const char *key,
    const char *value, int64_t ttl_ms)
{
	struct direct_write write = {
		.key = key, .value = value, .ttl_ms = ttl_ms
	};

	direct_group(direct, &write, 1);
	return write.status;
}

enum evkv_status direct_delete(struct direct *direct, const char *key)
{
	struct direct_write write = { .deletes = true, .key = key };

	direct_group(direct, &write, 1);
	return write.status;
}

/* ---- The rest ------------------------------------------------------------ */

enum evkv_status direct_get(struct direct *direct, const char *key, char *value,
    size_t size)
{
	struct evkv_slice name = evkv_str(key), bytes;
	const struct evkv_request request = { .kind = EVKV_OP_GET,
		.collection = direct_collection(direct),
		.count = 1,
		.keys = &name };
	struct file_failure failure = { .status = EVKV_OK };
	const struct log_read read = { .env = direct->env,
		.request = &request,
		.now_ms = direct->now_ms,
		.buffer = &direct->worker.buffer,
		.failure = &failure };
	struct file_cell cell = { .status = EVKV_OK };

	evkv__log_read_cell(&read, 0, &cell);
	value[0] = '\0';
	if (cell.status != EVKV_OK)
		return cell.status;
	bytes = evkv_value_bytes(cell.value);
	check(bytes.size < size);
	if (bytes.size > 0)
		memcpy(value, bytes.data, bytes.size);
	value[bytes.size] = '\0';
	evkv_value_unref(cell.value);
	return EVKV_OK;
}

bool direct_remove(struct direct *direct, enum evkv_kind kind, int64_t *removed)
{
	const struct evkv_request request = { .kind = kind,
		.collection = direct_collection(direct) };
	struct file_failure failure = { .status = EVKV_OK };
	struct log_removal removal = { .removed = 0 };
	bool ok = true;

	while (ok && !removal.finished)
		ok = evkv__log_remove_some(&direct->worker, &request,
		    direct->now_ms, 64, &removal, &failure);
	if (removed != NULL)
		*removed = removal.removed;
	return ok;
}

int direct_compact(struct direct *direct)
{
	uint64_t copied, up_to;
	bool finished = false;
	int code = evkv__log_roll(direct->env);

	up_to = direct->env->numbered;
	while (code == 0 && !finished)
		code = evkv__log_compact_piece(direct->env, true, up_to,
		    direct->now_ms, &copied, &finished);
	return code;
}
