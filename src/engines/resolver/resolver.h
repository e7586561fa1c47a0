/*
 * engines/resolver/resolver.h - the inside of the resolver.
 *
 * A channel is what c-ares knows at one time: the files as they were read then,
 * and sockets. c-ares never calls anything of ours but what is in channel.c,
 * which only records answers; callbacks of lookups run when c-ares is off the
 * stack, so they may do anything.
 */
#ifndef EVKV_ENGINES_RESOLVER_RESOLVER_H
#define EVKV_ENGINES_RESOLVER_RESOLVER_H

#include <sys/queue.h>

#include <ares.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "engines/stamp.h"
#include "evkv/resolver.h"

enum question_kind {
	QUESTION_WHOLE, /* both families at once, as c-ares asks */
	QUESTION_IPV4,  /* IPv4 alone, after a while */
	QUESTION_KINDS,
};

/* One call of ares_getaddrinfo(). It can outlive its lookup. */
struct question {
	struct channel *channel;
	struct evkv_lookup *lookup; /* NULL: its answer is of no interest */
	enum question_kind kind;
};

struct channel_socket {
	LIST_ENTRY(channel_socket) link;
	struct channel *channel;
	ares_socket_t fd;
	short wanted; /* EV_READ, EV_WRITE */
	struct event event;
};

struct channel {
	struct evkv_resolver *resolver;
	LIST_ENTRY(channel) link;
	ares_channel files; /* looks into the hosts file alone */
	ares_channel dns;   /* asks name servers alone */
	LIST_HEAD(, channel_socket) sockets;
	struct event timer;
	size_t waiting; /* lookups that have questions here */
	int64_t made_us;
	unsigned edition; /* of the files that it has read */
	int silence_ms;   /* until the next name server is asked */
};

struct evkv_lookup {
	struct evkv_resolver *resolver;
	struct channel *channel; /* NULL: nothing is asked any more */
	TAILQ_ENTRY(evkv_lookup) link;
	bool over; /* in the list of those to be reported */
	evkv_lookup_cb cb;
	void *arg;
	char *name;
	int port;
	struct question *questions[QUESTION_KINDS]; /* NULL: not open */
	struct evkv_timer late; /* files that changed? then IPv4 alone */
	unsigned edition;       /* of the files that it was begun by */
	int64_t limit_ms;
	int failure; /* ARES_* */
	struct evkv_address found[EVKV_ADDRESSES_MAX];
	size_t found_count;
};
TAILQ_HEAD(lookups, evkv_lookup);

struct evkv_resolver {
	struct evkv_loop *loop;
	const char *resolv_path, *hosts_path;
	bool hosts_by_environment; /* for tests: c-ares reads CARES_HOSTS */
	uint16_t dns_port;         /* 0 = 53 */
	struct file_stamp resolv_stamp, hosts_stamp;
	unsigned edition;              /* how often they have changed */
	struct channel *channel;       /* for the next lookup, or NULL */
	LIST_HEAD(, channel) channels; /* that one, and older ones in use */
	bool doubted;
	struct lookups asking, over;
	bool telling;
};

/* resolver.c */
/*
 * For tests: other files, which need not be there, and another port of the name
 * servers. The hosts file is the one of the environment variable CARES_HOSTS.
 * The paths must live on.
 */
bool evkv__resolver_files(struct evkv_loop *loop, const char *resolv_path,
    const char *hosts_path, int dns_port);
/* c-ares has answered a question, maybe with nothing: `found` may be NULL. */
void evkv__resolver_answered(struct question *question, int status,
    const struct ares_addrinfo *found);
/* Call back for the lookups that are over. Never inside c-ares. */
void evkv__resolver_tell(struct evkv_resolver *resolver);

/* channel.c */
struct channel *evkv__channel_new(struct evkv_resolver *resolver,
    int silence_ms);
/* Its open questions end at once, as if they had failed. */
void evkv__channel_free(struct channel *channel);
/* The addresses of a name in the hosts file; ARES_SUCCESS or why not. */
int evkv__channel_hosts(struct channel *channel, struct evkv_lookup *lookup,
    const char *name);
/* Ask; false = no memory. The answer can be there when this returns. */
bool evkv__channel_ask(struct channel *channel, struct evkv_lookup *lookup,
    enum question_kind kind);
/* It is abandoned: nothing of it may keep the loop alive. */
void evkv__channel_idle(struct channel *channel);

#endif
