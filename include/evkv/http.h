/**
 * @file
 * Requests to one or several HTTP servers that are equal to each other; for
 * authors of network stores. Library: evkv-http.
 *
 * A client has some base addresses (nodes), connections to them that are kept
 * alive, and bounds. A request goes to a node that is there; where it had no
 * effect, or may be repeated, it goes to another one when that fails. Name
 * look-ups are evkv's own (evkv/resolver.h), everything else is libcurl's.
 * docs/http.md tells more.
 *
 *     static void my_end(struct evkv_http_request *request,
 *         const struct evkv_http_end *end)
 *     {
 *         struct evkv_slice piece;
 *
 *         if (end->fate == EVKV_HTTP_ANSWERED && end->code == 200)
 *             while (evkv_http_read(request, &piece) == EVKV_HTTP_PIECE)
 *                 my_piece(piece);
 *         evkv_http_release(request);
 *     }
 *
 *     *request = (struct evkv_http_request){ .method = "GET",
 *         .path = "/things/1", .flags = EVKV_HTTP_REPEATABLE, .end = my_end };
 *     evkv_http_start(client, request);
 *
 * Everything here is for the loop's thread.
 */
#ifndef EVKV_HTTP_H
#define EVKV_HTTP_H

#include "evkv/driver.h"
#include "evkv/task.h"

EVKV_BEGIN_DECLS

/** The most nodes of one client. */
#define EVKV_HTTP_NODES_MAX 64
/** The most bytes that evkv_http_read() gives at once. */
#define EVKV_HTTP_PIECE_MAX 16384

/** A client. */
struct evkv_http;

/** One server. */
struct evkv_http_node {
	/** name or address as text; copied */
	const char *host;
	/** 1 to 65535 */
	int port;
};

/**
 * Zero in a field is its default. Strings are copied. Times are in
 * milliseconds, below 2^40.
 */
struct evkv_http_options {
	/** for messages, "elasticsearch"; NULL = "http" */
	const char *name;
	/** the servers; at least one, at most EVKV_HTTP_NODES_MAX */
	const struct evkv_http_node *nodes;
	/** how many there are */
	size_t node_count;

	/** https instead of http */
	bool tls;
	/** PEM file of the authorities to trust; NULL = the system's */
	const char *tls_ca_file;
	/** PEM file of a client certificate; NULL = none */
	const char *tls_cert_file;
	/** PEM file of its key; NULL = it is in tls_cert_file */
	const char *tls_key_file;
	/** the name to verify and to ask for; NULL = each node's host */
	const char *tls_server_name;
	/** Accept any certificate. It then protects from no attacker. */
	bool tls_no_verify;

	/** HTTP basic: the user; NULL = none */
	const char *user;
	/** HTTP basic: the password; NULL = "" */
	const char *password;
	/** an API key, sent as "ApiKey ..."; NULL = none */
	const char *api_key;
	/** a token, sent as "Bearer ..."; NULL = none */
	const char *bearer;

	/** an HTTP proxy's name or address; NULL = none, whatever the
	 * environment says */
	const char *proxy_host;
	/** its port; required with proxy_host */
	int proxy_port;

	/**
	 * Ask for compressed answers, and compress bodies of requests over 1
	 * KiB. It costs the loop about 10 ms for each MiB of a body.
	 */
	bool gzip;
	/** requests under way to one node; 0 = 4 */
	size_t max_requests;
	/** requests that wait for a node; past it BUSY; 0 = 10000 */
	size_t max_waiting;
	/** the longest body of an answer, compressed or not; 0 = 64 MiB */
	size_t max_answer_bytes;
	/** from the first byte to the end of the TLS handshake; 0 = 5000 */
	int64_t connect_timeout_ms;
	/** a request's time where it has none of its own; 0 = 60000 */
	int64_t request_timeout_ms;
	/** the longest that a dead node is left alone; 0 = 30000 */
	int64_t backoff_max_ms;
	/** how old an idle connection gets that is used again; 0 = 60000 */
	int64_t keep_alive_ms;

	/**
	 * The client's state has changed: READY at the first answer, DOWN when
	 * no node can be reached. `message` lives for the call. NULL = nobody
	 * is told. Never inside evkv_http_new() and evkv_http_start().
	 */
	void (*state)(void *arg, enum evkv_state state, enum evkv_cause cause,
	    const char *message);
	/** for state() */
	void *arg;
};

/** Flags of a request. */
enum {
	/**
	 * Doing it twice is as doing it once, and does no harm late: it is sent
	 * again, to another node, when an answer was cut off or was one of 502,
	 * 503 and 504.
	 */
	EVKV_HTTP_REPEATABLE = 1 << 0,
};

/** What became of a request. */
enum evkv_http_fate {
	/** there is an answer, whatever its code says */
	EVKV_HTTP_ANSWERED,
	/** cut off: it may have taken effect */
	EVKV_HTTP_SENT,
	/** it surely had no effect */
	EVKV_HTTP_UNSENT,
};

/** How a request ended. Lives as long as the call that it is given to. */
struct evkv_http_end {
	/** what became of it */
	enum evkv_http_fate fate;
	/** ANSWERED: the code of the answer, 200; else 0 */
	int code;
	/** ANSWERED: the Content-Type, "" = none; else "" */
	const char *content_type;
	/** ANSWERED: how long the body is, as it came (maybe compressed) */
	size_t size;
	/**
	 * Not ANSWERED: the failure. UNKNOWN_OUTCOME is evkv_op_cut()'s to say.
	 */
	enum evkv_status status;
	/** why */
	enum evkv_cause cause;
	/** errno, or 0 */
	int sys_error;
	/** one line, names the node, never a password; of an answer "name
	 * host:port" alone */
	const char *message;
};

/**
 * One request, embedded in the driver's own record. Zero it and fill in the
 * first part. It belongs to the client from evkv_http_start() until end() is
 * called or evkv_http_cancel() has returned; the body of the answer, until
 * evkv_http_release().
 */
struct evkv_http_request {
	/** "GET", "POST", ...; lives until the end, as all here */
	const char *method;
	/** from the slash on, escaped as URLs are */
	const char *path;
	/** of the body; NULL = there is no body */
	const char *content_type;
	/** the body */
	struct evkv_slice body;
	/** EVKV_HTTP_* */
	uint32_t flags;
	/** until it is given up, waiting included; 0 = the client's */
	int64_t timeout_ms;
	/**
	 * Optional. It is about to be handed to the kernel: mark the ops as
	 * sent (evkv_op_mark_sent()), and do nothing else. May be called again
	 * for one that is repeatable.
	 */
	void (*sending)(struct evkv_http_request *request);
	/**
	 * Required. It has ended and is the driver's again. Exactly once for
	 * each request that was started and not canceled; never inside
	 * evkv_http_start(); inside evkv_http_close(). May start, cancel, close
	 * and free.
	 */
	void (*end)(struct evkv_http_request *request,
	    const struct evkv_http_end *end);

	/** the client's, as is all that follows */
	struct evkv_http *client;
	/** the client's */
	struct evkv_http_request *next;
	/** the client's */
	struct evkv_http_request **link;
	/** the client's */
	struct http_transfer *transfer;
	/** the client's */
	struct http_body *answer;
	/** the client's */
	struct evkv_timer timer;
	/** the client's */
	uint64_t tried;
	/** the client's */
	uint32_t bits;
	/** the client's */
	struct evkv_http_end outcome;
	/** the client's */
	char text[256];
};

/**
 * Make a client. It connects to nobody before the first request. Holds the loop
 * until it is closed. Legal in a callback.
 * @param loop     where it lives
 * @param options  copied
 * @param size     sizeof(*options)
 * @param error    INVALID, IO (a file that can't be read) or NOMEM, where NULL
 *                 is returned
 */
EVKV_API struct evkv_http *evkv_http_new_sized(struct evkv_loop *loop,
    const struct evkv_http_options *options, size_t size,
    struct evkv_error *error);

/** evkv_http_new_sized() for the options as they are compiled here. */
static inline struct evkv_http *evkv_http_new(struct evkv_loop *loop,
    const struct evkv_http_options *options, struct evkv_error *error)
{
	return evkv_http_new_sized(loop, options, sizeof(*options), error);
}

/**
 * End it for good: requests that are left end with CLOSED, by end(), inside
 * this call; those started afterwards do too, later. Twice does nothing, nor
 * does NULL. Not inside sending().
 */
EVKV_API void evkv_http_close(struct evkv_http *client);

/** Close it if need be, and release it. May be called inside end(). */
EVKV_API void evkv_http_free(struct evkv_http *client);

/** Hand over a request; end() will be called, later. */
EVKV_API void evkv_http_start(struct evkv_http *client,
    struct evkv_http_request *request);

/**
 * Take a request back: end() will not be called. What is under way is cut off,
 * and its connection closed. Not inside sending().
 * @return true: nothing of it was sent, or will be
 */
EVKV_API bool evkv_http_cancel(struct evkv_http_request *request);

/** What evkv_http_read() has found. */
enum evkv_http_found {
	/** there are some bytes */
	EVKV_HTTP_PIECE,
	/** there are no more */
	EVKV_HTTP_BODY_END,
	/** it is compressed, and damaged; or longer than max_answer_bytes */
	EVKV_HTTP_BODY_DAMAGED,
	/** out of memory */
	EVKV_HTTP_BODY_NOMEM,
};

/**
 * The next bytes of an answer's body, from end() on.
 * @param request  one that ended ANSWERED
 * @param piece    set to 1 to EVKV_HTTP_PIECE_MAX bytes, which live until the
 *                 next call; takes a few microseconds, compressed or not
 */
EVKV_API enum evkv_http_found evkv_http_read(struct evkv_http_request *request,
    struct evkv_slice *piece);

/** Free what is left of the answer; may be called for any request that ended.
 */
EVKV_API void evkv_http_release(struct evkv_http_request *request);

/** What a client holds and has done. */
struct evkv_http_counters {
	/** requests that wait for a node */
	size_t waiting;
	/** requests under way */
	size_t running;
	/** nodes that are left alone after a failure */
	size_t dead_nodes;
	/** how often a node that had been dead has answered again */
	uint64_t revivals;
	/** requests handed to libcurl, repetitions included */
	uint64_t requests;
};

/** The present counters. Costs little. */
EVKV_API void evkv_http_counters(const struct evkv_http *client,
    struct evkv_http_counters *counters);

EVKV_END_DECLS

#endif
