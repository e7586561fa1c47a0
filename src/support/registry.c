/*
 * support/registry.c - what a loop knows by name, attached to it on first use.
 *
 * Names are registered for one loop and not for the process, so that there is
 * no global table, and nothing to lock.
 */
#include "support/registry.h"

#include <string.h>
#include <strings.h>

#include "base/url.h"
#include "core/store.h"
#include "evkv/wrapper.h"
#include "support/options.h"

/* One name: of a type, or of a scheme that has no table. */
struct known {
	struct known *next;
	const struct evkv_type *type;
	evkv_scheme_open open;
	char name[];
};

struct registry {
	struct known *first, **last; /* in the order of registration */
};

/* Its address is the key of the list among the loop's attachments. */
static const char registry_key;

static void registry_free(void *thing)
{
	struct registry *registry = thing;
	struct known *known;

	while ((known = registry->first) != NULL) {
		registry->first = known->next;
		evkv_free(known);
	}
	evkv_free(registry);
}

struct registry *evkv__registry_of(struct evkv_loop *loop)
{
	struct registry *registry = evkv_loop_attachment(loop, &registry_key);

	if (registry != NULL)
		return registry;
	registry = evkv_calloc(1, sizeof(*registry));
	if (registry == NULL)
		return NULL;
	registry->last = &registry->first;
	if (!evkv_loop_attach(loop, &registry_key, registry, registry_free)) {
		registry_free(registry);
		return NULL;
	}
	return registry;
}

/* ---- Registering --------------------------------------------------------- */

static struct known *find(const struct registry *registry, const char *name,
    size_t size)
{
	struct known *known = registry->first;

	while (known != NULL &&
	    (strncasecmp(known->name, name, size) != 0 ||
		known->name[size] != '\0'))
		known = known->next;
	return known;
}

/* The record of a name, made if there is none; NULL = no memory. */
static struct known *get(struct registry *registry, const char *name,
    size_t size)
{
	struct known *known = find(registry, name, size);

	if (known != NULL)
		return known;
	known = evkv_calloc(1, sizeof(*known) + size + 1);
	if (known == NULL)
		return NULL;
	memcpy(known->name, name, size);
	*registry->last = known;
	registry->last = &known->next;
	return known;
}

static bool is_set(const struct known *known)
{
	return known->type != NULL || known->open != NULL;
}

static bool add_names(struct registry *registry, const char *name,
    const struct evkv_type *type, bool overrule)
{
	struct known *known;
	size_t size;

	for (; name != NULL && *name != '\0';
	     name += size + (name[size] == ' ')) {
		size = strcspn(name, " ");
		known = get(registry, name, size);
		if (known == NULL)
			return false;
		if (is_set(known) && !overrule)
			continue;
		known->type = type;
		known->open = NULL;
	}
	return true;
}

static bool add_type(struct registry *registry, const struct evkv_type *type,
    bool overrule)
{
	return add_names(registry, type->name, type, overrule) &&
	    add_names(registry, type->also, type, overrule);
}

bool evkv__registry_offer(struct evkv_loop *loop, const struct evkv_type *type)
{
	struct registry *registry = evkv__registry_of(loop);

	return registry != NULL && add_type(registry, type, false);
}

static bool is_wrapper(const struct evkv_type *type)
{
	return type->wrapper != NULL || type->inner_max > 0;
}

static bool is_name(const char *name, size_t size, bool wrapper)
{
	char copy[64];
	size_t i;

	if (size == 0 || size >= sizeof(copy))
		return false;
	memcpy(copy, name, size);
	copy[size] = '\0';
	for (i = 0; i < size && wrapper; i++) {
		if ((copy[i] < 'a' || copy[i] > 'z') &&
		    (i == 0 ||
			((copy[i] < '0' || copy[i] > '9') && copy[i] != '_')))
			return false;
	}
	return evkv__url_is_scheme(copy);
}

static bool names_ok(const struct evkv_type *type)
{
	const char *name = type->also;
	size_t size;

	if (type->name == NULL ||
	    !is_name(type->name, strlen(type->name), is_wrapper(type)))
		return false;
	for (; name != NULL && *name != '\0';
	     name += size + (name[size] == ' ')) {
		size = strcspn(name, " ");
		if (!is_name(name, size, is_wrapper(type)))
			return false;
	}
	return true;
}

bool evkv_loop_register(struct evkv_loop *loop, const struct evkv_type *type)
{
	struct registry *registry;

	if (loop == NULL || type == NULL || !names_ok(type))
		return false;
	registry = evkv__registry_of(loop);
	return registry != NULL && add_type(registry, type, true);
}

bool evkv_loop_register_scheme(struct evkv_loop *loop, const char *scheme,
    evkv_scheme_open open)
{
	struct registry *registry;
	struct known *known;

	if (loop == NULL || open == NULL || !evkv__url_is_scheme(scheme))
		return false;
	registry = evkv__registry_of(loop);
	known = registry != NULL ? get(registry, scheme, strlen(scheme)) : NULL;
	if (known == NULL)
		return false;
	known->open = open;
	known->type = NULL;
	return true;
}

/* ---- Finding ------------------------------------------------------------- */

static bool is_store(const struct known *known)
{
	return known->open != NULL || !is_wrapper(known->type);
}

static const char *nth_name(const struct registry *registry, size_t i,
    bool stores)
{
	const struct known *known;

	for (known = registry->first; known != NULL; known = known->next) {
		if (is_set(known) && is_store(known) == stores && i-- == 0)
			return known->name;
	}
	return NULL;
}

static const char *scheme_name(const void *from, size_t i)
{
	return nth_name(from, i, true);
}

static const char *wrapper_name(const void *from, size_t i)
{
	return nth_name(from, i, false);
}

const struct evkv_type *evkv__registry_wrapper(const struct registry *registry,
    const char *name)
{
	struct known *known = find(registry, name, strlen(name));

	return known != NULL && is_set(known) && !is_store(known) ? known->type
								  : NULL;
}

void evkv__registry_list(const struct registry *registry, const char *wanted,
    char *list, size_t size)
{
	evkv__list_nearest(list, size, wanted, wrapper_name, registry, "");
}

const struct evkv_type *evkv_loop_type(struct evkv_loop *loop, size_t i)
{
	const struct registry *registry = evkv__registry_of(loop);
	const struct known *known = NULL;

	if (registry != NULL)
		known = registry->first;
	for (; known != NULL; known = known->next) {
		/* By its first name, and not by its others. */
		if (known->type != NULL &&
		    strcasecmp(known->type->name, known->name) == 0 && i-- == 0)
			return known->type;
	}
	return NULL;
}

/* ---- Opening ------------------------------------------------------------- */

#define OPTIONS_MAX 512 /* bytes of an options struct */

static struct evkv_store *open_type(struct evkv_loop *loop,
    const struct evkv_type *type, const struct evkv_url *url,
    struct evkv_error *error)
{
	_Alignas(16) char options[OPTIONS_MAX];
	const struct evkv_making making = {
		.loop = loop,
		.url = url,
		.options = options,
	};

	memset(options, 0, sizeof(options));
	if (!evkv_url_allow(url, type->url_parts, error) ||
	    !evkv__url_options_prefixed(url,
		(type->url_parts & EVKV_URL_FOREIGN) != 0 ? EVKV_URL_OURS : "",
		type->options, type->option_count, options, error))
		return NULL;
	return evkv__registry_make(type, &making, error);
}

struct evkv_store *evkv__registry_make(const struct evkv_type *type,
    const struct evkv_making *making, struct evkv_error *error)
{
	if (type->make != NULL)
		return type->make(type, making, error);
	return evkv_wrapper_create(type, making->inner[0], making->options,
	    type->options_size, error);
}

static struct evkv_store *out_of_memory(struct evkv_error *error)
{
	evkv_error_set(error, EVKV_NOMEM, "URL: out of memory");
	return NULL;
}

/* Its URL is what a store without a description of its own is described by. */
static struct evkv_store *name_store(struct evkv_store *store,
    const struct evkv_url *url, const struct evkv_type *type,
    struct evkv_error *error)
{
	if (store == NULL || store->vtable->describe != NULL ||
	    store->text != NULL)
		return store;
	store->text = evkv__url_text(url, type);
	if (store->text != NULL)
		return store;
	evkv_store_unref(store);
	return out_of_memory(error);
}

struct evkv_store *evkv__registry_open(struct evkv_loop *loop,
    const struct registry *registry, const struct evkv_url *url,
    struct evkv_error *error)
{
	struct known *known = find(registry, url->scheme, strlen(url->scheme));
	char names[160];

	if (known == NULL || !is_set(known) || !is_store(known)) {
		evkv__list_nearest(names, sizeof(names), url->scheme,
		    scheme_name, registry, ":");
		evkv_error_set(error, EVKV_INVALID,
		    "URL: the scheme %.32s: is not known; registered: %s",
		    url->scheme, names[0] != '\0' ? names : "none");
		return NULL;
	}
	if (known->type != NULL)
		return name_store(open_type(loop, known->type, url, error), url,
		    known->type, error);
	return name_store(known->open(loop, url, error), url, NULL, error);
}
