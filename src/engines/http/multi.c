/*
 * engines/http/multi.c - libcurl's multi handle on an event_base, one for each
 * loop.
 *
 * libcurl tells which of its sockets want to be read or written, and when it
 * wants to be called though nothing has come. It lives while there are clients.
 *
 * libcurl reads a socket until it is empty, but at most some megabytes, which
 * takes milliseconds. So only so many bytes are taken in a turn: then transfers
 * are paused, and resumed in the next turn, those first that have waited.
 */
#include "engines/http/http.h"

#include <pthread.h>

#define MULTI_CONNECTIONS 256 /* kept alive, of all clients of a loop */
#define MULTI_TURN_BYTES ((size_t)128 << 10)

static const char multi_key;

struct multi_socket {
	struct http_multi *multi;
	struct event event;
	struct multi_socket *next; /* a spare one's */
};

/*
 * libcurl takes no multi handle for good in which the socket callback has
 * failed. So there is one of these for each transfer before it begins.
 */
bool evkv__http_multi_spare(struct http_multi *multi)
{
	struct multi_socket *socket = evkv_calloc(1, sizeof(*socket));

	if (socket == NULL)
		return false;
	socket->multi = multi;
	socket->next = multi->spare;
	multi->spare = socket;
	return true;
}

static struct multi_socket *multi_take(struct http_multi *multi)
{
	struct multi_socket *socket;

	if (multi->spare == NULL)
		(void)evkv__http_multi_spare(multi);
	socket = multi->spare;
	if (socket != NULL)
		multi->spare = socket->next;
	return socket;
}

/* Each that is done is recorded; nobody is called back here. */
static void multi_done(struct http_multi *multi)
{
	struct CURLMsg *message;
	struct http_transfer *transfer;
	CURLcode result;
	int left;

	while ((message = curl_multi_info_read(multi->curl, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		result = message->data.result;
		if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
			&transfer) == CURLE_OK)
			evkv__http_transfer_done(transfer, result);
	}
}

static void multi_act(struct http_multi *multi, curl_socket_t fd, int what)
{
	int running;

	if (multi->curl == NULL)
		return;
	evkv_loop_refresh(multi->loop);
	(void)curl_multi_socket_action(multi->curl, fd, what, &running);
	multi_done(multi);
}

static void multi_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct multi_socket *socket = arg;

	multi_act(socket->multi, fd,
	    ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
		((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void multi_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	multi_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void multi_on_kick(void *arg)
{
	multi_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- Pauses -------------------------------------------------------------- */

bool evkv__http_multi_take(struct http_multi *multi,
    struct http_transfer *transfer, size_t size)
{
	evkv_task_queue(multi->loop, &multi->turn);
	if (multi->taken < MULTI_TURN_BYTES) {
		multi->taken += size;
		return true;
	}
	transfer->paused = true;
	TAILQ_INSERT_TAIL(&multi->paused, transfer, pause);
	return false;
}

void evkv__http_multi_unpause(struct http_multi *multi,
    struct http_transfer *transfer)
{
	if (transfer->paused)
		TAILQ_REMOVE(&multi->paused, transfer, pause);
	transfer->paused = false;
}

/*
 * What libcurl has kept of a transfer is given at once; it may pause anew, and
 * then is behind `last`.
 */
static void multi_on_turn(void *arg)
{
	struct http_multi *multi = arg;
	struct http_transfer *last = TAILQ_LAST(&multi->paused, http_paused);
	struct http_transfer *transfer = NULL;
	CURLcode result;

	multi->taken = 0;
	while (transfer != last) {
		transfer = TAILQ_FIRST(&multi->paused);
		evkv__http_multi_unpause(multi, transfer);
		result = curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
		if (result != CURLE_OK)
			evkv__http_transfer_done(transfer, result);
	}
}

/* ---- Sockets ------------------------------------------------------------- */

static int multi_forget(struct http_multi *multi, curl_socket_t fd,
    struct multi_socket *socket)
{
	if (socket == NULL)
		return 0;
	(void)event_del(&socket->event);
	socket->next = multi->spare;
	multi->spare = socket;
	(void)curl_multi_assign(multi->curl, fd, NULL);
	return 0;
}

/* libcurl wants to hear of a socket, or no longer. */
static int multi_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
    void *known)
{
	struct http_multi *multi = arg;
	struct multi_socket *socket = known;
	short events = EV_PERSIST;

	(void)easy;
	if (what == CURL_POLL_REMOVE)
		return multi_forget(multi, fd, socket);
	if (socket == NULL) {
		socket = multi_take(multi);
		if (socket == NULL)
			return 0; /* the request's time will end it */
		(void)curl_multi_assign(multi->curl, fd, socket);
	} else {
		(void)event_del(&socket->event);
	}
	if ((what & CURL_POLL_IN) != 0)
		events |= EV_READ;
	if ((what & CURL_POLL_OUT) != 0)
		events |= EV_WRITE;
	(void)event_assign(&socket->event, evkv_loop_base(multi->loop), fd,
	    events, multi_on_event, socket);
	(void)event_add(&socket->event, NULL);
	return 0;
}

/* libcurl wants to be called after so many milliseconds; -1 = no more. */
static int multi_on_time(CURLM *curl, long ms, void *arg)
{
	struct http_multi *multi = arg;
	struct timeval time = { ms / 1000, ms % 1000 * 1000 };

	(void)curl;
	if (ms == 0)
		evkv_task_queue(multi->loop, &multi->kick);
	if (ms > 0)
		(void)event_add(&multi->timer, &time);
	else
		(void)event_del(&multi->timer);
	return 0;
}

/* ---- Making and ending --------------------------------------------------- */

static void multi_release(void *thing)
{
	evkv_free(thing);
}

static struct http_multi *multi_get(struct evkv_loop *loop)
{
	struct http_multi *multi = evkv_loop_attachment(loop, &multi_key);

	if (multi != NULL)
		return multi;
	multi = evkv_calloc(1, sizeof(*multi));
	if (multi == NULL)
		return NULL;
	multi->loop = loop;
	multi->kick.run = multi_on_kick;
	multi->kick.arg = multi;
	multi->turn.run = multi_on_turn;
	multi->turn.arg = multi;
	TAILQ_INIT(&multi->paused);
	if (evkv_loop_attach(loop, &multi_key, multi, multi_release))
		return multi;
	evkv_free(multi);
	return NULL;
}

static void multi_curl_init(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool multi_open(struct http_multi *multi)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, multi_curl_init);
	multi->curl = curl_multi_init();
	if (multi->curl == NULL)
		return false;
	(void)event_assign(&multi->timer, evkv_loop_base(multi->loop), -1, 0,
	    multi_on_timer, multi);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION,
	    multi_on_socket);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION,
	    multi_on_time);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS,
	    (long)MULTI_CONNECTIONS);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_PIPELINING,
	    (long)CURLPIPE_NOTHING);
	return true;
}

struct http_multi *evkv__http_multi_use(struct evkv_loop *loop)
{
	struct http_multi *multi = multi_get(loop);

	if (multi == NULL || (multi->curl == NULL && !multi_open(multi)))
		return NULL;
	multi->clients++;
	return multi;
}

void evkv__http_multi_leave(struct http_multi *multi)
{
	struct multi_socket *socket;

	if (--multi->clients > 0)
		return;
	/* It forgets its sockets by multi_on_socket(). */
	(void)curl_multi_cleanup(multi->curl);
	multi->curl = NULL;
	while ((socket = multi->spare) != NULL) {
		multi->spare = socket->next;
		evkv_free(socket);
	}
	(void)event_del(&multi->timer);
	evkv_task_cancel(multi->loop, &multi->kick);
	evkv_task_cancel(multi->loop, &multi->turn);
	multi->taken = 0;
}
