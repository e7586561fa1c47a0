/*
 * core/metrics.c - the figures that the stores of a stack tell.
 */
#include "core/core.h"

struct evkv_metrics {
	evkv_metric_cb cb;
	void *arg;
};

void evkv_metrics_add(struct evkv_metrics *metrics,
    const struct evkv_metric *metric, const char *value, uint64_t number)
{
	const struct evkv_metric told = {
		.size = sizeof(told),
		.name = metric->name,
		.help = metric->help,
		.label = metric->label,
		.value = value,
		.gauge = metric->gauge,
		.number = number,
	};

	metrics->cb(&told, metrics->arg);
}

static void tell(const struct evkv_store *store, struct evkv_metrics *metrics)
{
	size_t i;

	if (store->phase != STORE_CLOSED && store->vtable->metrics != NULL)
		store->vtable->metrics(store->self, metrics);
	for (i = 0; i < store->inner_count; i++)
		tell(store->inner[i].store, metrics);
}

void evkv_store_metrics(const struct evkv_store *store, evkv_metric_cb cb,
    void *arg)
{
	struct evkv_metrics metrics = { cb, arg };

	tell(store, &metrics);
}
