/*
 * core/op.c - making, finding and freeing ops, and their memory.
 *
 * Ops are made CORE_SLAB at a time and stay with the loop, in a free list. The
 * place in the slabs and a generation, which counts up with each use, make the
 * ticket: a late cancel can't hit another op.
 */
#include "core/core.h"

#define ARENA_CHUNK 2048
#define ARENA_KEPT 1024 /* chunks that a loop keeps, for the next ops */

static bool slabs_grow(struct core *core)
{
	size_t size = core->slabs_size == 0 ? 8 : core->slabs_size * 2;
	struct op_slab *slabs = evkv_malloc(size * sizeof(*slabs));

	if (slabs == NULL)
		return false;
	if (core->slabs_count > 0)
		memcpy(slabs, core->slabs, core->slabs_count * sizeof(*slabs));
	evkv_free(core->slabs);
	core->slabs = slabs;
	core->slabs_size = size;
	return true;
}

static bool slab_add(struct core *core)
{
	struct evkv_op *ops;
	char *memory;
	size_t i;

	if (core->slabs_count == core->slabs_size && !slabs_grow(core))
		return false;
	memory = evkv_calloc(1, CORE_SLAB * sizeof(*ops) + OP_LINE);
	if (memory == NULL)
		return false;
	ops = (void *)(memory + OP_LINE - (uintptr_t)memory % OP_LINE);
	for (i = CORE_SLAB; i-- > 0;) {
		ops[i].slot = (uint32_t)(core->slabs_count * CORE_SLAB + i);
		ops[i].loop = &core->loop;
		ops[i].frames = ops[i].first;
		ops[i].frames_size = OP_FRAMES;
		ops[i].next = core->free_ops;
		core->free_ops = &ops[i];
	}
	core->slabs[core->slabs_count++] = (struct op_slab){ ops, memory };
	return true;
}

void evkv__op_slabs_free(struct core *core)
{
	struct arena_chunk *chunk;
	size_t i;

	for (i = 0; i < core->slabs_count; i++)
		evkv_free(core->slabs[i].memory);
	evkv_free(core->slabs);
	core->slabs = NULL;
	core->slabs_count = 0;
	core->free_ops = NULL;
	while ((chunk = core->free_chunks) != NULL) {
		core->free_chunks = chunk->next;
		evkv_free(chunk);
	}
}

struct evkv_op *evkv__op_new_slow(struct evkv_loop *loop, unsigned depth)
{
	struct core *core = evkv__core(loop);
	struct evkv_frame *frames;
	struct evkv_op *op;

	if (core->free_ops == NULL && !slab_add(core))
		return NULL;
	op = evkv__op_new(loop, OP_FRAMES);
	if (depth <= OP_FRAMES)
		return op;
	frames = evkv_op_alloc(op, depth * sizeof(struct evkv_frame));
	if (frames == NULL) {
		op->flags = 0;
		evkv__op_maybe_free(op);
		return NULL;
	}
	op->frames = frames;
	op->frames_size = depth;
	op->flags |= OP_UNCLEAN;
	return op;
}

static void kept_values_unref(struct evkv_op *op)
{
	const struct evkv_request *kept = op->kept;
	size_t i;

	for (i = 0; i < kept->count; i++)
		evkv_value_unref(kept->counted_values[i]);
}

static struct arena_chunk *chunk_new(struct core *core, size_t room)
{
	struct arena_chunk *chunk = core->free_chunks;

	if (room > ARENA_CHUNK || chunk == NULL) {
		chunk = evkv_malloc(sizeof(*chunk) + room);
		if (chunk != NULL)
			chunk->room = room;
		return chunk;
	}
	core->free_chunks = chunk->next;
	core->free_chunks_count--;
	return chunk;
}

static void chunk_free(struct core *core, struct arena_chunk *chunk)
{
	if (chunk->room > ARENA_CHUNK ||
	    core->free_chunks_count == ARENA_KEPT) {
		evkv_free(chunk);
		return;
	}
	chunk->next = core->free_chunks;
	core->free_chunks = chunk;
	core->free_chunks_count++;
}

/* What only some ops have; makes the fields clean again. */
static void op_clean(struct evkv_op *op)
{
	struct arena_chunk *chunk;

	if ((op->flags & OP_COUNTED) != 0)
		kept_values_unref(op);
	while ((chunk = op->chunks) != NULL) {
		op->chunks = chunk->next;
		chunk_free(evkv__core(op->loop), chunk);
	}
	evkv_free(op->report_entries);
	op->report_entries = NULL;
	op->trace = NULL;
	op->frames = op->first;
	op->frames_size = OP_FRAMES;
	op->names_size = 0;
}

/* The parent may go with its last child: in a loop, not by recursion. */
void evkv__op_maybe_free(struct evkv_op *op)
{
	struct evkv_op *parent;

	while (op != NULL) {
		if ((op->flags & (OP_REPORTING | OP_DRIVING)) != 0 ||
		    op->children > 0 || op->busy > 0)
			return;
		if ((op->flags & OP_VALUES) != 0)
			evkv__op_drop_values(op);
		if ((op->flags & OP_UNCLEAN) != 0)
			op_clean(op);
		parent = op->parent;
		if (parent != NULL) {
			LIST_REMOVE(op, child_link);
			op->parent = NULL;
			parent->children--;
		}
		op->flags = 0;
		op->next = evkv__core(op->loop)->free_ops;
		evkv__core(op->loop)->free_ops = op;
		op = parent;
	}
}

struct evkv_op *evkv__op_find(struct evkv_loop *loop, evkv_ticket ticket)
{
	const struct core *core = evkv__core(loop);
	size_t slot = (size_t)(ticket & UINT32_MAX);
	struct evkv_op *op;

	if (slot == 0 || --slot >= core->slabs_count * CORE_SLAB)
		return NULL;
	op = &core->slabs[slot / CORE_SLAB].ops[slot % CORE_SLAB];
	if (op->generation != (uint32_t)(ticket >> 32) || op->flags == 0)
		return NULL;
	return op;
}

static void *chunk_take(struct arena_chunk *chunk, size_t size)
{
	chunk->left -= size;
	return chunk->bytes + chunk->left;
}

static void *arena_grow(struct evkv_op *op, size_t size)
{
	struct arena_chunk *chunk = op->chunks;
	size_t room = size < ARENA_CHUNK ? ARENA_CHUNK : size;

	if (chunk != NULL && size <= chunk->left)
		return chunk_take(chunk, size);
	if (room > SIZE_MAX - sizeof(*chunk))
		return NULL;
	chunk = chunk_new(evkv__core(op->loop), room);
	if (chunk == NULL)
		return NULL;
	chunk->next = op->chunks;
	chunk->left = room;
	op->chunks = chunk;
	op->flags |= OP_UNCLEAN;
	return chunk_take(chunk, size);
}

/* Used up from its end: what is taken first lies next to the op's fields. */
void *evkv_op_alloc(struct evkv_op *op, size_t size)
{
	if (size > SIZE_MAX - 16)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (size > op->arena_left)
		return arena_grow(op, size);
	op->arena_left = (uint16_t)(op->arena_left - size);
	return op->inner_arena + op->arena_left;
}

bool evkv_op_copy(struct evkv_op *op, struct evkv_slice bytes,
    struct evkv_slice *copy)
{
	void *memory = evkv_op_alloc(op, bytes.size);

	if (memory == NULL)
		return false;
	if (bytes.size > 0)
		memcpy(memory, bytes.data, bytes.size);
	*copy = evkv_bytes(memory, bytes.size);
	return true;
}

void evkv_op_set_trace(struct evkv_op *op, void *trace)
{
	op->trace = trace;
	op->flags |= OP_UNCLEAN;
}

struct evkv_loop *evkv_op_loop(const struct evkv_op *op)
{
	return op->loop;
}

/* NULL: a child that has ended, in its callback, has left its last level. */
static struct evkv_frame *present_frame(const struct evkv_op *op)
{
	EVKV__ASSERT(op->depth > 0);
	return op->depth > 0 ? evkv__op_top(op) : NULL;
}

const struct evkv_request *evkv_op_request(const struct evkv_op *op)
{
	const struct evkv_frame *frame = present_frame(op);

	if (frame == NULL)
		return NULL;
	/* A driver that answers while the levels above are being informed. */
	if (frame->request == NULL &&
	    (op->flags & (OP_STOPPING | OP_KEPT)) == (OP_STOPPING | OP_KEPT))
		return op->kept;
	return frame->request;
}

void evkv_op_set_data(struct evkv_op *op, void *data)
{
	struct evkv_frame *frame = present_frame(op);

	if (frame != NULL)
		frame->data = data;
}

void *evkv_op_data(const struct evkv_op *op)
{
	const struct evkv_frame *frame = present_frame(op);

	return frame != NULL ? frame->data : NULL;
}
