/*
 * engines/http/node.c - the servers of a client: their addresses, and which one
 * is asked.
 *
 * A node that fails is left alone for 2^(n-1) seconds after n failures in a
 * row, less a random part. When that is over one request at a time is tried on
 * it, until it answers. Where all are dead, requests go to the one whose time
 * is over first, one at a time.
 */
#include "engines/http/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#define NODE_FRESH_US 60000000 /* how old addresses get that are used */
#define NODE_DOUBLINGS 20

static int64_t node_now_us(const struct http_node *node)
{
	return evkv_loop_now_us(node->client->loop);
}

static bool node_dead(const struct http_node *node)
{
	return node->failures > 0 && node_now_us(node) < node->dead_until_us;
}

/* ---- Health -------------------------------------------------------------- */

void evkv__http_node_answered(struct http_node *node)
{
	struct evkv_http *client = node->client;

	client->revivals += node->failures > 0;
	node->failures = 0;
	client->state = EVKV_STATE_READY;
}

static bool node_all_failing(const struct evkv_http *client)
{
	for (size_t i = 0; i < client->node_count; i++) {
		if (client->nodes[i].failures == 0)
			return false;
	}
	return true;
}

void evkv__http_node_failed(struct http_node *node)
{
	struct evkv_http *client = node->client;
	unsigned doublings = node->failures;
	int64_t pause_us;

	if (doublings > NODE_DOUBLINGS)
		doublings = NODE_DOUBLINGS;
	pause_us = INT64_C(1000000) << doublings;
	if (pause_us > client->options.backoff_max_ms * 1000)
		pause_us = client->options.backoff_max_ms * 1000;
	pause_us -= (int64_t)(evkv_loop_random(client->loop) %
	    ((uint64_t)pause_us / 4 + 1));
	node->failures++;
	node->dead_until_us = node_now_us(node) + pause_us;
	if (node_all_failing(client))
		client->state = EVKV_STATE_DOWN;
}

/* ---- Addresses ----------------------------------------------------------- */

static void node_lookup_over(struct http_node *node)
{
	node->lookup = NULL;
	evkv_timer_cancel(node->client->loop, &node->patience);
}

static void node_lookup_failed(struct http_node *node, enum evkv_status status,
    const char *words)
{
	struct evkv_http *client = node->client;

	if (node->address_count > 0)
		return; /* those that are known may still be right */
	evkv__http_fail(&client->failure, node->name, status,
	    status == EVKV_NOMEM ? EVKV_CAUSE_NOMEM : EVKV_CAUSE_RESOLVE,
	    words);
	evkv__http_node_failed(node);
	evkv__http_node_useless(node);
	evkv__http_stir(client);
}

static void node_on_lookup(const struct evkv_lookup_result *result, void *arg)
{
	struct http_node *node = arg;

	node_lookup_over(node);
	if (result->status != EVKV_OK) {
		node_lookup_failed(node, result->status, result->message);
		return;
	}
	memcpy(node->addresses, result->addresses,
	    result->count * sizeof(node->addresses[0]));
	node->address_count = result->count;
	node->address = 0;
	node->resolved_us = node_now_us(node);
	evkv__http_stir(node->client);
}

static void node_on_patience(void *arg)
{
	struct http_node *node = arg;

	evkv_lookup_cancel(node->lookup);
	node_lookup_over(node);
	node_lookup_failed(node, EVKV_UNAVAILABLE,
	    "no name server has answered in time");
}

static void node_look_up(struct http_node *node)
{
	struct evkv_http *client = node->client;
	int64_t limit_ms = client->options.connect_timeout_ms;
	struct evkv_lookup *lookup;

	if (!evkv_timer_set(client->loop, &node->patience, limit_ms)) {
		node_lookup_failed(node, EVKV_NOMEM, "out of memory");
		return;
	}
	lookup = evkv_lookup_start(client->loop, node->host, node->port,
	    limit_ms, node_on_lookup, node);
	if (lookup != NULL)
		node->lookup = lookup;
}

bool evkv__http_node_resolved(struct http_node *node)
{
	bool old = node_now_us(node) - node->resolved_us > NODE_FRESH_US;

	if (node->lookup == NULL && (node->address_count == 0 || old))
		node_look_up(node);
	return node->address_count > 0;
}

bool evkv__http_node_next_address(struct http_node *node)
{
	if (++node->address < node->address_count)
		return true;
	/* They are looked up again before the next request. */
	node->address = node->address_count = 0;
	evkv_resolver_doubt(node->client->loop);
	return false;
}

/* ---- The choice ---------------------------------------------------------- */

static bool node_has_room(const struct http_node *node)
{
	size_t most = node->client->options.max_requests;

	return node->running < (node->failures > 0 ? 1 : most);
}

/* The least busy one of those that are alive; *alive = there are some. */
static struct http_node *node_choose_alive(struct evkv_http *client,
    const struct evkv_http_request *request, bool *alive)
{
	struct http_node *node, *best = NULL;

	*alive = false;
	for (size_t i = 0; i < client->node_count; i++) {
		node = &client->nodes[(client->turn + i) % client->node_count];
		if ((request->tried & HTTP_NODE_BIT(client, node)) != 0 ||
		    node_dead(node))
			continue;
		*alive = true;
		if (node_has_room(node) && evkv__http_node_resolved(node) &&
		    (best == NULL || node->running < best->running))
			best = node;
	}
	return best;
}

/* The dead one that will be tried first. */
static struct http_node *node_choose_dead(struct evkv_http *client,
    const struct evkv_http_request *request)
{
	struct http_node *node, *best = NULL;

	for (size_t i = 0; i < client->node_count; i++) {
		node = &client->nodes[i];
		if ((request->tried & HTTP_NODE_BIT(client, node)) == 0 &&
		    (best == NULL || node->dead_until_us < best->dead_until_us))
			best = node;
	}
	if (best == NULL || !node_has_room(best) ||
	    !evkv__http_node_resolved(best))
		return NULL;
	return best;
}

struct http_node *evkv__http_node_choose(struct evkv_http *client,
    const struct evkv_http_request *request)
{
	struct http_node *node;
	bool alive;

	node = node_choose_alive(client, request, &alive);
	if (!alive)
		node = node_choose_dead(client, request);
	if (node != NULL)
		client->turn = (size_t)(node - client->nodes) + 1;
	return node;
}

/* ---- Making and ending --------------------------------------------------- */

/* "a:b", with brackets where it is an IPv6 address. */
static char *node_text(const char *before, const char *host, int port)
{
	size_t size = strlen(before) + strlen(host) + sizeof("[]:65535");
	bool literal = strchr(host, ':') != NULL;
	char *text = evkv_malloc(size);

	if (text != NULL)
		(void)snprintf(text, size, "%s%s%s%s:%d", before,
		    literal ? "[" : "", host, literal ? "]" : "", port);
	return text;
}

bool evkv__http_node_init(struct http_node *node, struct evkv_http *client,
    const struct evkv_http_node *given)
{
	const struct evkv_http_options *options = &client->options;
	const char *host = options->tls_server_name;
	char prefix[80];

	node->client = client;
	node->patience.run = node_on_patience;
	node->patience.arg = node;
	node->port = options->proxy_host != NULL ? options->proxy_port
						 : given->port;
	node->host = evkv_strdup(options->proxy_host != NULL
		? options->proxy_host
		: given->host);
	(void)snprintf(prefix, sizeof(prefix), "%s ", options->name);
	node->name = node_text(prefix, given->host, given->port);
	if (!options->tls || host == NULL)
		host = given->host;
	node->base = node_text(options->tls ? "https://" : "http://", host,
	    given->port);
	node->origin = node_text("", host, given->port);
	return node->host != NULL && node->name != NULL && node->base != NULL &&
	    node->origin != NULL;
}

void evkv__http_node_stop(struct http_node *node)
{
	evkv_lookup_cancel(node->lookup);
	node_lookup_over(node);
}

void evkv__http_node_free(struct http_node *node)
{
	struct http_transfer *transfer;

	while ((transfer = node->idle) != NULL) {
		node->idle = transfer->next;
		evkv__http_transfer_free(transfer);
	}
	evkv_free(node->host);
	evkv_free(node->name);
	evkv_free(node->base);
	evkv_free(node->origin);
}
