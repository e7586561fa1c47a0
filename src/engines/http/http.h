/*
 * engines/http/http.h - the inside of the HTTP engine.
 *
 * libcurl is called in multi.c, which knows no clients, and in transfer.c. What
 * it reports is only recorded there: requests that have ended are told by the
 * client's task, when libcurl is off the stack, so that end() may do anything.
 */
#ifndef EVKV_ENGINES_HTTP_HTTP_H
#define EVKV_ENGINES_HTTP_HTTP_H

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>

#include "evkv/http.h"
#include "evkv/resolver.h"
#include "evkv/task.h"

#define HTTP_ADDRESS_TEXT 192

/* Where a request is, and what is known of it: evkv_http_request.bits. */
enum {
	HTTP_WAITING = 1 << 0, /* for a node, in client->waiting */
	HTTP_RUNNING = 1 << 1, /* has a transfer, in client->running */
	HTTP_ENDING = 1 << 2,  /* to be told, in client->ending */
	HTTP_PLACES = HTTP_WAITING | HTTP_RUNNING | HTTP_ENDING,
	HTTP_WAS_SENT = 1 << 3, /* libcurl had a connection for it */
};

/* ---- The multi handle of a loop, multi.c --------------------------------- */

struct http_transfer;

struct http_multi {
	struct evkv_loop *loop;
	CURLM *curl;    /* NULL while there is no client */
	size_t clients; /* that use it */
	struct multi_socket *spare;
	struct event timer;
	struct evkv_task kick; /* libcurl wants to be called at once */
	size_t taken;          /* bytes of bodies, in this turn */
	struct evkv_task turn; /* the next one begins */
	TAILQ_HEAD(http_paused, http_transfer) paused; /* until then */
};

/* The loop's, with one use more; NULL = no memory. */
struct http_multi *evkv__http_multi_use(struct evkv_loop *loop);
/* Have room for one transfer more; false = no memory. */
bool evkv__http_multi_spare(struct http_multi *multi);
/*
 * A body's bytes have come: whether this turn takes them. Else the transfer is
 * to be paused, and is resumed in the next one.
 */
bool evkv__http_multi_take(struct http_multi *multi,
    struct http_transfer *transfer, size_t size);
void evkv__http_multi_unpause(struct http_multi *multi,
    struct http_transfer *transfer);
/* The last one closes all connections. */
void evkv__http_multi_leave(struct http_multi *multi);

/* ---- Bodies, body.c ------------------------------------------------------ */

struct http_chunk {
	struct http_chunk *next;
	size_t at, size, room;
	char data[];
};

struct http_inflate;

/* The body of an answer, as it came; given away piece by piece. */
struct http_body {
	struct http_chunk *first, *last;
	size_t received, given, max;
	struct http_inflate *inflate; /* NULL: it is not compressed */
	char type[96];
};

enum http_room { HTTP_ROOM, HTTP_ROOM_FULL, HTTP_ROOM_NOMEM };

struct http_body *evkv__http_body_new(size_t max);
void evkv__http_body_free(struct http_body *body);
enum http_room evkv__http_body_add(struct http_body *body, const char *data,
    size_t size);
/* It is gzip; false = no memory. */
bool evkv__http_body_packed(struct http_body *body);
/* As gzip; NULL = no memory. */
char *evkv__http_pack(struct evkv_slice body, size_t *size);

/* ---- Nodes, node.c ------------------------------------------------------- */

struct http_node {
	struct evkv_http *client;
	char *host;                 /* what is looked up */
	int port;                   /* where to connect */
	char *name;                 /* "name host:port", for messages */
	char *base;                 /* "https://host:port", of URLs */
	char *origin;               /* "host:port" in URLs, for libcurl */
	size_t running;             /* requests */
	struct http_transfer *idle; /* to be used again */
	struct evkv_lookup *lookup;
	struct evkv_timer patience; /* with the lookup */
	struct evkv_address addresses[EVKV_ADDRESSES_MAX];
	size_t address_count, address;
	int64_t resolved_us;
	unsigned failures; /* in a row */
	int64_t dead_until_us;
};

/* An easy handle of a node. */
struct http_transfer {
	CURL *easy;
	struct http_node *node;
	struct evkv_http_request *request; /* NULL: idle */
	struct curl_slist *headers, *connect_to;
	char address[HTTP_ADDRESS_TEXT]; /* of connect_to */
	char *packed;                    /* the compressed body */
	size_t body_size;                /* as it is sent */
	bool headed;                     /* its head is complete */
	enum http_room room;             /* of the answer */
	bool resent; /* libcurl wanted to send it again, and was not let */
	bool paused; /* in multi->paused */
	TAILQ_ENTRY(http_transfer) pause;
	char error[CURL_ERROR_SIZE];
	struct http_transfer *next;
};

bool evkv__http_node_init(struct http_node *node, struct evkv_http *client,
    const struct evkv_http_node *given);
void evkv__http_node_stop(struct http_node *node);
void evkv__http_node_free(struct http_node *node);
/* Whether its address is known; else it is being looked up. */
bool evkv__http_node_resolved(struct http_node *node);
/* Whether there is another address to try; it is taken then. */
bool evkv__http_node_next_address(struct http_node *node);
void evkv__http_node_answered(struct http_node *node);
/* Leave it alone for a while, for the reason in client->failure. */
void evkv__http_node_failed(struct http_node *node);

/*
 * Which node takes a request now; NULL = it has to wait, or has ended, as all
 * that wait may when a name turns out to have no address.
 */
struct http_node *evkv__http_node_choose(struct evkv_http *client,
    const struct evkv_http_request *request);

/* ---- Transfers, transfer.c ----------------------------------------------- */

/* Give a request to libcurl; false = no memory. */
bool evkv__http_transfer_begin(struct http_node *node,
    struct evkv_http_request *request);
/* Take a request from libcurl, whatever it is doing. */
void evkv__http_transfer_end(struct http_transfer *transfer, bool reusable);
void evkv__http_transfer_free(struct http_transfer *transfer);
/* libcurl is done with it. */
void evkv__http_transfer_done(struct http_transfer *transfer, CURLcode result);
/* Whether all of its request was handed to the kernel. */
bool evkv__http_transfer_sent(struct http_transfer *transfer);

/* ---- Requests, request.c ------------------------------------------------- */

struct http_list {
	struct evkv_http_request *first, **last;
	size_t count;
};

/* A failure of a request or of a node. */
struct http_failure {
	enum evkv_status status;
	enum evkv_cause cause;
	int sys_error;
	char message[256];
};

struct evkv_http {
	struct evkv_loop *loop;
	struct http_multi *multi;
	struct evkv_http_options options; /* the strings are ours */
	char *authorization;              /* a header, or NULL */
	struct http_node *nodes;
	size_t node_count;
	size_t turn; /* the node that is looked at first */
	struct http_list waiting, running, ending;
	struct evkv_task task; /* begins what waits, tells what has ended */
	struct http_failure failure; /* the last one of a node */
	enum evkv_state state, told; /* told by the task */
	bool closed;
	bool *freed; /* set for who is on the stack */
	uint64_t revivals, requests;
};

#define HTTP_NODE_BIT(client_, node_)                                          \
	(UINT64_C(1) << ((node_) - (client_)->nodes))

void evkv__http_list_init(struct http_list *list);
void evkv__http_fail(struct http_failure *failure, const char *name,
    enum evkv_status status, enum evkv_cause cause, const char *words);
/* An answer is complete, or its request has failed on a node. */
void evkv__http_request_answered(struct evkv_http_request *request,
    struct http_node *node);
void evkv__http_request_failed(struct evkv_http_request *request,
    struct http_node *node, bool sent, const struct http_failure *failure);
/* The client is closed, or it was too much. */
void evkv__http_request_refuse(struct evkv_http_request *request,
    enum evkv_status status, enum evkv_cause cause, const char *words);
/* A node has no address: those that wait will not ask it. */
void evkv__http_node_useless(struct http_node *node);
/* Have the client's task run. */
void evkv__http_stir(struct evkv_http *client);
/* Tell once what has ended, and the state; false: the client is gone. */
bool evkv__http_tell(struct evkv_http *client);
void evkv__http_task_run(void *arg);

#endif
