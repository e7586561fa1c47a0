/*
 * stores/elasticsearch/ping.c - PING: whether a node answers at all.
 */
#include "stores/elasticsearch/store.h"

struct ping {
	struct es_exchange exchange; /* first */
	struct evkv_op *op;
};

static void ping_done(struct es_exchange *exchange)
{
	struct ping *ping = (struct ping *)(void *)exchange;
	const struct es_failure *failure = &exchange->failure;
	int code = exchange->code;

	evkv__es_reader_clear(&exchange->reader);
	/* Who may not ask who it is has found it, too. */
	if (failure->status != EVKV_OK &&
	    (code == 0 || code == 401 || code >= 500)) {
		evkv_op_explain(ping->op, failure->cause, failure->sys_error,
		    failure->message);
		(void)evkv_op_fail(ping->op, failure->status, failure->cause,
		    failure->message);
	}
	evkv_op_complete(ping->op);
}

enum evkv_verdict evkv__es_ping_submit(struct es_store *store,
    struct evkv_op *op)
{
	struct ping *ping = evkv_op_alloc(op, sizeof(*ping));

	if (ping == NULL)
		return evkv_op_nomem(op);
	memset(ping, 0, sizeof(*ping));
	ping->op = op;
	ping->exchange.http.method = "GET";
	ping->exchange.http.path = "/";
	ping->exchange.done = ping_done;
	evkv_op_set_data(op, ping);
	evkv__es_exchange_start(store, &ping->exchange, ES_ANSWER_PLAIN);
	return EVKV_VERDICT_PENDING;
}

void evkv__es_ping_stop(struct evkv_op *op)
{
	struct ping *ping = evkv_op_data(op);

	(void)evkv__es_exchange_cancel(&ping->exchange);
	evkv__es_reader_clear(&ping->exchange.reader);
	(void)evkv_op_fail(op, EVKV_CANCELED, EVKV_CAUSE_CANCELED, NULL);
	evkv_op_complete(op);
}
