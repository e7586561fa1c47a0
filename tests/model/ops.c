/*
 * tests/model/ops.c - names, histories from a seed, and how they are printed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model.h"

/* Chosen to collide where pairs are put together carelessly. */
const struct evkv_slice model_collections[MODEL_COLLECTIONS] = {
	{ "", 0 },
	{ "a", 1 },
	{ "a:b", 3 },
	{ "a%3Ab", 5 },
	{ "a\0", 2 },
	{ "users", 5 },
};
const struct evkv_slice model_keys[MODEL_KEYS] = {
	{ "c", 1 },
	{ "b:c", 3 },
	{ "a:b:c", 5 },
	{ "\0", 1 },
	{ "\0b", 2 },
	{ "k1", 2 },
	{ "k2", 2 },
	{ "k10", 3 },
	{ "k*", 2 },
	{ "K1", 2 },
	{ "[x]", 3 },
	{ "\xff\xfe\xff", 3 },
};
static const struct evkv_slice model_patterns[] = {
	{ "", 0 },
	{ "*", 1 },
	{ "k*", 2 },
	{ "k?", 2 },
	{ "a*", 2 },
	{ "k[!2]", 5 },
	{ "*:*", 3 },
	{ "k\\*", 3 },
	{ "nothing", 7 },
	{ "u*s", 3 },
};
static const struct evkv_slice model_prefixes[] = {
	{ "", 0 },
	{ "", 0 },
	{ "", 0 },
	{ "k", 1 },
	{ "a", 1 },
	{ "a:", 2 },
	{ "k*", 2 },
	{ "\0", 1 },
};

#define MODEL_SIZE(array_) (sizeof(array_) / sizeof((array_)[0]))

struct evkv_slice model_pattern(const struct model_op *op)
{
	return model_patterns[op->pattern];
}

struct evkv_slice model_prefix(const struct model_op *op)
{
	return model_prefixes[op->prefix];
}

struct evkv_slice model_value(uint32_t serial, unsigned i, char *buffer)
{
	static const size_t sizes[] = { 8, 0, 1, 30, 100, 8, 8, 3000 };
	size_t size = sizes[(serial * 7 + i) % MODEL_SIZE(sizes)];
	char text[32];
	int length;
	size_t at;

	length = snprintf(text, sizeof(text), "%u.%u;", serial, i);
	for (at = 0; at < size; at++)
		buffer[at] = text[at % (size_t)length];
	return evkv_bytes(buffer, size);
}

/* ---- Histories -------------------------------------------------------- */

static uint32_t model_random(uint64_t *state, uint32_t below)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return (uint32_t)((x >> 20) % below);
}

static int64_t model_ttl(uint64_t *state, bool real_time)
{
	static const int64_t ttls[] = { 0, 0, 0, 1, 5, 50, 1000, 60000, 3600000,
		EVKV_TTL_MAX };

	if (real_time) /* never within the test, or not at all */
		return model_random(state, 2) == 0 ? 0 : 3600000;
	return ttls[model_random(state, MODEL_SIZE(ttls))];
}

static uint8_t model_kind(uint64_t *state)
{
	/* How often, of 100. */
	static const struct {
		uint8_t kind, weight;
	} kinds[] = {
		{ EVKV_OP_PUT, 28 },
		{ EVKV_OP_GET, 18 },
		{ EVKV_OP_TTL, 7 },
		{ EVKV_OP_DELETE, 8 },
		{ EVKV_OP_EXISTS, 5 },
		{ EVKV_OP_TOUCH, 7 },
		{ EVKV_OP_INCR, 7 },
		{ EVKV_OP_TAKE, 3 },
		{ EVKV_OP_KEYS, 4 },
		{ EVKV_OP_COLLECTIONS, 2 },
		{ EVKV_OP_CLEAR, 2 },
		{ EVKV_OP_CLEAR_ALL, 1 },
		{ EVKV_OP_PURGE_EXPIRED, 1 },
		{ EVKV_OP_SYNC, 1 },
		{ MODEL_ADVANCE, 6 },
	};
	uint32_t pick = model_random(state, 100);
	size_t i;

	for (i = 0; i < MODEL_SIZE(kinds); i++) {
		if (pick < kinds[i].weight)
			return kinds[i].kind;
		pick -= kinds[i].weight;
	}
	return EVKV_OP_GET;
}

static void model_generate_change(struct model_op *op, uint64_t *state)
{
	static const int64_t deltas[] = { 1, 1, 1, -1, 5, -20, 0, INT64_MAX,
		INT64_MIN };
	uint32_t pick = model_random(state, 8);

	op->delta = deltas[model_random(state, MODEL_SIZE(deltas))];
	op->initial = model_random(state, 3) == 0 ? 10 : 0;
	op->versions = model_random(state, 2) == 0;
	op->condition = EVKV_IF_ANY;
	if (op->kind == EVKV_OP_PUT)
		op->condition = (uint8_t)(pick < 4 ? pick : EVKV_IF_ANY);
	else if ((op->kind == EVKV_OP_DELETE || op->kind == EVKV_OP_TOUCH) &&
	    pick < 3)
		op->condition = EVKV_IF_VERSION;
}

static void model_generate_one(struct model_op *op, uint64_t *state,
    bool real_time)
{
	static const int64_t steps[] = { 1, 1, 4, 5, 49, 1000, 60000, 4000000 };
	unsigned i;

	op->kind = model_kind(state);
	op->collection = (uint8_t)model_random(state, MODEL_COLLECTIONS);
	op->count = (uint8_t)(model_random(state, 3) != 0
		? 1
		: 1 + model_random(state, MODEL_BATCH));
	op->each_ttl = model_random(state, 4) == 0;
	for (i = 0; i < MODEL_BATCH; i++) {
		op->keys[i] = (uint8_t)model_random(state, MODEL_KEYS);
		op->ttls[i] = i > 0 && !op->each_ttl
		    ? op->ttls[0]
		    : model_ttl(state, real_time);
	}
	op->single = op->count == 1 && model_random(state, 2) == 0;
	op->counted = model_random(state, 4) == 0;
	model_generate_change(op, state);
	op->pattern = (uint8_t)model_random(state, MODEL_SIZE(model_patterns));
	op->prefix = (uint8_t)model_random(state, MODEL_SIZE(model_prefixes));
	op->limit = model_random(state, 3) == 0 ? 0
						: 1 + model_random(state, 5);
	op->wait_after = model_random(state, 3) == 0;
	op->advance_ms = steps[model_random(state, MODEL_SIZE(steps))];
}

void model_generate(struct model_op *ops, size_t count, uint64_t seed,
    bool real_time)
{
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	size_t i;

	memset(ops, 0, count * sizeof(*ops));
	for (i = 0; i < 8; i++)
		(void)model_random(&state, 2);
	for (i = 0; i < count; i++) {
		model_generate_one(&ops[i], &state, real_time);
		ops[i].serial = (uint32_t)i;
	}
}

/* ---- Printing --------------------------------------------------------- */

static void model_print_name(struct evkv_slice name, FILE *out)
{
	const unsigned char *bytes = name.data;
	size_t i;

	(void)fputc('"', out);
	for (i = 0; i < name.size; i++) {
		if (bytes[i] >= 0x20 && bytes[i] < 0x7f)
			(void)fputc(bytes[i], out);
		else
			(void)fprintf(out, "\\x%02x", bytes[i]);
	}
	(void)fputc('"', out);
}

void model_print(const struct model_op *op, FILE *out)
{
	static const char *const conditions[] = { "", " if_absent",
		" if_present", " if_version" };
	enum evkv_kind kind = (enum evkv_kind)op->kind;
	uint32_t classes = op->kind == MODEL_ADVANCE ? 0
						     : evkv_kind_classes(kind);
	unsigned i;

	if (op->kind == MODEL_ADVANCE) {
		(void)fprintf(out, "  advance %lld ms\n",
		    (long long)op->advance_ms);
		return;
	}
	(void)fprintf(out, "  %s", evkv_kind_name(kind));
	if ((classes & EVKV_CLASS_COLLECTION) != 0) {
		(void)fputc(' ', out);
		model_print_name(model_collections[op->collection], out);
	}
	for (i = 0; (classes & EVKV_CLASS_HAS_KEYS) != 0 && i < op->count;
	     i++) {
		(void)fputc(' ', out);
		model_print_name(model_keys[op->keys[i]], out);
		if ((classes & EVKV_CLASS_HAS_TTL) != 0 && op->ttls[i] != 0)
			(void)fprintf(out, "(ttl %lld)",
			    (long long)op->ttls[i]);
	}
	if (kind == EVKV_OP_PUT)
		(void)fprintf(out, " = #%u", op->serial);
	if (kind == EVKV_OP_INCR)
		(void)fprintf(out, " by %" PRId64 " from %" PRId64, op->delta,
		    op->initial);
	if ((classes & EVKV_CLASS_HAS_CONDITION) != 0)
		(void)fprintf(out, "%s", conditions[op->condition]);
	if ((classes & EVKV_CLASS_SPANS) != 0 &&
	    kind != EVKV_OP_PURGE_EXPIRED) {
		(void)fprintf(out, " prefix ");
		model_print_name(model_prefix(op), out);
		(void)fprintf(out, " pattern ");
		model_print_name(model_pattern(op), out);
		(void)fprintf(out, " limit %u", op->limit);
	}
	(void)fprintf(out, "%s%s%s\n", op->single ? " single" : "",
	    op->versions ? " versions" : "", op->wait_after ? " (wait)" : "");
}
