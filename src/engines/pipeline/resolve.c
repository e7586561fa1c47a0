/*
 * engines/pipeline/resolve.c - names to addresses, by evdns and never by the C library,
 * whose getaddrinfo() blocks.
 *
 * Literals and the names of /etc/hosts are answered at once. For the others an
 * A and an AAAA question are asked together; when one has been answered, the
 * other has half a second left, for there are name servers that ignore AAAA.
 *
 * One evdns_base for a loop, attached at the first name. /etc/resolv.conf and
 * /etc/hosts are read then, and anew after a name could not be resolved. It
 * does not keep event_base_dispatch() alive: only questions under way do.
 *
 * A lookup outlives its pipeline: evdns reports the end of a canceled question
 * in a later turn, and what is canceled can't be freed before. So questions are
 * canceled in a turn of their own; when the loop is freed instead, evdns
 * forgets them without a word, and they are freed then.
 */
#include "engines/pipeline/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include <event2/dns.h>

#define HOSTS_MAX 65536
#define SKEW_MS 500
#define NAME_MAX_BYTES 253
#define LABEL_MAX_BYTES 63 /* of a name, between its dots */

enum { LOOKUP_A, LOOKUP_AAAA, LOOKUP_QUESTIONS };

struct resolver {
	struct evkv_loop *loop;
	struct evdns_base *dns;
	const char *hosts_path;
	char *hosts; /* the file */
	size_t hosts_size;
	bool stale; /* read the files again */
	struct event cancel_event;
	struct lookup *lookups;
};

struct lookup {
	struct resolver *resolver;
	struct evkv_pipeline *pipeline; /* NULL: nobody waits any more */
	lookup_cb cb;
	struct evdns_request *questions[LOOKUP_QUESTIONS]; /* NULL: answered */
	unsigned open; /* of those, callbacks to come */
	bool canceled;
	int error; /* of the last that failed */
	struct evkv_timer skew;
	struct address found[LOOKUP_QUESTIONS][PIPELINE_ADDRESSES];
	size_t found_count[LOOKUP_QUESTIONS];
	struct lookup *next, **link;
};

static const char resolver_key;

static void resolve_lookup_free(struct lookup *lookup)
{
	evkv_timer_cancel(lookup->resolver->loop, &lookup->skew);
	if (lookup->next != NULL)
		lookup->next->link = lookup->link;
	*lookup->link = lookup->next;
	evkv_free(lookup);
}

/* ---- The resolver of a loop -------------------------------------------- */

/* Nobody waits for the lookups that are left: all stores are closed. */
static void resolve_release(void *thing)
{
	struct resolver *resolver = thing;

	(void)event_del(&resolver->cancel_event);
	if (resolver->dns != NULL)
		evdns_base_free(resolver->dns, 0);
	while (resolver->lookups != NULL)
		resolve_lookup_free(resolver->lookups);
	evkv_free(resolver->hosts);
	evkv_free(resolver);
}

static void resolve_cancel_abandoned(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *resolver = arg;
	struct lookup *lookup;
	unsigned i;

	(void)fd;
	(void)what;
	for (lookup = resolver->lookups; lookup != NULL;
	     lookup = lookup->next) {
		if (lookup->pipeline != NULL || lookup->canceled)
			continue;
		lookup->canceled = true;
		for (i = 0; i < LOOKUP_QUESTIONS; i++) {
			if (lookup->questions[i] != NULL)
				evdns_cancel_request(resolver->dns,
				    lookup->questions[i]);
		}
	}
}

static struct resolver *resolve_get(struct evkv_loop *loop)
{
	struct resolver *resolver = evkv_loop_attachment(loop, &resolver_key);

	if (resolver != NULL)
		return resolver;
	resolver = evkv_calloc(1, sizeof(*resolver));
	if (resolver == NULL)
		return NULL;
	resolver->loop = loop;
	resolver->hosts_path = "/etc/hosts";
	if (evtimer_assign(&resolver->cancel_event, evkv_loop_base(loop),
		resolve_cancel_abandoned, resolver) != 0 ||
	    !evkv_loop_attach(loop, &resolver_key, resolver, resolve_release)) {
		evkv_free(resolver);
		return NULL;
	}
	return resolver;
}

/* What can't be read is as if it were empty. */
static void resolve_hosts_read(struct resolver *resolver)
{
	int fd = open(resolver->hosts_path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	resolver->hosts_size = 0;
	if (fd < 0)
		return;
	if (resolver->hosts == NULL)
		resolver->hosts = evkv_malloc(HOSTS_MAX);
	while (resolver->hosts != NULL && resolver->hosts_size < HOSTS_MAX) {
		got = read(fd, resolver->hosts + resolver->hosts_size,
		    HOSTS_MAX - resolver->hosts_size);
		if (got <= 0)
			break;
		resolver->hosts_size += (size_t)got;
	}
	(void)close(fd);
}

/* A missing resolv.conf is no failure: a server on this machine is asked. */
static bool resolve_prepare(struct resolver *resolver)
{
	if (resolver->stale && resolver->lookups == NULL &&
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
	resolve_hosts_read(resolver);
	(void)evdns_base_resolv_conf_parse(resolver->dns,
	    DNS_OPTIONS_ALL & ~DNS_OPTION_HOSTSFILE, "/etc/resolv.conf");
	return true;
}

bool evkv__pipe_resolver_hosts(struct evkv_loop *loop, const char *path)
{
	struct resolver *resolver = resolve_get(loop);

	if (resolver == NULL)
		return false;
	resolver->hosts_path = path;
	resolver->stale = true;
	return true;
}

/* ---- One lookup -------------------------------------------------------- */

static void resolve_address_add(struct lookup *lookup, unsigned which,
    const void *sockaddr, socklen_t size)
{
	struct address *address;

	if (lookup->found_count[which] == PIPELINE_ADDRESSES)
		return;
	address = &lookup->found[which][lookup->found_count[which]++];
	memset(address, 0, sizeof(*address));
	memcpy(&address->sockaddr, sockaddr, size);
	address->size = size;
}

static void resolve_addresses_add(struct lookup *lookup, unsigned which,
    int count, const void *addresses)
{
	in_port_t port = htons((uint16_t)lookup->pipeline->options.port);
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = port };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = port };
	int i;

	for (i = 0; i < count; i++) {
		if (which == LOOKUP_A) {
			memcpy(&in.sin_addr,
			    (const struct in_addr *)addresses + i,
			    sizeof(in.sin_addr));
			resolve_address_add(lookup, which, &in, sizeof(in));
		} else {
			memcpy(&in6.sin6_addr,
			    (const struct in6_addr *)addresses + i,
			    sizeof(in6.sin6_addr));
			resolve_address_add(lookup, which, &in6, sizeof(in6));
		}
	}
}

/* IPv6 first, as the C library does where both are there. */
static void resolve_addresses_give(struct lookup *lookup,
    struct evkv_pipeline *p)
{
	static const unsigned order[] = { LOOKUP_AAAA, LOOKUP_A };
	size_t i, j;

	for (i = 0; i < LOOKUP_QUESTIONS; i++) {
		for (j = 0; j < lookup->found_count[order[i]] &&
		     p->address_count < PIPELINE_ADDRESSES;
		     j++)
			p->addresses[p->address_count++] =
			    lookup->found[order[i]][j];
	}
}

/* Tell who waits; the questions that are open are of no interest any more. */
static void resolve_lookup_tell(struct lookup *lookup)
{
	struct evkv_pipeline *p = lookup->pipeline;

	resolve_addresses_give(lookup, p);
	evkv__pipe_lookup_cancel(p);
	if (p->address_count > 0) {
		lookup->cb(LOOKUP_DONE, NULL, p);
		return;
	}
	lookup->resolver->stale = true;
	lookup->cb(LOOKUP_FAILED, evdns_err_to_string(lookup->error), p);
}

static void resolve_skewed(void *arg)
{
	resolve_lookup_tell(arg);
}

static void resolve_answered(struct lookup *lookup, unsigned which, int error,
    int count, const void *addresses)
{
	lookup->questions[which] = NULL;
	lookup->open--;
	if (lookup->pipeline != NULL) {
		evkv_loop_refresh(lookup->resolver->loop);
		if (error == DNS_ERR_NONE)
			resolve_addresses_add(lookup, which, count, addresses);
		else
			lookup->error = error;
		if (lookup->open == 0)
			resolve_lookup_tell(lookup);
		else if (count > 0 &&
		    !evkv_timer_set(lookup->resolver->loop, &lookup->skew,
			SKEW_MS))
			resolve_lookup_tell(lookup);
	}
	if (lookup->open == 0)
		resolve_lookup_free(lookup);
}

static void resolve_on_a(int error, char type, int count, int ttl,
    void *addresses, void *arg)
{
	(void)ttl;
	resolve_answered(arg, LOOKUP_A, error, type == DNS_IPv4_A ? count : 0,
	    addresses);
}

static void resolve_on_aaaa(int error, char type, int count, int ttl,
    void *addresses, void *arg)
{
	(void)ttl;
	resolve_answered(arg, LOOKUP_AAAA, error,
	    type == DNS_IPv6_AAAA ? count : 0, addresses);
}

static struct lookup *resolve_lookup_new(struct resolver *resolver,
    struct evkv_pipeline *p, lookup_cb cb)
{
	struct lookup *lookup = evkv_calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	lookup->resolver = resolver;
	lookup->pipeline = p;
	lookup->cb = cb;
	lookup->skew.run = resolve_skewed;
	lookup->skew.arg = lookup;
	lookup->next = resolver->lookups;
	lookup->link = &resolver->lookups;
	if (lookup->next != NULL)
		lookup->next->link = &lookup->next;
	resolver->lookups = lookup;
	return lookup;
}

/* evdns refuses longer ones as it does for want of memory. */
static bool resolve_name_fits(const char *name)
{
	const char *at;
	size_t label = 0;

	for (at = name; *at != '\0'; at++) {
		label = *at == '.' ? 0 : label + 1;
		if (label > LABEL_MAX_BYTES)
			return false;
	}
	return at - name <= NAME_MAX_BYTES;
}

/* evdns never calls back inside these two calls. */
static bool resolve_lookup_ask(struct lookup *lookup, const char *name)
{
	struct evdns_base *dns = lookup->resolver->dns;

	lookup->questions[LOOKUP_A] = evdns_base_resolve_ipv4(dns, name, 0,
	    resolve_on_a, lookup);
	lookup->questions[LOOKUP_AAAA] = evdns_base_resolve_ipv6(dns, name, 0,
	    resolve_on_aaaa, lookup);
	if (lookup->questions[LOOKUP_A] != NULL)
		lookup->open++;
	if (lookup->questions[LOOKUP_AAAA] != NULL)
		lookup->open++;
	return lookup->open > 0;
}

void evkv__pipe_lookup_start(struct evkv_pipeline *p, lookup_cb cb)
{
	struct resolver *resolver;
	struct lookup *lookup;

	if (evkv__pipe_literal_address(p->host, p->options.port,
		&p->addresses[0])) {
		p->address_count = 1;
		cb(LOOKUP_DONE, NULL, p);
		return;
	}
	resolver = resolve_get(p->loop);
	if (resolver == NULL || !resolve_prepare(resolver)) {
		cb(LOOKUP_NOMEM, NULL, p);
		return;
	}
	p->address_count = evkv__pipe_hosts_find(evkv_bytes(resolver->hosts,
						     resolver->hosts_size),
	    p->host, p->options.port, p->addresses);
	/* No server is asked for this name, whatever the file has (RFC 6761) */
	if (p->address_count == 0)
		p->address_count = evkv__pipe_hosts_find(
		    EVKV_LIT("127.0.0.1 localhost\n::1 localhost\n"), p->host,
		    p->options.port, p->addresses);
	if (p->address_count > 0) {
		cb(LOOKUP_DONE, NULL, p);
		return;
	}
	if (!resolve_name_fits(p->host)) {
		cb(LOOKUP_FAILED, "it is longer than names are", p);
		return;
	}
	lookup = resolve_lookup_new(resolver, p, cb);
	if (lookup == NULL || !resolve_lookup_ask(lookup, p->host)) {
		if (lookup != NULL)
			resolve_lookup_free(lookup);
		cb(LOOKUP_NOMEM, NULL, p);
		return;
	}
	p->lookup = lookup;
}

void evkv__pipe_lookup_cancel(struct evkv_pipeline *p)
{
	static const struct timeval now = { 0, 0 };
	struct lookup *lookup = p->lookup;

	if (lookup == NULL)
		return;
	p->lookup = NULL;
	lookup->pipeline = NULL;
	evkv_timer_cancel(lookup->resolver->loop, &lookup->skew);
	/* Without it they run out by themselves. */
	if (lookup->open > 0)
		(void)evtimer_add(&lookup->resolver->cancel_event, &now);
}
