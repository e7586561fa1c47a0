/* tests/wrappers/cache_bed.c - a pass-through cache between two gates. */
#include "cache_bed.h"

#include <stdio.h>
#include <string.h>

/* ---- A cache that takes less than the primary ----------------------- */

struct narrow {
	struct evkv_store *inner;
};

static enum evkv_verdict narrow_submit(void *self, struct evkv_op *op,
    const struct evkv_request *request)
{
	return evkv_op_forward(op, ((struct narrow *)self)->inner, request);
}

static const struct evkv_vtable narrow_vtable = {
	.size = sizeof(struct evkv_vtable),
	.name = "narrow",
	.flags = EVKV_VTABLE_TRANSPARENT,
	.submit = narrow_submit,
	.free = evkv_free,
};

static struct evkv_store *narrow_new(struct evkv_store *inner)
{
	struct evkv_capabilities can = *evkv_store_capabilities(inner);
	struct narrow *self = evkv_malloc(sizeof(*self));

	self->inner = inner;
	can.max_key = 16;
	can.max_value = 16;
	can.ttl_unit_ms = 1000;
	return evkv_store_create(NULL, &narrow_vtable, self,
	    &(struct evkv_store_config){
		.capabilities = &can,
		.inner = &inner,
		.inner_count = 1,
	    },
	    NULL);
}

/* ---- The bed -------------------------------------------------------- */

void bed_open(struct cache_bed *bed, enum bed_cache kind,
    const struct evkv_passthrough_cache_options *options)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *primary, *cache;

	rig_open(&bed->rig);
	bed->below = evkv_simple_new(bed->rig.loop, &error);
	bed->tier = evkv_simple_new(bed->rig.loop, &error);
	primary = gate_new(evkv_store_ref(bed->below), &bed->primary, &error);
	cache = evkv_store_ref(bed->tier);
	if (kind == BED_NARROW)
		cache = narrow_new(cache);
	if (kind == BED_LOCAL)
		cache = gate_new(cache, &bed->cache, &error);
	else
		cache = gate_remote_new(cache, &bed->cache, &error);
	bed->store = evkv_passthrough_cache_new(primary, cache, options,
	    &error);
	check_str(error.message, "");
	check(bed->store != NULL);
}

void bed_close(struct cache_bed *bed)
{
	evkv_store_unref(bed->store);
	evkv_store_unref(bed->below);
	evkv_store_unref(bed->tier);
	rig_close(&bed->rig);
}

void bed_settle(struct cache_bed *bed)
{
	rig_turn(&bed->rig);
}

void bed_pass_time(struct cache_bed *bed, int64_t ms)
{
	rig_advance(&bed->rig, ms);
	bed_settle(bed);
}

void bed_put(struct cache_bed *bed, struct evkv_store *store,
    struct evkv_slice key, struct evkv_slice value, int64_t ttl_ms)
{
	struct answer a = ANSWER_INIT;

	evkv_put(store, C, key, value, ttl_ms, answer_cb, &a);
	rig_wait(&bed->rig, &a.calls);
	check_status(a.status, EVKV_OK);
	answer_free(&a);
}

const char *bed_value(struct cache_bed *bed, struct evkv_store *store,
    struct evkv_slice key)
{
	static char text[64];
	struct answer a = ANSWER_INIT;

	evkv_get(store, C, key, answer_cb, &a);
	rig_wait(&bed->rig, &a.calls);
	check(a.status == EVKV_OK || a.status == EVKV_NOT_FOUND);
	strcpy(text, "-");
	if (a.status == EVKV_OK)
		snprintf(text, sizeof(text), "%.*s",
		    (int)a.entries[0].bytes.size,
		    (const char *)a.entries[0].bytes.data);
	answer_free(&a);
	return text;
}

void bed_check_filled(struct cache_bed *bed, const char *expected)
{
	check_str(bed_value(bed, bed->store, K), expected);
	check_str(bed_value(bed, bed->tier, K), expected);
}

int64_t bed_ttl(struct cache_bed *bed, struct evkv_store *store)
{
	struct answer a = ANSWER_INIT;
	int64_t ttl_ms;

	evkv_ttl(store, C, K, answer_cb, &a);
	rig_wait(&bed->rig, &a.calls);
	check(a.status == EVKV_OK || a.status == EVKV_NOT_FOUND);
	ttl_ms = a.status == EVKV_OK ? a.entries[0].ttl_ms : -1;
	answer_free(&a);
	return ttl_ms;
}

void bed_fail_evictions(struct cache_bed *bed, bool fail)
{
	bed->cache->fail = fail ? EVKV_BUSY : EVKV_OK;
	bed->cache->fail_kinds = EVKV_KIND_BIT(EVKV_OP_DELETE) |
	    EVKV_KIND_BIT(EVKV_OP_CLEAR_ALL);
}

void bed_ask(struct cache_bed *bed, enum evkv_kind kind, uint32_t flags,
    struct answer *a)
{
	const struct evkv_slice key = K;

	evkv_submit(bed->store,
	    &(struct evkv_request){
		.kind = kind,
		.flags = EVKV_FLAG_SINGLE | flags,
		.collection = C,
		.count = 1,
		.keys = &key,
	    },
	    answer_cb, a);
	bed_settle(bed);
}

const char *bed_words(const struct answer *a)
{
	static char text[80];
	const struct answer_entry *entry = &a->entries[0];
	const char *what = "";
	char value[40] = "-";

	if (a->calls == 0)
		return "waits";
	check_int(a->calls, 1);
	check_int(a->count, 1);
	if (evkv_failed(a->status))
		return evkv_status_name(a->status);
	if (a->status == EVKV_OK)
		snprintf(value, sizeof(value), "%.*s", (int)entry->bytes.size,
		    (const char *)entry->bytes.data);
	if ((entry->flags & EVKV_ENTRY_STALE) != 0)
		what = "stale";
	else if ((entry->flags & EVKV_ENTRY_CACHED) != 0)
		what = "cached";
	if (*what == '\0')
		snprintf(text, sizeof(text), "%s", value);
	else
		snprintf(text, sizeof(text), "%s %s %lld", value, what,
		    (long long)entry->age_ms);
	return text;
}

const char *bed_told(struct cache_bed *bed, uint32_t flags)
{
	struct answer a = ANSWER_INIT;
	const char *words;

	bed_ask(bed, EVKV_OP_GET, flags, &a);
	check_int(a.calls, 1);
	words = bed_words(&a);
	answer_free(&a);
	return words;
}

void bed_fail_loads(struct cache_bed *bed, enum evkv_status status)
{
	bed->primary->fail = status;
	bed->primary->fail_kinds = EVKV_KIND_BIT(EVKV_OP_TTL) |
	    EVKV_KIND_BIT(EVKV_OP_GET);
}

unsigned bed_loads(const struct cache_bed *bed)
{
	return bed->primary->asked[EVKV_OP_TTL] +
	    bed->primary->asked[EVKV_OP_GET];
}

void bed_invalidate(struct cache_bed *bed, enum evkv_invalidate how)
{
	struct answer a = ANSWER_INIT;

	evkv_cache_invalidate(bed->store, C, K, how, answer_cb, &a);
	bed_settle(bed);
	check_int(a.calls, 1);
	check(a.status == EVKV_OK || a.status == EVKV_NOT_FOUND);
	answer_free(&a);
}
