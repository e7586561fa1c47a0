/*
 * evkv_open(): the URLs of the stores that are in the core library.
 */
#include "evkv/open.h"

#include "support/scheme.h"
#include "evkv/driver.h"
#include "evkv/stores/memory.h"
#include "evkv/stores/null.h"
#include "evkv/stores/simple.h"

static struct evkv_store *open_null(struct evkv_loop *loop,
    const struct evkv_url *url, struct evkv_error *error)
{
	if (!evkv_url_allow(url, 0, error) ||
	    !evkv_url_options(url, NULL, 0, NULL, error))
		return NULL;
	return evkv_null_new(loop, error);
}

static struct evkv_store *open_simple(struct evkv_loop *loop,
    const struct evkv_url *url, struct evkv_error *error)
{
	if (!evkv_url_allow(url, 0, error) ||
	    !evkv_url_options(url, NULL, 0, NULL, error))
		return NULL;
	return evkv_simple_new(loop, error);
}

static const struct evkv_url_option open_memory_options[] = {
	{ .name = "max_entries",
	    .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct evkv_memory_options, max_entries) },
	{ .name = "max_bytes",
	    .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct evkv_memory_options, max_bytes) },
};

static struct evkv_store *open_memory(struct evkv_loop *loop,
    const struct evkv_url *url, struct evkv_error *error)
{
	struct evkv_memory_options options = { .max_entries = 0 };

	if (!evkv_url_allow(url, 0, error) ||
	    !evkv_url_options(url, open_memory_options,
		sizeof(open_memory_options) / sizeof(open_memory_options[0]),
		&options, error))
		return NULL;
	return evkv_memory_new(loop, &options, error);
}

static const struct {
	const char *scheme;
	evkv_scheme_open open;
} open_schemes[] = {
	{ "null", open_null },
	{ "simple", open_simple },
	{ "memory", open_memory },
};

struct evkv_store *evkv_open(struct evkv_loop *loop, const char *url,
    struct evkv_error *error)
{
	size_t i;

	if (loop == NULL)
		return evkv_loop_open(loop, url, error);
	for (i = 0; i < sizeof(open_schemes) / sizeof(open_schemes[0]); i++) {
		if (evkv__scheme_offer(loop, open_schemes[i].scheme,
			open_schemes[i].open))
			continue;
		evkv_error_set(error, EVKV_NOMEM, "URL: out of memory");
		return NULL;
	}
	return evkv_loop_open(loop, url, error);
}
