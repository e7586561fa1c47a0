/*
 * engines/net/tls.c - TLS by OpenSSL, on the transport's own socket.
 *
 * OpenSSL's socket BIO raises SIGPIPE, so it gets a BIO of ours, which reads
 * and writes by recv() and send(). Nothing here waits.
 *
 * A certificate is verified against the authorities and against the host name
 * or address, unless no_verify says otherwise.
 */
#include "engines/net/transport.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define NAME_MAX_SIZE 256

/* ---- The BIO ----------------------------------------------------------- */

static int tls_bio_write(BIO *bio, const char *data, int size)
{
	struct transport *net = BIO_get_data(bio);
	ssize_t put;

	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	do {
		put = send(net->fd, data, (size_t)size, MSG_NOSIGNAL);
	} while (put < 0 && errno == EINTR);
	if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(bio);
	return (int)put;
}

static int tls_bio_read(BIO *bio, char *data, int size)
{
	struct transport *net = BIO_get_data(bio);
	ssize_t got;

	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	do {
		got = recv(net->fd, data, (size_t)size, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(bio);
	if (got == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)got;
}

static long tls_bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH: return 1;
	case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	default: return 0;
	}
}

static int tls_bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *evkv__tls_bio_new(void)
{
	BIO_METHOD *method;
	int index = BIO_get_new_index();

	if (index < 0)
		return NULL;
	method = BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "evkv");
	if (method == NULL)
		return NULL;
	(void)BIO_meth_set_write(method, tls_bio_write);
	(void)BIO_meth_set_read(method, tls_bio_read);
	(void)BIO_meth_set_ctrl(method, tls_bio_control);
	(void)BIO_meth_set_create(method, tls_bio_create);
	return method;
}

/* ---- The handshake ----------------------------------------------------- */

/*
 * The name as certificates have it, and as it is sent (RFC 6066): without its
 * final dot, an address without its scope.
 */
static bool tls_peer_name(const char *host, char *name, bool *is_address)
{
	struct evkv_address address;
	size_t size = strlen(host);

	*is_address = evkv_address_literal(host, 1, &address);
	if (*is_address)
		size = strcspn(host, "%");
	else if (size > 1 && host[size - 1] == '.')
		size--;
	if (size >= NAME_MAX_SIZE)
		return false;
	memcpy(name, host, size);
	name[size] = '\0';
	return true;
}

/* The name that the certificate must have and that is sent as SNI. */
static bool tls_set_peer(struct transport *net, const char *host)
{
	const struct evkv_tls_options *options = &net->tls->options;
	X509_VERIFY_PARAM *param = SSL_get0_param(net->ssl);
	char name[NAME_MAX_SIZE];
	bool is_address;

	if (options->server_name != NULL)
		host = options->server_name;
	if (host == NULL)
		return true;
	if (!tls_peer_name(host, name, &is_address))
		return false;
	if (is_address)
		return options->no_verify ||
		    X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
	if (SSL_set_tlsext_host_name(net->ssl, name) != 1)
		return false;
	return options->no_verify || SSL_set1_host(net->ssl, name) == 1;
}

enum net_step evkv__net_tls_start(struct transport *net, struct evkv_tls *tls,
    const char *host)
{
	BIO *bio = NULL;

	evkv__tls_refresh(tls, net->loop);
	ERR_clear_error();
	net->tls = evkv__tls_ref(tls);
	net->greeted = false;
	net->ssl = SSL_new(tls->context);
	if (net->ssl != NULL)
		bio = BIO_new(tls->method);
	if (bio != NULL) {
		BIO_set_data(bio, net);
		SSL_set_bio(net->ssl, bio, bio);
		SSL_set_connect_state(net->ssl);
	}
	if (bio == NULL || !tls_set_peer(net, host)) {
		evkv__net_no_memory(net);
		return NET_STEP_FAILED;
	}
	return evkv__net_tls_step(net);
}

static void tls_reset(struct transport *net, int sys_error)
{
	const char *words = net->greeted
	    ? "the server closed the connection"
	    : "the server closed the connection in the TLS handshake";

	evkv__net_fail(net, EVKV_CAUSE_RESET, sys_error, "%s",
	    sys_error != 0 ? strerror(sys_error) : words);
}

/*
 * Certificates that fail do not get better by trying again soon. Servers tell
 * of ours, in TLS 1.3, after the handshake, by an alert.
 */
static void tls_failed(struct transport *net, int error, int sys_error)
{
	long verified = SSL_get_verify_result(net->ssl);
	unsigned long code = ERR_peek_error();
	char buffer[NET_TEXT];

	if (error == SSL_ERROR_ZERO_RETURN ||
	    (error == SSL_ERROR_SYSCALL && code == 0) ||
	    ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		tls_reset(net, error == SSL_ERROR_SYSCALL ? sys_error : 0);
	} else if (!net->greeted && verified != X509_V_OK &&
	    !net->tls->options.no_verify) {
		evkv__net_fail(net, EVKV_CAUSE_TLS, 0,
		    "TLS: certificate verify failed: %s",
		    X509_verify_cert_error_string(verified));
		net->failure.denied = true;
	} else {
		evkv__net_fail(net, EVKV_CAUSE_TLS, 0, "TLS: %s",
		    evkv__tls_words(buffer, sizeof(buffer)));
		net->failure.denied = ERR_GET_LIB(code) == ERR_LIB_SSL &&
		    ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET;
	}
	if (net->failure.cause == EVKV_CAUSE_TLS || !net->greeted)
		net->tls->doubted = true;
	ERR_clear_error();
}

enum net_step evkv__net_tls_step(struct transport *net)
{
	int result, error, sys_error;

	ERR_clear_error();
	errno = 0;
	result = SSL_do_handshake(net->ssl);
	sys_error = errno;
	if (result == 1) {
		net->greeted = true;
		return evkv__net_watch_writing(net, false) ? NET_STEP_DONE
							   : NET_STEP_FAILED;
	}
	error = SSL_get_error(net->ssl, result);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return evkv__net_watch_writing(net,
			   error == SSL_ERROR_WANT_WRITE)
		    ? NET_STEP_WAITS
		    : NET_STEP_FAILED;
	if (error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL ||
	    error == SSL_ERROR_ZERO_RETURN)
		tls_failed(net, error, sys_error);
	else
		evkv__net_no_memory(net);
	return NET_STEP_FAILED;
}

void evkv__net_tls_close(struct transport *net)
{
	if (net->ssl != NULL) {
		/* Say goodbye if that is possible at once. */
		ERR_clear_error();
		if (SSL_is_init_finished(net->ssl))
			(void)SSL_shutdown(net->ssl);
		ERR_clear_error();
		SSL_free(net->ssl);
		net->ssl = NULL;
	}
	evkv_tls_unref(net->tls);
	net->tls = NULL;
}

/* ---- Bytes ------------------------------------------------------------- */

ssize_t evkv__net_tls_read(struct transport *net, char *data, size_t size)
{
	int result, error, sys_error;

	ERR_clear_error();
	errno = 0;
	net->read_wants_write = false;
	result = SSL_read(net->ssl, data, size > INT_MAX ? INT_MAX : (int)size);
	sys_error = errno;
	if (result > 0)
		return result;
	error = SSL_get_error(net->ssl, result);
	if (error == SSL_ERROR_WANT_READ)
		return NET_AGAIN;
	if (error == SSL_ERROR_WANT_WRITE) {
		net->read_wants_write = true;
		if (evkv__net_watch_writing(net, true))
			return NET_AGAIN;
		return NET_FAILED;
	}
	tls_failed(net, error, sys_error);
	return NET_FAILED;
}

/* What is offered and not accepted must be offered again, and no more. */
ssize_t evkv__net_tls_write(struct transport *net, const char *data,
    size_t size)
{
	int result, error, sys_error;

	ERR_clear_error();
	errno = 0;
	result = SSL_write(net->ssl, data, (int)size);
	sys_error = errno;
	if (result > 0) {
		net->offered = 0;
		return result;
	}
	error = SSL_get_error(net->ssl, result);
	if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) {
		net->offered = size;
		net->write_wants_read = error == SSL_ERROR_WANT_READ;
		return NET_AGAIN;
	}
	tls_failed(net, error, sys_error);
	return NET_FAILED;
}
