/*
 * pipeline/resolve.c - names to addresses, by evdns and never by the C library,
 * whose getaddrinfo() blocks.
 *
 * One evdns_base for a loop, attached at the first name. It reads
 * /etc/resolv.conf and /etc/hosts when it is made, and is made anew after a
 * name could not be resolved, because those may have changed. It does not keep
 * event_base_dispatch() alive: only requests under way do.
 *
 * A lookup can outlive its pipeline: evdns reports the end of a canceled
 * request in a later turn.
 */
#include "pipeline/pipeline.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include <event2/dns.h>
#include <event2/util.h>

struct resolver {
	struct evkv_loop *loop;
	struct evdns_base *dns;
	size_t pending;
	bool stale; /* read the files again */
	struct lookup *lookups;
};

struct lookup {
	struct resolver *resolver;
	struct evkv_pipeline *pipeline; /* NULL: nobody waits any more */
	lookup_cb cb;
	struct evdns_getaddrinfo_request *request;
	bool starting; /* evdns_getaddrinfo() is on the stack */
	bool done;
	struct lookup *next, **link;
};

static const char resolver_key;

static void lookup_unlink(struct lookup *lookup)
{
	if (lookup->next != NULL)
		lookup->next->link = lookup->link;
	*lookup->link = lookup->next;
	lookup->resolver->pending--;
}

/* ---- The resolver of a loop -------------------------------------------- */

/* After all stores: nobody waits for the lookups that are left. */
static void resolver_release(void *thing)
{
	struct resolver *resolver = thing;
	struct lookup *lookup;

	if (resolver->dns != NULL)
		evdns_base_free(resolver->dns, 0);
	while ((lookup = resolver->lookups) != NULL) {
		lookup_unlink(lookup);
		evkv_free(lookup);
	}
	evkv_free(resolver);
}

static struct resolver *resolver_get(struct evkv_loop *loop)
{
	struct resolver *resolver = evkv_loop_attachment(loop, &resolver_key);

	if (resolver != NULL)
		return resolver;
	resolver = evkv_calloc(1, sizeof(*resolver));
	if (resolver == NULL)
		return NULL;
	resolver->loop = loop;
	if (!evkv_loop_attach(loop, &resolver_key, resolver,
	    resolver_release)) {
		evkv_free(resolver);
		return NULL;
	}
	return resolver;
}

/*
 * A missing resolv.conf is no failure: /etc/hosts still counts, and a name
 * server on this machine is asked.
 */
static bool resolver_prepare(struct resolver *resolver)
{
	if (resolver->stale && resolver->pending == 0 &&
	    resolver->dns != NULL) {
		evdns_base_free(resolver->dns, 0);
		resolver->dns = NULL;
	}
	if (resolver->dns != NULL)
		return true;
	resolver->dns = evdns_base_new(evkv_loop_base(resolver->loop),
	    EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (resolver->dns == NULL)
		return false;
	resolver->stale = false;
	(void)evdns_base_resolv_conf_parse(resolver->dns, DNS_OPTIONS_ALL,
	    "/etc/resolv.conf");
	return true;
}

/* ---- One lookup -------------------------------------------------------- */

static bool same_address(const struct address *address,
    const struct evutil_addrinfo *info)
{
	return address->size == info->ai_addrlen &&
	    memcmp(&address->sockaddr, info->ai_addr, info->ai_addrlen) == 0;
}

static void addresses_add(struct evkv_pipeline *p,
    const struct evutil_addrinfo *info)
{
	size_t i;

	for (; info != NULL; info = info->ai_next) {
		if (info->ai_addrlen > sizeof(p->addresses[0].sockaddr) ||
		    p->address_count == PIPELINE_ADDRESSES)
			continue;
		for (i = 0; i < p->address_count; i++) {
			if (same_address(&p->addresses[i], info))
				break;
		}
		if (i < p->address_count)
			continue;
		memset(&p->addresses[i].sockaddr, 0,
		    sizeof(p->addresses[i].sockaddr));
		memcpy(&p->addresses[i].sockaddr, info->ai_addr,
		    info->ai_addrlen);
		p->addresses[i].size = info->ai_addrlen;
		p->address_count++;
	}
}

static void lookup_result(struct lookup *lookup, int error,
    const struct evutil_addrinfo *info)
{
	struct evkv_pipeline *p = lookup->pipeline;

	p->lookup = NULL;
	if (error == 0)
		addresses_add(p, info);
	if (error == 0 && p->address_count > 0) {
		lookup->cb(LOOKUP_DONE, NULL, p);
		return;
	}
	lookup->resolver->stale = true;
	if (error == EVUTIL_EAI_MEMORY)
		lookup->cb(LOOKUP_NOMEM, NULL, p);
	else
		lookup->cb(LOOKUP_FAILED, error != 0 ?
		    evutil_gai_strerror(error) : "it has no address", p);
}

/* May run inside evdns_getaddrinfo(), or long after. */
static void on_resolved(int error, struct evutil_addrinfo *info, void *arg)
{
	struct lookup *lookup = arg;

	lookup->done = true;
	lookup_unlink(lookup);
	if (lookup->pipeline != NULL) {
		evkv_loop_refresh(lookup->resolver->loop);
		lookup_result(lookup, error, info);
	}
	if (info != NULL)
		evutil_freeaddrinfo(info);
	if (!lookup->starting)
		evkv_free(lookup);
}

static struct lookup *lookup_new(struct evkv_pipeline *p, lookup_cb cb)
{
	struct resolver *resolver = resolver_get(p->loop);
	struct lookup *lookup;

	if (resolver == NULL || !resolver_prepare(resolver))
		return NULL;
	lookup = evkv_calloc(1, sizeof(*lookup));
	if (lookup == NULL)
		return NULL;
	lookup->resolver = resolver;
	lookup->pipeline = p;
	lookup->cb = cb;
	lookup->next = resolver->lookups;
	lookup->link = &resolver->lookups;
	if (lookup->next != NULL)
		lookup->next->link = &lookup->next;
	resolver->lookups = lookup;
	resolver->pending++;
	return lookup;
}

void evkv__pipe_lookup_start(struct evkv_pipeline *p, lookup_cb cb)
{
	struct evutil_addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_protocol = IPPROTO_TCP,
	};
	struct lookup *lookup;
	char service[16];

	if (evkv__pipe_literal_address(p->host, p->options.port,
	    &p->addresses[0])) {
		p->address_count = 1;
		cb(LOOKUP_DONE, NULL, p);
		return;
	}
	lookup = lookup_new(p, cb);
	if (lookup == NULL) {
		cb(LOOKUP_NOMEM, NULL, p);
		return;
	}
	(void)evutil_snprintf(service, sizeof(service), "%d", p->options.port);
	p->lookup = lookup;
	lookup->starting = true;
	lookup->request = evdns_getaddrinfo(lookup->resolver->dns, p->host,
	    service, &hints, on_resolved, lookup);
	lookup->starting = false;
	if (lookup->done)
		evkv_free(lookup);
}

/* Not inside the callback: p->lookup is NULL there. */
void evkv__pipe_lookup_cancel(struct evkv_pipeline *p)
{
	struct lookup *lookup = p->lookup;

	if (lookup == NULL)
		return;
	p->lookup = NULL;
	lookup->pipeline = NULL;
	if (lookup->request != NULL)
		evdns_getaddrinfo_cancel(lookup->request);
}
