/*
 * tests/pipeline/names.c - a name server on the test's loop, by evdns.
 */
#include "names.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <event2/util.h>

#include "test.h"

static struct evdns_server_port *names_port;
static char names_address[32];

int evdns_base_resolv_conf_parse(struct evdns_base *base, int flags,
    const char *const filename)
{
	(void)flags;
	(void)filename;
	if (names_port == NULL)
		return 0;
	return evdns_base_nameserver_ip_add(base, names_address);
}

static void answer(struct evdns_server_request *request, void *arg)
{
	struct names *names = arg;
	struct in_addr in;
	unsigned j;
	int i;

	if (names->silent ||
	    (names->only_a && request->questions[0]->type != EVDNS_TYPE_A)) {
		check(evdns_server_request_drop(request) == 0);
		return;
	}
	for (i = 0; i < request->nquestions; i++) {
		if (request->questions[i]->type == EVDNS_TYPE_AAAA &&
		    names->ipv6)
			check(evdns_server_request_add_aaaa_reply(request,
				  request->questions[i]->name, 1,
				  &in6addr_loopback, 60) == 0);
		if (request->questions[i]->type != EVDNS_TYPE_A)
			continue;
		names->asked++;
		for (j = 0; j < names->count && !names->unknown; j++) {
			check(inet_pton(AF_INET, names->addresses[j], &in) ==
			    1);
			check(evdns_server_request_add_a_reply(request,
				  request->questions[i]->name, 1, &in,
				  60) == 0);
		}
	}
	check(evdns_server_request_respond(request,
		  names->unknown ? DNS_ERR_NOTEXIST : 0) == 0);
}

void names_serve(struct event_base *base, struct names *names)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t size = sizeof(in);
	int fd;

	if (names_port != NULL)
		evdns_close_server_port(names_port);
	names_port = NULL;
	if (names == NULL)
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	check(fd >= 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(fd, (struct sockaddr *)&in, size) == 0);
	check(getsockname(fd, (struct sockaddr *)&in, &size) == 0);
	snprintf(names_address, sizeof(names_address), "127.0.0.1:%d",
	    ntohs(in.sin_port));
	names_port = evdns_add_server_port_with_base(base, fd, 0, answer,
	    names);
	check(names_port != NULL);
}
