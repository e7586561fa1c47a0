/*
 * core/lack.c - calls that there was no memory for: they end with NOMEM.
 *
 * An operation takes about 1 KiB, and what is needed to tell of one a few
 * words. These are allocated, and where that fails, too, taken from a reserve
 * that is made with the loop. So ticket 0 is left to handles that have no loop
 * on which a callback could come.
 */
#include "core/core.h"

static void lack_tell(const struct core_lack *lack)
{
	const struct evkv_entry entry = { .status = EVKV_NOMEM };
	const struct evkv_result result = {
		.status = EVKV_NOMEM,
		.cause = EVKV_CAUSE_NOMEM,
		.kind = lack->kind,
		.message = evkv_status_text(EVKV_NOMEM),
		.count = lack->single ? 1 : 0,
		.entries = &entry,
		.entry_size = sizeof(entry),
		.affected = 0,
	};

	if (lack->cb != NULL)
		lack->cb(&result, lack->arg);
}

/* One in a turn: its callback may break the loop, or be lacking again. */
static void lacks_run(void *arg)
{
	struct core *core = arg;
	struct core_lack *lack = STAILQ_FIRST(&core->lacks), told = *lack;

	STAILQ_REMOVE_HEAD(&core->lacks, link);
	if (lack->allocated)
		evkv_free(lack);
	else
		STAILQ_INSERT_TAIL(&core->lack_reserve, lack, link);
	if (!STAILQ_EMPTY(&core->lacks))
		evkv_task_queue(&core->loop, &core->lacks_task);
	lack_tell(&told);
}

void evkv__lacks_init(struct core *core)
{
	size_t i;

	STAILQ_INIT(&core->lacks);
	STAILQ_INIT(&core->lack_reserve);
	for (i = 0; i < CORE_RESERVE; i++)
		STAILQ_INSERT_TAIL(&core->lack_reserve, &core->reserve[i],
		    link);
	core->lacks_task.run = lacks_run;
	core->lacks_task.arg = core;
}

static struct core_lack *lack_new(struct core *core)
{
	struct core_lack *lack = evkv_malloc(sizeof(*lack));

	if (lack != NULL) {
		lack->allocated = true;
		return lack;
	}
	lack = STAILQ_FIRST(&core->lack_reserve);
	if (lack == NULL)
		return NULL;
	STAILQ_REMOVE_HEAD(&core->lack_reserve, link);
	lack->allocated = false;
	return lack;
}

evkv_ticket evkv__lack(struct evkv_loop *loop, enum evkv_kind kind, bool single,
    evkv_cb cb, void *arg)
{
	struct core *core = evkv__core(loop);
	struct core_lack *lack = lack_new(core);

	if (lack == NULL)
		return 0;
	lack->cb = cb;
	lack->arg = arg;
	lack->kind = kind;
	lack->single = single;
	STAILQ_INSERT_TAIL(&core->lacks, lack, link);
	evkv_task_queue(loop, &core->lacks_task);
	return TICKET_ENDED;
}

evkv_ticket evkv_submit_nomem(struct evkv_store *store,
    const struct evkv_request *request, evkv_cb cb, void *arg)
{
	if (store == NULL || store->loop == NULL)
		return 0;
	evkv__loop_check_thread(store->loop);
	return evkv__lack(store->loop, request->kind,
	    (request->flags & EVKV_FLAG_SINGLE) != 0, cb, arg);
}
