/*
 * The schemes that a loop can open: a list, attached to the loop on first use.
 *
 * A scheme is registered for one loop and not for the process, so that there
 * is no global table, and nothing to lock.
 */
#include "support/scheme.h"

#include <string.h>
#include <strings.h>

#include "base/url.h"

struct scheme {
	struct scheme *next;
	evkv_scheme_open open;
	char name[];
};

struct scheme_list {
	struct scheme *first, **last; /* in the order of registration */
};

/* Its address is the key of the list among the loop's attachments. */
static const char scheme_key;

static void scheme_list_free(void *thing)
{
	struct scheme_list *list = thing;
	struct scheme *scheme;

	while ((scheme = list->first) != NULL) {
		list->first = scheme->next;
		evkv_free(scheme);
	}
	evkv_free(list);
}

/* The loop's list, made if it is not there; NULL = no memory. */
static struct scheme_list *scheme_list_of(struct evkv_loop *loop)
{
	struct scheme_list *list = evkv_loop_attachment(loop, &scheme_key);

	if (list != NULL)
		return list;
	list = evkv_calloc(1, sizeof(*list));
	if (list == NULL)
		return NULL;
	list->last = &list->first;
	if (!evkv_loop_attach(loop, &scheme_key, list, scheme_list_free)) {
		scheme_list_free(list);
		return NULL;
	}
	return list;
}

static struct scheme *scheme_find(const struct scheme_list *list,
    const char *name)
{
	struct scheme *scheme = list->first;

	while (scheme != NULL && strcasecmp(scheme->name, name) != 0)
		scheme = scheme->next;
	return scheme;
}

/* The scheme's record, made with `open` if there is none; NULL = no memory. */
static struct scheme *scheme_get(struct evkv_loop *loop, const char *name,
    evkv_scheme_open open)
{
	struct scheme_list *list = scheme_list_of(loop);
	size_t size = strlen(name) + 1;
	struct scheme *scheme;

	if (list == NULL)
		return NULL;
	scheme = scheme_find(list, name);
	if (scheme != NULL)
		return scheme;
	scheme = evkv_malloc(sizeof(*scheme) + size);
	if (scheme == NULL)
		return NULL;
	memcpy(scheme->name, name, size);
	scheme->open = open;
	scheme->next = NULL;
	*list->last = scheme;
	list->last = &scheme->next;
	return scheme;
}

bool evkv_loop_register_scheme(struct evkv_loop *loop, const char *scheme,
    evkv_scheme_open open)
{
	struct scheme *known;

	if (loop == NULL || open == NULL || !evkv__url_is_scheme(scheme))
		return false;
	known = scheme_get(loop, scheme, open);
	if (known != NULL)
		known->open = open;
	return known != NULL;
}

bool evkv__scheme_offer(struct evkv_loop *loop, const char *scheme,
    evkv_scheme_open open)
{
	return scheme_get(loop, scheme, open) != NULL;
}

static const char *scheme_name(const void *from, size_t i)
{
	const struct scheme *scheme = ((const struct scheme_list *)from)->first;

	while (scheme != NULL && i-- > 0)
		scheme = scheme->next;
	return scheme != NULL ? scheme->name : NULL;
}

static void scheme_unknown(const struct scheme_list *list, const char *name,
    struct evkv_error *error)
{
	char names[160];

	evkv__list_nearest(names, sizeof(names), name, scheme_name, list, ":");
	evkv_error_set(error, EVKV_INVALID,
	    "URL: the scheme %.32s: is not known; registered: %s", name,
	    names[0] != '\0' ? names : "none");
}

struct evkv_store *evkv_loop_open(struct evkv_loop *loop, const char *text,
    struct evkv_error *error)
{
	struct evkv_store *store = NULL;
	struct scheme_list *list;
	struct scheme *scheme;
	struct evkv_url *url;

	if (loop == NULL) {
		evkv_error_set(error, EVKV_INVALID, "URL: loop is NULL");
		return NULL;
	}
	url = evkv__url_parse(text, error);
	if (url == NULL)
		return NULL;
	list = scheme_list_of(loop);
	if (list == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "URL: out of memory");
		goto out;
	}
	scheme = scheme_find(list, url->scheme);
	if (scheme != NULL)
		store = scheme->open(loop, url, error);
	else
		scheme_unknown(list, url->scheme, error);
out:
	evkv__url_free(url);
	return store;
}
