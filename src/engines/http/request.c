/*
 * engines/http/request.c - requests: waiting, under way, ending.
 *
 * Happy path: a request waits until the client's task finds a node for it, has
 * a transfer, and ends answered; the task tells so.
 *
 * Failures: one that had no effect, or may be repeated, waits again, for a node
 * that it was not on; when none is left it ends with the last failure. So do
 * those that wait while every node is dead. Time runs from the start, waiting
 * included.
 */
#include "engines/http/http.h"

#include <stdio.h>

/* ---- Lists --------------------------------------------------------------- */

void evkv__http_list_init(struct http_list *list)
{
	list->first = NULL;
	list->last = &list->first;
	list->count = 0;
}

static struct http_list *list_of(struct evkv_http_request *request)
{
	struct evkv_http *client = request->client;

	switch (request->bits & HTTP_PLACES) {
	case HTTP_WAITING: return &client->waiting;
	case HTTP_RUNNING: return &client->running;
	case HTTP_ENDING: return &client->ending;
	default: return NULL;
	}
}

static void list_leave(struct evkv_http_request *request)
{
	struct http_list *list = list_of(request);

	if (list == NULL)
		return;
	*request->link = request->next;
	if (request->next != NULL)
		request->next->link = request->link;
	else
		list->last = request->link;
	list->count--;
	request->bits &= ~(uint32_t)HTTP_PLACES;
}

static void list_join(struct evkv_http_request *request, uint32_t place)
{
	struct http_list *list;

	list_leave(request);
	request->bits |= place;
	list = list_of(request);
	request->next = NULL;
	request->link = list->last;
	*list->last = request;
	list->last = &request->next;
	list->count++;
}

/* ---- Ending -------------------------------------------------------------- */

void evkv__http_fail(struct http_failure *failure, const char *name,
    enum evkv_status status, enum evkv_cause cause, const char *words)
{
	char *at;

	failure->status = status;
	failure->cause = cause;
	failure->sys_error = 0;
	(void)snprintf(failure->message, sizeof(failure->message), "%s: %s",
	    name, words);
	for (at = failure->message; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
}

void evkv__http_stir(struct evkv_http *client)
{
	if (!client->closed)
		evkv_task_queue(client->loop, &client->task);
}

static void request_ends(struct evkv_http_request *request,
    enum evkv_http_fate fate)
{
	evkv_timer_cancel(request->client->loop, &request->timer);
	request->outcome.fate = fate;
	list_join(request, HTTP_ENDING);
	evkv__http_stir(request->client);
}

static void request_fails(struct evkv_http_request *request, bool sent,
    const struct http_failure *failure)
{
	evkv_http_release(request);
	request->outcome.code = 0;
	request->outcome.status = failure->status;
	request->outcome.cause = failure->cause;
	request->outcome.sys_error = failure->sys_error;
	(void)snprintf(request->text, sizeof(request->text), "%s",
	    failure->message);
	request_ends(request, sent ? EVKV_HTTP_SENT : EVKV_HTTP_UNSENT);
}

/* Is there a node that it was not on? */
static bool request_has_more(const struct evkv_http_request *request)
{
	const struct evkv_http *client = request->client;
	uint64_t all = client->node_count < 64
	    ? (UINT64_C(1) << client->node_count) - 1
	    : UINT64_MAX;

	return (request->tried & all) != all;
}

static void request_again(struct evkv_http_request *request)
{
	evkv_http_release(request);
	request->bits &= ~(uint32_t)HTTP_WAS_SENT;
	list_join(request, HTTP_WAITING);
	evkv__http_stir(request->client);
}

static bool code_is_of_a_gateway(int code)
{
	return code == 502 || code == 503 || code == 504;
}

void evkv__http_request_answered(struct evkv_http_request *request,
    struct http_node *node)
{
	struct evkv_http *client = request->client;

	if (!code_is_of_a_gateway(request->outcome.code)) {
		evkv__http_node_answered(node);
	} else {
		evkv__http_fail(&client->failure, node->name, EVKV_UNAVAILABLE,
		    EVKV_CAUSE_SERVER, "the server is not available");
		evkv__http_node_failed(node);
		request->tried |= HTTP_NODE_BIT(client, node);
		if ((request->flags & EVKV_HTTP_REPEATABLE) != 0 &&
		    request_has_more(request)) {
			request_again(request);
			return;
		}
	}
	(void)snprintf(request->text, sizeof(request->text), "%s", node->name);
	request_ends(request, EVKV_HTTP_ANSWERED);
}

/* With every node dead the others need not try. */
static void request_fail_waiting(struct evkv_http *client)
{
	struct evkv_http_request *request;

	if (client->state != EVKV_STATE_DOWN || client->running.count > 0)
		return;
	while ((request = client->waiting.first) != NULL)
		request_fails(request, false, &client->failure);
}

void evkv__http_request_failed(struct evkv_http_request *request,
    struct http_node *node, bool sent, const struct http_failure *failure)
{
	struct evkv_http *client = request->client;
	bool repeatable = !sent || (request->flags & EVKV_HTTP_REPEATABLE) != 0;
	bool of_node = failure->status == EVKV_UNAVAILABLE ||
	    failure->status == EVKV_CORRUPT;

	if (of_node && failure->cause == EVKV_CAUSE_CONNECT &&
	    evkv__http_node_next_address(node)) {
		request_again(request);
		return;
	}
	if (of_node) {
		client->failure = *failure;
		evkv__http_node_failed(node);
		request->tried |= HTTP_NODE_BIT(client, node);
	}
	if (of_node && repeatable && request_has_more(request)) {
		request_again(request);
		return;
	}
	request_fails(request, sent, failure);
	request_fail_waiting(client);
}

void evkv__http_node_useless(struct http_node *node)
{
	struct evkv_http *client = node->client;
	struct evkv_http_request *request, *next;

	for (request = client->waiting.first; request != NULL; request = next) {
		next = request->next;
		request->tried |= HTTP_NODE_BIT(client, node);
		if (!request_has_more(request))
			request_fails(request, false, &client->failure);
	}
}

/* ---- Time ---------------------------------------------------------------- */

static void request_on_time(void *arg)
{
	struct evkv_http_request *request = arg;
	struct evkv_http *client = request->client;
	struct http_node *node;
	struct http_failure failure;
	bool sent;

	if ((request->bits & HTTP_RUNNING) == 0) {
		failure = client->failure;
		if (failure.status == EVKV_OK)
			evkv__http_fail(&failure, client->options.name,
			    EVKV_UNAVAILABLE, EVKV_CAUSE_OFFLINE,
			    "it waited too long for a server");
		request_fails(request, false, &failure);
		return;
	}
	node = request->transfer->node;
	sent = evkv__http_transfer_sent(request->transfer);
	evkv__http_fail(&failure, node->name, EVKV_UNAVAILABLE,
	    EVKV_CAUSE_STALL, "the server does not answer");
	evkv__http_transfer_end(request->transfer, false);
	client->failure = failure;
	evkv__http_node_failed(node);
	request_fails(request, sent, &failure);
}

/* ---- Starting and canceling ---------------------------------------------- */

void evkv__http_request_refuse(struct evkv_http_request *request,
    enum evkv_status status, enum evkv_cause cause, const char *words)
{
	struct http_failure failure;

	evkv__http_fail(&failure, request->client->options.name, status, cause,
	    words);
	request_fails(request, (request->bits & HTTP_WAS_SENT) != 0, &failure);
}

void evkv_http_start(struct evkv_http *client,
    struct evkv_http_request *request)
{
	int64_t time_ms = request->timeout_ms != 0
	    ? request->timeout_ms
	    : client->options.request_timeout_ms;

	request->client = client;
	request->transfer = NULL;
	request->answer = NULL;
	request->tried = 0;
	request->bits = 0;
	memset(&request->outcome, 0, sizeof(request->outcome));
	request->timer = (struct evkv_timer){ .run = request_on_time,
		.arg = request };
	if (client->closed)
		evkv__http_request_refuse(request, EVKV_CLOSED,
		    EVKV_CAUSE_CLOSED, "the store is closed");
	else if (client->waiting.count >= client->options.max_waiting)
		evkv__http_request_refuse(request, EVKV_BUSY,
		    EVKV_CAUSE_OVERLOAD, "too many requests wait");
	else if (!evkv_timer_set(client->loop, &request->timer, time_ms))
		evkv__http_request_refuse(request, EVKV_NOMEM, EVKV_CAUSE_NOMEM,
		    "out of memory");
	else
		list_join(request, HTTP_WAITING);
	evkv_task_queue(client->loop, &client->task);
}

bool evkv_http_cancel(struct evkv_http_request *request)
{
	struct evkv_http *client = request->client;
	bool sent;

	if ((request->bits & HTTP_PLACES) == 0)
		return false;
	evkv_timer_cancel(client->loop, &request->timer);
	sent = (request->bits & HTTP_WAS_SENT) != 0;
	if ((request->bits & HTTP_RUNNING) != 0)
		evkv__http_transfer_end(request->transfer, false);
	list_leave(request);
	evkv_http_release(request);
	evkv__http_stir(client);
	return !sent;
}

/* ---- The client's task --------------------------------------------------- */

/* false: the client is gone. */
static bool task_tell_ended(struct evkv_http *client, const bool *freed)
{
	struct evkv_http_request *request;

	/* What ends meanwhile comes in the next turn. */
	for (size_t left = client->ending.count; left > 0 && !*freed; left--) {
		request = client->ending.first;
		if (request == NULL)
			break;
		list_leave(request);
		request->outcome.message = request->text;
		request->outcome.content_type = request->answer != NULL
		    ? request->answer->type
		    : "";
		request->outcome.size = request->answer != NULL
		    ? request->answer->received
		    : 0;
		request->end(request, &request->outcome);
	}
	return !*freed;
}

static void task_tell_state(struct evkv_http *client)
{
	enum evkv_state state = client->state;
	bool down = state == EVKV_STATE_DOWN;

	if (client->told == state || client->options.state == NULL)
		return;
	client->told = state;
	client->options.state(client->options.arg, state,
	    down ? client->failure.cause : EVKV_CAUSE_NONE,
	    down ? client->failure.message : "");
}

static void task_begin_waiting(struct evkv_http *client)
{
	struct evkv_http_request *request;
	struct http_node *node;

	while ((request = client->waiting.first) != NULL) {
		node = evkv__http_node_choose(client, request);
		if (node == NULL)
			break;
		if (evkv__http_transfer_begin(node, request))
			list_join(request, HTTP_RUNNING);
		else
			evkv__http_request_refuse(request, EVKV_NOMEM,
			    EVKV_CAUSE_NOMEM, "out of memory");
	}
}

/* false: the client is gone. */
static bool task_tell(struct evkv_http *client, const bool *freed)
{
	if (!task_tell_ended(client, freed))
		return false;
	if (!client->closed)
		task_tell_state(client);
	return !*freed;
}

bool evkv__http_tell(struct evkv_http *client)
{
	bool freed = false;
	bool *outer = client->freed;

	client->freed = &freed;
	if (!task_tell(client, &freed)) {
		if (outer != NULL)
			*outer = true;
		return false;
	}
	client->freed = outer;
	return true;
}

void evkv__http_task_run(void *arg)
{
	struct evkv_http *client = arg;

	if (!evkv__http_tell(client))
		return;
	if (!client->closed)
		task_begin_waiting(client);
	if (client->ending.first != NULL)
		evkv_task_queue(client->loop, &client->task);
}
