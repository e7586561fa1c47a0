/*
 * engines/resolver/address.c - addresses as text.
 */
#include <netinet/in.h>
#include <string.h>

#include <event2/util.h>

#include "evkv/resolver.h"

/* By libevent, which knows scopes ("fe80::1%eth0"). */
bool evkv_address_literal(const char *host, int port,
    struct evkv_address *address)
{
	int size = sizeof(address->sockaddr);
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(&address->sockaddr, 0, sizeof(address->sockaddr));
	if (evutil_parse_sockaddr_port(host,
		(struct sockaddr *)&address->sockaddr, &size) != 0)
		return false;
	address->size = (socklen_t)size;
	/* A port in the host ("1.2.3.4:5") is no literal, but a mistake. */
	if (address->sockaddr.ss_family == AF_INET) {
		memcpy(&in, &address->sockaddr, sizeof(in));
		if (in.sin_port != 0)
			return false;
		in.sin_port = htons((uint16_t)port);
		memcpy(&address->sockaddr, &in, sizeof(in));
	} else {
		memcpy(&in6, &address->sockaddr, sizeof(in6));
		if (in6.sin6_port != 0)
			return false;
		in6.sin6_port = htons((uint16_t)port);
		memcpy(&address->sockaddr, &in6, sizeof(in6));
	}
	return true;
}
