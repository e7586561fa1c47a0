/*
 * engines/resolver/resolver.c - lookups: begun, reported, canceled.
 *
 * Happy path: a literal is answered at once, so is a name of the hosts file;
 * for the others a name server is asked, for both families together, and the
 * lookup is over when both are answered.
 *
 * Failures: a name server that is silent is left for the next one after a tenth
 * of the time that the caller has. One that never answers for IPv6 would hold
 * up the whole, so after a while IPv4 is asked for alone. Whatever fails makes
 * the next lookup begin with a channel of its own: files read again, sockets
 * made again. So does a file that has changed, also for lookups that are under
 * way, and a caller that could not connect. No answer is kept.
 *
 * An abandoned question runs out beside others, and is canceled where it would
 * be alone.
 */
#include "engines/resolver/resolver.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define DOUBT_US 100000 /* how old a channel gets before a doubt counts */
#define LATE_MS 800     /* until IPv4 is asked for alone */
#define SILENCE_MIN_MS 50
#define SILENCE_MAX_MS 500

static const char resolver_key;

/* ---- The resolver of a loop -------------------------------------------- */

static void resolver_lookup_free(struct evkv_lookup *lookup)
{
	evkv_timer_cancel(lookup->resolver->loop, &lookup->late);
	evkv_free(lookup->name);
	evkv_free(lookup);
}

/* All stores are closed: nobody waits for what is left. */
static void resolver_release(void *thing)
{
	struct evkv_resolver *resolver = thing;
	struct evkv_lookup *lookup;

	while (!LIST_EMPTY(&resolver->channels))
		evkv__channel_free(LIST_FIRST(&resolver->channels));
	TAILQ_CONCAT(&resolver->over, &resolver->asking, link);
	while ((lookup = TAILQ_FIRST(&resolver->over)) != NULL) {
		TAILQ_REMOVE(&resolver->over, lookup, link);
		resolver_lookup_free(lookup);
	}
	evkv_free(resolver);
}

static struct evkv_resolver *resolver_get(struct evkv_loop *loop)
{
	struct evkv_resolver *resolver = evkv_loop_attachment(loop,
	    &resolver_key);

	if (resolver != NULL)
		return resolver;
	resolver = evkv_calloc(1, sizeof(*resolver));
	if (resolver == NULL)
		return NULL;
	resolver->loop = loop;
	resolver->resolv_path = "/etc/resolv.conf";
	resolver->hosts_path = "/etc/hosts";
	LIST_INIT(&resolver->channels);
	TAILQ_INIT(&resolver->asking);
	TAILQ_INIT(&resolver->over);
	if (!evkv_loop_attach(loop, &resolver_key, resolver,
		resolver_release)) {
		evkv_free(resolver);
		return NULL;
	}
	return resolver;
}

bool evkv__resolver_files(struct evkv_loop *loop, const char *resolv_path,
    const char *hosts_path, int dns_port)
{
	struct evkv_resolver *resolver = resolver_get(loop);

	if (resolver == NULL)
		return false;
	resolver->resolv_path = resolv_path;
	resolver->hosts_path = hosts_path;
	resolver->hosts_by_environment = true;
	resolver->dns_port = (uint16_t)dns_port;
	return true;
}

/* ---- Which channel ----------------------------------------------------- */

/* Whether the file is another one than the stamp says, which then tells it. */
static bool resolver_file_changed(const char *path, struct file_stamp *stamp)
{
	struct file_stamp now;

	file_stamp_take(&now, path);
	if (memcmp(&now, stamp, sizeof(now)) == 0)
		return false;
	*stamp = now;
	return true;
}

static void resolver_look_at_files(struct evkv_resolver *resolver)
{
	bool changed = resolver_file_changed(resolver->resolv_path,
	    &resolver->resolv_stamp);

	changed |= resolver_file_changed(resolver->hosts_path,
	    &resolver->hosts_stamp);
	resolver->edition += changed;
}

/* The next lookup gets another one; this one stays while it is waited for. */
static void resolver_retire(struct evkv_resolver *resolver)
{
	struct channel *channel = resolver->channel;

	resolver->channel = NULL;
	resolver->doubted = false;
	if (channel != NULL && channel->waiting == 0)
		evkv__channel_free(channel);
}

static struct channel *resolver_channel(struct evkv_resolver *resolver,
    int64_t limit_ms)
{
	int64_t silence_ms = limit_ms / 10;
	struct channel *channel;

	resolver_look_at_files(resolver);
	if (silence_ms > SILENCE_MAX_MS)
		silence_ms = SILENCE_MAX_MS;
	if (silence_ms < SILENCE_MIN_MS)
		silence_ms = SILENCE_MIN_MS;
	channel = resolver->channel;
	if (channel != NULL &&
	    (channel->edition != resolver->edition ||
		channel->silence_ms > silence_ms ||
		(resolver->doubted &&
		    evkv_loop_now_us(resolver->loop) - channel->made_us >=
			DOUBT_US)))
		resolver_retire(resolver);
	if (resolver->channel == NULL)
		resolver->channel = evkv__channel_new(resolver,
		    (int)silence_ms);
	return resolver->channel;
}

void evkv_resolver_doubt(struct evkv_loop *loop)
{
	struct evkv_resolver *resolver = evkv_loop_attachment(loop,
	    &resolver_key);

	if (resolver != NULL)
		resolver->doubted = true;
}

/* ---- Answers ----------------------------------------------------------- */

static void resolver_add(struct evkv_lookup *lookup,
    const struct sockaddr *sockaddr)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;
	struct evkv_address *address;

	if (lookup->found_count == EVKV_ADDRESSES_MAX)
		return;
	address = &lookup->found[lookup->found_count];
	memset(address, 0, sizeof(*address));
	if (sockaddr->sa_family == AF_INET) {
		memcpy(&in, sockaddr, sizeof(in));
		in.sin_port = htons((uint16_t)lookup->port);
		memcpy(&address->sockaddr, &in, sizeof(in));
		address->size = sizeof(in);
	} else if (sockaddr->sa_family == AF_INET6) {
		memcpy(&in6, sockaddr, sizeof(in6));
		in6.sin6_port = htons((uint16_t)lookup->port);
		memcpy(&address->sockaddr, &in6, sizeof(in6));
		address->size = sizeof(in6);
	} else {
		return;
	}
	lookup->found_count++;
}

static bool resolver_asks(const struct evkv_lookup *lookup)
{
	return lookup->questions[QUESTION_WHOLE] != NULL ||
	    lookup->questions[QUESTION_IPV4] != NULL;
}

static void resolver_over(struct evkv_lookup *lookup)
{
	struct evkv_resolver *resolver = lookup->resolver;

	if (lookup->over)
		return;
	lookup->over = true;
	TAILQ_REMOVE(&resolver->asking, lookup, link);
	TAILQ_INSERT_TAIL(&resolver->over, lookup, link);
}

void evkv__resolver_answered(struct question *question, int status,
    const struct ares_addrinfo *found)
{
	struct evkv_lookup *lookup = question->lookup;
	const struct ares_addrinfo_node *node;

	if (lookup == NULL)
		return;
	if (question->channel != NULL)
		lookup->questions[question->kind] = NULL;
	if (status != ARES_SUCCESS) {
		lookup->failure = status;
	} else if (lookup->found_count == 0) {
		for (node = found->nodes; node != NULL; node = node->ai_next)
			resolver_add(lookup, node->ai_addr);
	}
	/* That IPv4 alone has failed says nothing while the whole is asked. */
	if (question->channel != NULL &&
	    (lookup->found_count > 0 || !resolver_asks(lookup)))
		resolver_over(lookup);
}

static const char *resolver_words(int failure)
{
	switch (failure) {
	case ARES_ENODATA: return "the name has no address";
	case ARES_ENOTFOUND: return "the name does not exist";
	case ARES_ESERVFAIL: return "the name server has failed";
	case ARES_EREFUSED: return "the name server refuses to answer";
	case ARES_ETIMEOUT: return "no name server has answered";
	case ARES_ECONNREFUSED: return "no name server can be reached";
	case ARES_EBADNAME: return "no name may be like that";
	default: return ares_strerror(failure);
	}
}

static void resolver_call_back(const struct evkv_lookup *lookup,
    evkv_lookup_cb cb, void *arg)
{
	struct evkv_lookup_result result = {
		.status = EVKV_OK,
		.message = "",
		.addresses = lookup->found,
		.count = lookup->found_count,
	};

	if (result.count == 0) {
		result.status = lookup->failure == ARES_ENOMEM
		    ? EVKV_NOMEM
		    : EVKV_UNAVAILABLE;
		result.message = resolver_words(lookup->failure);
	}
	cb(&result, arg);
}

/* The questions that are still open are of no interest any more. */
static void resolver_leave(struct evkv_lookup *lookup)
{
	struct evkv_resolver *resolver = lookup->resolver;
	struct channel *channel = lookup->channel;
	unsigned i;

	evkv_timer_cancel(resolver->loop, &lookup->late);
	for (i = 0; i < QUESTION_KINDS; i++) {
		if (lookup->questions[i] != NULL)
			lookup->questions[i]->lookup = NULL;
		lookup->questions[i] = NULL;
	}
	lookup->channel = NULL;
	if (channel == NULL || --channel->waiting > 0)
		return;
	if (channel == resolver->channel)
		evkv__channel_idle(channel);
	else
		evkv__channel_free(channel);
}

void evkv__resolver_tell(struct evkv_resolver *resolver)
{
	struct evkv_lookup *lookup;

	if (resolver->telling)
		return;
	resolver->telling = true;
	while ((lookup = TAILQ_FIRST(&resolver->over)) != NULL) {
		TAILQ_REMOVE(&resolver->over, lookup, link);
		resolver_leave(lookup);
		if (lookup->found_count == 0)
			resolver->doubted = true;
		resolver_call_back(lookup, lookup->cb, lookup->arg);
		resolver_lookup_free(lookup);
	}
	resolver->telling = false;
}

/* ---- Lookups ----------------------------------------------------------- */

static struct evkv_lookup *resolver_lookup_new(struct evkv_resolver *resolver,
    const char *name, int port, evkv_lookup_cb cb, void *arg)
{
	struct evkv_lookup *lookup = evkv_calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	lookup->resolver = resolver;
	lookup->name = evkv_strdup(name);
	lookup->port = port;
	lookup->cb = cb;
	lookup->arg = arg;
	lookup->late.arg = lookup;
	if (lookup->name != NULL)
		return lookup;
	evkv_free(lookup);
	return NULL;
}

/* No name server is asked for this machine, whatever the file has (RFC 6761) */
static void resolver_this_machine(struct evkv_lookup *lookup, const char *name)
{
	static const char suffix[] = ".localhost";
	size_t size = strlen(name);

	if (strcasecmp(name, suffix + 1) != 0 &&
	    (size < sizeof(suffix) ||
		strcasecmp(name + size - (sizeof(suffix) - 1), suffix) != 0))
		return;
	if (evkv_address_literal("127.0.0.1", lookup->port,
		&lookup->found[0]) &&
	    evkv_address_literal("::1", lookup->port, &lookup->found[1]))
		lookup->found_count = 2;
}

/* Names that need no server, there without their final dot. */
static bool resolver_is_local(struct evkv_lookup *lookup)
{
	char *name = lookup->name;
	size_t size = strlen(name);
	bool dot = size > 1 && name[size - 1] == '.';

	if (dot)
		name[size - 1] = '\0';
	(void)evkv__channel_hosts(lookup->channel, lookup, name);
	if (lookup->found_count == 0)
		resolver_this_machine(lookup, name);
	if (dot)
		name[size - 1] = '.';
	return lookup->found_count > 0;
}

/* Asks name servers, or is over. */
static void resolver_ask(struct evkv_lookup *lookup)
{
	lookup->edition = lookup->resolver->edition;
	lookup->channel->waiting++;
	if (evkv__channel_ask(lookup->channel, lookup, QUESTION_WHOLE))
		return;
	lookup->failure = ARES_ENOMEM;
	resolver_over(lookup);
}

/* The files have changed since it was begun: it begins again by these. */
static void resolver_ask_anew(struct evkv_lookup *lookup)
{
	resolver_leave(lookup);
	lookup->channel = resolver_channel(lookup->resolver, lookup->limit_ms);
	if (lookup->channel == NULL) {
		lookup->failure = ARES_ENOMEM;
		resolver_over(lookup);
	} else if (resolver_is_local(lookup)) {
		lookup->channel->waiting++;
		resolver_over(lookup);
	} else {
		resolver_ask(lookup);
	}
}

/* Again and again while it is under way. */
static void resolver_late(void *arg)
{
	struct evkv_lookup *lookup = arg;
	struct evkv_resolver *resolver = lookup->resolver;

	resolver_look_at_files(resolver);
	if (lookup->edition != resolver->edition)
		resolver_ask_anew(lookup);
	else if (lookup->questions[QUESTION_IPV4] == NULL)
		/* Without memory the whole is waited for. */
		(void)evkv__channel_ask(lookup->channel, lookup, QUESTION_IPV4);
	if (!lookup->over)
		(void)evkv_timer_set(resolver->loop, &lookup->late, LATE_MS);
	evkv__resolver_tell(resolver);
}

/* The lookup is under way now, or what is found tells how it ended. */
static bool resolver_begin(struct evkv_lookup *lookup)
{
	struct evkv_resolver *resolver = lookup->resolver;

	if (resolver_is_local(lookup))
		return false;
	TAILQ_INSERT_TAIL(&resolver->asking, lookup, link);
	resolver_ask(lookup);
	if (!lookup->over) {
		lookup->late.run = resolver_late;
		(void)evkv_timer_set(resolver->loop, &lookup->late, LATE_MS);
		return true;
	}
	TAILQ_REMOVE(&resolver->over, lookup, link);
	resolver_leave(lookup);
	if (lookup->found_count == 0)
		resolver->doubted = true;
	return false;
}

static void resolver_no_memory(evkv_lookup_cb cb, void *arg)
{
	const struct evkv_lookup_result result = {
		.status = EVKV_NOMEM,
		.message = "out of memory",
	};

	cb(&result, arg);
}

struct evkv_lookup *evkv_lookup_start(struct evkv_loop *loop, const char *name,
    int port, int64_t limit_ms, evkv_lookup_cb cb, void *arg)
{
	struct evkv_resolver *resolver;
	struct evkv_lookup *lookup;
	struct evkv_address literal;
	struct evkv_lookup_result result = {
		.status = EVKV_OK,
		.message = "",
		.addresses = &literal,
		.count = 1,
	};

	if (evkv_address_literal(name, port, &literal)) {
		cb(&result, arg);
		return NULL;
	}
	resolver = resolver_get(loop);
	lookup = resolver == NULL
	    ? NULL
	    : resolver_lookup_new(resolver, name, port, cb, arg);
	if (lookup == NULL) {
		resolver_no_memory(cb, arg);
		return NULL;
	}
	lookup->limit_ms = limit_ms;
	lookup->channel = resolver_channel(resolver, limit_ms);
	if (lookup->channel == NULL)
		lookup->failure = ARES_ENOMEM;
	else if (resolver_begin(lookup))
		return lookup;
	resolver_call_back(lookup, cb, arg);
	resolver_lookup_free(lookup);
	return NULL;
}

void evkv_lookup_cancel(struct evkv_lookup *lookup)
{
	if (lookup == NULL)
		return;
	TAILQ_REMOVE(lookup->over ? &lookup->resolver->over
				  : &lookup->resolver->asking,
	    lookup, link);
	resolver_leave(lookup);
	resolver_lookup_free(lookup);
}
