/*
 * engines/http/transfer.c - easy handles: set up once for a node, used again
 * and again.
 *
 * libcurl is told to connect to an address, never to a name, so that nothing of
 * it ever resolves one. What its callbacks find is recorded in the transfer.
 */
#include "engines/http/http.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#define TRANSFER_PACK_MIN 1024
#define TRANSFER_PACK_MAX ((size_t)1 << 30)

/* ---- What libcurl calls -------------------------------------------------- */

static size_t transfer_on_data(char *data, size_t one, size_t size, void *arg)
{
	struct http_transfer *transfer = arg;

	(void)one;
	if (!evkv__http_multi_take(transfer->node->client->multi, transfer,
		size))
		return CURL_WRITEFUNC_PAUSE;
	transfer->room = evkv__http_body_add(transfer->request->answer, data,
	    size);
	return transfer->room == HTTP_ROOM ? size : 0;
}

/* libcurl takes a head that was cut off for a whole one. */
static size_t transfer_on_header(char *line, size_t one, size_t size, void *arg)
{
	struct http_transfer *transfer = arg;

	(void)one;
	if (size >= 5 && memcmp(line, "HTTP/", 5) == 0)
		transfer->headed = false;
	else if (size > 0 && (line[0] == '\r' || line[0] == '\n'))
		transfer->headed = true;
	return size;
}

/* Whether nothing at all of a request was handed to the kernel. */
static bool transfer_untouched(const struct http_transfer *transfer)
{
	long size = 0;

	return curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE,
		   &size) == CURLE_OK &&
	    size == 0;
}

/*
 * libcurl does a request again by itself where a connection that it has used
 * before turns out to be closed: only what is repeatable, or was not sent at
 * all, may be sent then. What may not ends here, and counts as sent.
 */
static bool transfer_is_again(struct http_transfer *transfer)
{
	const struct evkv_http_request *request = transfer->request;

	if ((request->bits & HTTP_WAS_SENT) == 0 ||
	    (request->flags & EVKV_HTTP_REPEATABLE) != 0 ||
	    transfer_untouched(transfer))
		return false;
	transfer->resent = true;
	return true;
}

/* There is a connection, and the request goes out next. */
static int transfer_on_sending(void *arg, char *remote_ip, char *local_ip,
    int remote_port, int local_port)
{
	struct http_transfer *transfer = arg;
	struct evkv_http_request *request = transfer->request;

	(void)remote_ip;
	(void)local_ip;
	(void)remote_port;
	(void)local_port;
	if (transfer_is_again(transfer))
		return CURL_PREREQFUNC_ABORT;
	request->bits |= HTTP_WAS_SENT;
	if (request->sending != NULL)
		request->sending(request);
	return CURL_PREREQFUNC_OK;
}

/*
 * Closed in programs that are executed, which libcurl's own are not. It may be
 * that nobody listens any more, so this is where doing it again is noticed.
 */
static curl_socket_t transfer_on_socket(void *arg, curlsocktype purpose,
    struct curl_sockaddr *address)
{
	(void)purpose;
	if (transfer_is_again(arg))
		return CURL_SOCKET_BAD;
	return socket(address->family,
	    address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    address->protocol);
}

/* ---- Setting up ---------------------------------------------------------- */

static void transfer_set_tls(CURL *easy, const struct evkv_http_options *given)
{
	if (!given->tls)
		return;
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION,
	    (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 60L);
	if (given->tls_ca_file != NULL)
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO,
		    given->tls_ca_file);
	if (given->tls_cert_file != NULL) {
		(void)curl_easy_setopt(easy, CURLOPT_SSLCERT,
		    given->tls_cert_file);
		(void)curl_easy_setopt(easy, CURLOPT_SSLKEY,
		    given->tls_key_file != NULL ? given->tls_key_file
						: given->tls_cert_file);
	}
	if (given->tls_no_verify) {
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void transfer_set_callbacks(struct http_transfer *transfer)
{
	CURL *easy = transfer->easy;

	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, transfer_on_data);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION,
	    transfer_on_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION,
	    transfer_on_sending);
	(void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION,
	    transfer_on_socket);
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
}

static void transfer_set_up(struct http_transfer *transfer)
{
	const struct evkv_http_options *given = &transfer->node->client
						     ->options;
	CURL *easy = transfer->easy;

	transfer_set_callbacks(transfer);
	transfer_set_tls(easy, given);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Whatever the environment says. */
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)given->connect_timeout_ms);
	(void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN,
	    (long)(given->keep_alive_ms / 1000));
	(void)curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
	    (curl_off_t)given->max_answer_bytes);
	/* It is unpacked as it is read. */
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
}

static struct http_transfer *transfer_get(struct http_node *node)
{
	struct http_transfer *transfer = node->idle;

	if (transfer != NULL) {
		node->idle = transfer->next;
		return transfer;
	}
	transfer = evkv_calloc(1, sizeof(*transfer));
	if (transfer == NULL || !evkv__http_multi_spare(node->client->multi)) {
		evkv_free(transfer);
		return NULL;
	}
	transfer->node = node;
	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL) {
		evkv_free(transfer);
		return NULL;
	}
	transfer_set_up(transfer);
	return transfer;
}

void evkv__http_transfer_free(struct http_transfer *transfer)
{
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->connect_to);
	evkv_free(transfer);
}

/* ---- The address --------------------------------------------------------- */

/* "1.2.3.4:9200" or "[::1]:9200". */
static bool transfer_address(const struct evkv_address *address,
    char text[HTTP_ADDRESS_TEXT])
{
	const void *given = &address->sockaddr;
	const struct sockaddr_in *four = given;
	const struct sockaddr_in6 *six = given;
	char host[INET6_ADDRSTRLEN], zone[IF_NAMESIZE + 1] = "";

	if (address->sockaddr.ss_family == AF_INET) {
		if (inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host)) ==
		    NULL)
			return false;
		(void)snprintf(text, HTTP_ADDRESS_TEXT, "%s:%d", host,
		    ntohs(four->sin_port));
		return true;
	}
	if (inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host)) == NULL)
		return false;
	if (six->sin6_scope_id != 0)
		(void)snprintf(zone, sizeof(zone), "%%%u", six->sin6_scope_id);
	(void)snprintf(text, HTTP_ADDRESS_TEXT, "[%s%s]:%d", host, zone,
	    ntohs(six->sin6_port));
	return true;
}

static bool transfer_set_address(struct http_transfer *transfer)
{
	struct http_node *node = transfer->node;
	char text[HTTP_ADDRESS_TEXT], line[HTTP_ADDRESS_TEXT + 512];
	struct curl_slist *list;

	if (!transfer_address(&node->addresses[node->address], text))
		return false;
	if (strcmp(text, transfer->address) == 0)
		return true;
	if (node->client->options.proxy_host != NULL) {
		(void)snprintf(line, sizeof(line), "http://%s", text);
		if (curl_easy_setopt(transfer->easy, CURLOPT_PROXY, line) !=
		    CURLE_OK)
			return false;
	} else {
		(void)snprintf(line, sizeof(line), "%s:%s", node->origin, text);
		list = curl_slist_append(NULL, line);
		if (list == NULL)
			return false;
		(void)curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO,
		    list);
		curl_slist_free_all(transfer->connect_to);
		transfer->connect_to = list;
	}
	memcpy(transfer->address, text, sizeof(text));
	return true;
}

/* ---- One request --------------------------------------------------------- */

static bool transfer_header(struct http_transfer *transfer, const char *name,
    const char *value)
{
	struct curl_slist *list;
	char line[160];

	(void)snprintf(line, sizeof(line), "%s: %s", name, value);
	list = curl_slist_append(transfer->headers, line);
	if (list != NULL)
		transfer->headers = list;
	return list != NULL;
}

static bool transfer_set_headers(struct http_transfer *transfer)
{
	const struct evkv_http *client = transfer->node->client;
	const struct evkv_http_request *request = transfer->request;
	struct curl_slist *list;

	/* libcurl would wait a second for "100 Continue". */
	list = curl_slist_append(NULL, "Expect:");
	if (list != NULL && client->authorization != NULL) {
		transfer->headers = list;
		list = curl_slist_append(list, client->authorization);
	}
	if (list == NULL)
		return false;
	transfer->headers = list;
	if (!transfer_header(transfer, "User-Agent", "evkv"))
		return false;
	if (request->content_type != NULL &&
	    !transfer_header(transfer, "Content-Type", request->content_type))
		return false;
	if (client->options.gzip &&
	    !transfer_header(transfer, "Accept-Encoding", "gzip"))
		return false;
	if (transfer->packed != NULL &&
	    !transfer_header(transfer, "Content-Encoding", "gzip"))
		return false;
	return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER,
		   transfer->headers) == CURLE_OK;
}

static bool transfer_set_body(struct http_transfer *transfer)
{
	const struct evkv_http_request *request = transfer->request;
	const char *data = request->body.data;
	size_t size = request->body.size;

	if (transfer->node->client->options.gzip && size > TRANSFER_PACK_MIN &&
	    size < TRANSFER_PACK_MAX) {
		transfer->packed = evkv__http_pack(request->body, &size);
		if (transfer->packed == NULL)
			return false;
		data = transfer->packed;
	}
	transfer->body_size = size;
	(void)curl_easy_setopt(transfer->easy, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE,
	    (curl_off_t)size);
	(void)curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS,
	    size > 0 ? data : "");
	return true;
}

static bool transfer_set_url(struct http_transfer *transfer)
{
	size_t base = strlen(transfer->node->base);
	size_t path = strlen(transfer->request->path);
	char *url = evkv_malloc(base + path + 1);
	CURLcode result;

	if (url == NULL)
		return false;
	memcpy(url, transfer->node->base, base);
	memcpy(url + base, transfer->request->path, path + 1);
	result = curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
	evkv_free(url);
	return result == CURLE_OK;
}

static bool transfer_set_request(struct http_transfer *transfer)
{
	const struct evkv_http_request *request = transfer->request;
	bool head = strcmp(request->method, "HEAD") == 0;
	CURL *easy = transfer->easy;

	if (!transfer_set_url(transfer))
		return false;
	transfer->body_size = 0;
	(void)curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
	if (request->content_type != NULL ||
	    strcmp(request->method, "POST") == 0) {
		if (!transfer_set_body(transfer))
			return false;
	} else {
		(void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
	if (head)
		(void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST,
		   head ? NULL : request->method) == CURLE_OK;
}

/* Take the request's part away; it may be used for another one. */
static void transfer_clear(struct http_transfer *transfer)
{
	transfer->request = NULL;
	(void)curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, NULL);
	(void)curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(transfer->headers);
	transfer->headers = NULL;
	evkv_free(transfer->packed);
	transfer->packed = NULL;
}

static bool transfer_prepare(struct http_transfer *transfer)
{
	struct evkv_http_request *request = transfer->request;
	size_t max = transfer->node->client->options.max_answer_bytes;

	transfer->error[0] = '\0';
	transfer->room = HTTP_ROOM;
	transfer->headed = transfer->resent = false;
	evkv_http_release(request);
	request->answer = evkv__http_body_new(max);
	return request->answer != NULL && transfer_set_address(transfer) &&
	    transfer_set_request(transfer) && transfer_set_headers(transfer) &&
	    curl_multi_add_handle(transfer->node->client->multi->curl,
		transfer->easy) == CURLM_OK;
}

bool evkv__http_transfer_begin(struct http_node *node,
    struct evkv_http_request *request)
{
	struct http_transfer *transfer = transfer_get(node);

	if (transfer == NULL)
		return false;
	transfer->request = request;
	if (!transfer_prepare(transfer)) {
		transfer_clear(transfer);
		evkv__http_transfer_free(transfer);
		return false;
	}
	request->transfer = transfer;
	node->running++;
	node->client->requests++;
	return true;
}

void evkv__http_transfer_end(struct http_transfer *transfer, bool reusable)
{
	struct http_node *node = transfer->node;

	evkv__http_multi_unpause(node->client->multi, transfer);
	transfer->request->transfer = NULL;
	(void)curl_multi_remove_handle(node->client->multi->curl,
	    transfer->easy);
	transfer_clear(transfer);
	node->running--;
	if (reusable) {
		transfer->next = node->idle;
		node->idle = transfer;
	} else {
		evkv__http_transfer_free(transfer);
	}
}

bool evkv__http_transfer_sent(struct http_transfer *transfer)
{
	curl_off_t size = 0;

	if ((transfer->request->bits & HTTP_WAS_SENT) == 0)
		return false;
	if (transfer->resent)
		return true;
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_UPLOAD_T, &size);
	return (uint64_t)size >= transfer->body_size;
}

/* ---- How it ended -------------------------------------------------------- */

static enum evkv_cause transfer_cause(CURLcode result, bool sent)
{
	switch (result) {
	case CURLE_COULDNT_CONNECT: return EVKV_CAUSE_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return sent ? EVKV_CAUSE_STALL : EVKV_CAUSE_CONNECT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR: return EVKV_CAUSE_TLS;
	case CURLE_OUT_OF_MEMORY: return EVKV_CAUSE_NOMEM;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_HTTP2:
	case CURLE_FILESIZE_EXCEEDED:
	case CURLE_BAD_CONTENT_ENCODING: return EVKV_CAUSE_PROTOCOL;
	default: return EVKV_CAUSE_RESET;
	}
}

static void transfer_failure(const struct http_transfer *transfer,
    CURLcode result, bool sent, struct http_failure *failure)
{
	enum evkv_cause cause = transfer_cause(result, sent);
	enum evkv_status status = EVKV_UNAVAILABLE;
	const char *words = transfer->error;
	long sys_error = 0;

	if (transfer->resent) {
		cause = EVKV_CAUSE_RESET;
		words = "the connection was lost";
	}
	if (words[0] == '\0')
		words = curl_easy_strerror(result);
	if (cause == EVKV_CAUSE_NOMEM || transfer->room == HTTP_ROOM_NOMEM) {
		status = EVKV_NOMEM;
		cause = EVKV_CAUSE_NOMEM;
		words = "out of memory";
	} else if (transfer->room == HTTP_ROOM_FULL ||
	    result == CURLE_FILESIZE_EXCEEDED) {
		status = EVKV_TOO_LARGE;
		cause = EVKV_CAUSE_PROTOCOL;
		words = "the answer is longer than is taken";
	} else if (cause == EVKV_CAUSE_PROTOCOL) {
		status = EVKV_CORRUPT;
	}
	evkv__http_fail(failure, transfer->node->name, status, cause, words);
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &sys_error);
	failure->sys_error = (int)sys_error;
}

/* Code, type and encoding of an answer; false = no memory. */
static bool transfer_answer(struct http_transfer *transfer)
{
	struct evkv_http_request *request = transfer->request;
	struct curl_header *header;
	const char *type = NULL;
	long code = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &code);
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
	request->outcome.code = (int)code;
	(void)snprintf(request->answer->type, sizeof(request->answer->type),
	    "%s", type != NULL ? type : "");
	if (curl_easy_header(transfer->easy, "Content-Encoding", 0,
		CURLH_HEADER, -1, &header) == CURLHE_OK &&
	    strcmp(header->value, "gzip") == 0)
		return evkv__http_body_packed(request->answer);
	return true;
}

void evkv__http_transfer_done(struct http_transfer *transfer, CURLcode result)
{
	struct evkv_http_request *request = transfer->request;
	struct http_node *node = transfer->node;
	bool sent = evkv__http_transfer_sent(transfer);
	struct http_failure failure;

	if (result == CURLE_OK && !transfer->headed)
		result = CURLE_RECV_ERROR;
	if (result == CURLE_OK && !transfer_answer(transfer))
		result = CURLE_OUT_OF_MEMORY;
	if (result != CURLE_OK)
		transfer_failure(transfer, result, sent, &failure);
	evkv__http_transfer_end(transfer, true);
	if (result == CURLE_OK)
		evkv__http_request_answered(request, node);
	else
		evkv__http_request_failed(request, node, sent, &failure);
}
