/*
 * engines/serial/answer.c - what a worker has found becomes an op's answer.
 */
#include "engines/serial/serial.h"

void evkv__serial_job_fail(struct serial_job *job)
{
	size_t i;

	for (i = 0; job->cells != NULL && i < job->request->count; i++) {
		evkv_value_unref(job->cells[i].value);
		job->cells[i] = (struct file_cell){
			.status = job->failure.status
		};
	}
}

void evkv__serial_give(struct file_cell *cell, struct evkv_value *value)
{
	cell->value = value;
	if (value == NULL)
		cell->status = EVKV_NOMEM;
}

static void answer_keyed(struct serial_store *serial, struct serial_job *job)
{
	const struct evkv_request *request = job->request;
	uint32_t classes = evkv_kind_classes(request->kind);
	int64_t now_ms = file_wall_ms(&serial->wall, serial->loop);
	size_t i;

	for (i = 0; i < request->count; i++)
		evkv__file_cell_answer(job->op, request, i, &job->cells[i],
		    now_ms);
	if (job->failure.status != EVKV_OK)
		evkv_op_explain(job->op, file_cause(&job->failure),
		    job->failure.sys_error, job->failure.message);
	if ((classes & EVKV_CLASS_WRITES) != 0)
		evkv__serial_wrote(serial,
		    (classes & EVKV_CLASS_HAS_TTL) != 0 &&
			(request->ttls_ms != NULL || request->ttl_ms != 0));
}

/* Without a position the next page begins behind the last name of this one. */
static void answer_page(struct serial_store *serial, struct serial_job *job)
{
	const struct name_page *page = &job->page;
	struct evkv_slice position;
	size_t i;

	for (i = 0; i < page->count; i++) {
		if (!evkv_op_add_name(job->op, name_page_name(page, i)))
			return;
	}
	if (!page->more)
		return;
	position = evkv_bytes(page->position, page->position_size);
	if (position.size == 0)
		position = name_page_name(page, page->count - 1);
	evkv_op_set_position(job->op, serial->type->vtable->name, position);
}

/* What a flush has failed by before is told once. */
static void answer_sync(struct serial_store *serial, struct serial_job *job)
{
	if (serial->unflushed.status != EVKV_OK)
		evkv__serial_op_fail(job->op, &serial->unflushed);
	serial->unflushed.status = EVKV_OK;
}

static void answer_span(struct serial_store *serial, struct serial_job *job)
{
	switch (job->request->kind) {
	case EVKV_OP_KEYS:
	case EVKV_OP_COLLECTIONS: answer_page(serial, job); break;
	case EVKV_OP_CLEAR:
	case EVKV_OP_CLEAR_ALL:
	case EVKV_OP_PURGE_EXPIRED:
		evkv_op_set_affected(job->op, job->removed);
		evkv__serial_wrote(serial, false);
		break;
	case EVKV_OP_SYNC: answer_sync(serial, job); break;
	default: break;
	}
}

void evkv__serial_answer(struct serial_store *serial, struct serial_job *job)
{
	if (job->cells != NULL)
		answer_keyed(serial, job);
	else if (job->failure.status != EVKV_OK)
		evkv__serial_op_fail(job->op, &job->failure);
	else
		answer_span(serial, job);
}
