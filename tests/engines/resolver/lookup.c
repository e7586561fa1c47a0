/*
 * tests/engines/resolver/lookup.c - see lookup.h.
 */
#include "lookup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void address_print(const struct evkv_address *address, char *text,
    size_t size)
{
	char host[INET6_ADDRSTRLEN], scope[16] = "";
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (address->sockaddr.ss_family == AF_INET) {
		memcpy(&in, &address->sockaddr, sizeof(in));
		check_int(address->size, sizeof(in));
		check(inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host)) !=
		    NULL);
		snprintf(text, size, "%s:%d", host, ntohs(in.sin_port));
		return;
	}
	memcpy(&in6, &address->sockaddr, sizeof(in6));
	check_int(address->size, sizeof(in6));
	check(inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host)) != NULL);
	if (in6.sin6_scope_id != 0)
		snprintf(scope, sizeof(scope), "%%%u", in6.sin6_scope_id);
	snprintf(text, size, "[%s%s]:%d", host, scope, ntohs(in6.sin6_port));
}

void bed_told(const struct evkv_lookup_result *result, void *arg)
{
	struct bed *b = arg;
	size_t i, at = 0;

	b->calls++;
	b->status = result->status;
	b->count = result->count;
	snprintf(b->message, sizeof(b->message), "%s", result->message);
	b->text[0] = '\0';
	for (i = 0; i < result->count; i++) {
		if (i > 0)
			b->text[at++] = ' ';
		address_print(&result->addresses[i], b->text + at,
		    sizeof(b->text) - at);
		at += strlen(b->text + at);
	}
}

void bed_open(struct bed *b, const struct dns_record *records)
{
	memset(b, 0, sizeof(*b));
	rig_open(&b->rig);
	b->server.records = records;
	dns_begin(&b->dns, &b->server, b->rig.base, b->rig.loop);
	b->events = event_base_get_num_events(b->rig.base,
	    EVENT_BASE_COUNT_ADDED);
}

void settle(struct bed *b)
{
	int servers = 0, i;

	for (i = 0; i < DNS_SERVERS; i++)
		servers += b->dns.servers[i] != NULL ? 2 : 0;
	rig_until(&b->rig,
	    event_base_get_num_events(b->rig.base, EVENT_BASE_COUNT_ADDED) ==
		b->events - 2 + servers);
}

void bed_close(struct bed *b)
{
	dns_close(&b->dns);
	rig_close(&b->rig);
}

void begin(struct bed *b, const char *name, int64_t limit_ms)
{
	b->calls = 0;
	b->lookup = evkv_lookup_start(b->rig.loop, name, 6379, limit_ms,
	    bed_told, b);
	b->inside = b->calls > 0;
	check(b->inside == (b->lookup == NULL));
}

void look_within(struct bed *b, const char *name, int64_t limit_ms)
{
	begin(b, name, limit_ms);
	rig_wait(&b->rig, &b->calls);
	check_int(b->calls, 1);
	settle(b);
}
