/**
 * @file
 * Names to addresses without blocking; for authors of network stores. Library:
 * evkv-resolver.
 *
 * One resolver for a loop, made at the first lookup and shared by everything on
 * that loop. Literals and the names of /etc/hosts are answered at once; the
 * others are asked of the name servers of /etc/resolv.conf, by c-ares. Both
 * files are read again when they have changed, and after a failure.
 *
 * Everything here is for the loop's thread.
 */
#ifndef EVKV_RESOLVER_H
#define EVKV_RESOLVER_H

#include <sys/socket.h>

#include "evkv/driver.h"

EVKV_BEGIN_DECLS

/** The most addresses that a lookup gives. */
#define EVKV_ADDRESSES_MAX 16

/** An address that a socket can connect to, its port included. */
struct evkv_address {
	/** The address; its family is in `sockaddr.ss_family`. */
	struct sockaddr_storage sockaddr;
	/** How many bytes of it are in use. */
	socklen_t size;
};

/** How a lookup ended. It lives as long as the call of its callback. */
struct evkv_lookup_result {
	/** OK with addresses, UNAVAILABLE without, or NOMEM. */
	enum evkv_status status;
	/** Why there are none, one line; "" where there are some. */
	const char *message;
	/** In the order in which to try them. */
	const struct evkv_address *addresses;
	/** How many addresses there are, EVKV_ADDRESSES_MAX at most. */
	size_t count;
};

/**
 * Called once for each lookup that was not canceled. May start and cancel
 * lookups; `arg` is that of evkv_lookup_start().
 */
typedef void (*evkv_lookup_cb)(const struct evkv_lookup_result *result,
    void *arg);

/** A lookup under way. */
struct evkv_lookup;

/**
 * Look a name up. Legal in a callback.
 *
 * `name` is a host name or an address as text (IPv6 without brackets, maybe
 * with a scope: "fe80::1%eth0"); it is copied. A name that ends with a dot is
 * complete: the search list of resolv.conf is not applied to it. `port` goes
 * into the addresses. `limit_ms` is how long the caller will wait at most: a
 * name server that is silent is given a tenth of it, between 50 and 500 ms,
 * before the next one is asked. The lookup itself does not end by it.
 *
 * NULL: `cb` has been called inside. Otherwise it will be, unless
 * evkv_lookup_cancel() comes before.
 */
EVKV_API struct evkv_lookup *evkv_lookup_start(struct evkv_loop *loop,
    const char *name, int port, int64_t limit_ms, evkv_lookup_cb cb, void *arg);

/**
 * End a lookup that is under way: its callback will not be called, and nothing
 * of it keeps the loop busy. NULL is ignored. Legal in a callback.
 */
EVKV_API void evkv_lookup_cancel(struct evkv_lookup *lookup);

/**
 * Tell that an address found by this loop's lookups could not be used: the
 * next lookup reads the files again and asks on fresh sockets. Costs nothing by
 * itself; many calls in a tenth of a second count once.
 */
EVKV_API void evkv_resolver_doubt(struct evkv_loop *loop);

/**
 * Whether `host` is an address as text; then *address is filled in. Asks
 * nobody. A port inside `host` makes it none.
 */
EVKV_API bool evkv_address_literal(const char *host, int port,
    struct evkv_address *address);

EVKV_END_DECLS

#endif
