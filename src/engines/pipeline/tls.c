/*
 * engines/pipeline/tls.c - TLS by OpenSSL, on the pipeline's own socket.
 *
 * OpenSSL's socket BIO raises SIGPIPE, so it gets a BIO of ours, which reads
 * and writes by recv() and send(). Nothing here waits.
 *
 * A certificate is verified against the authorities and against the host name
 * or address, unless no_verify says otherwise.
 */
#include "engines/pipeline/pipeline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* ---- The BIO ----------------------------------------------------------- */

static int tls_bio_write(BIO *bio, const char *data, int size)
{
	struct evkv_pipeline *p = BIO_get_data(bio);
	ssize_t put;

	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	do {
		put = send(p->fd, data, (size_t)size, MSG_NOSIGNAL);
	} while (put < 0 && errno == EINTR);
	if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(bio);
	return (int)put;
}

static int tls_bio_read(BIO *bio, char *data, int size)
{
	struct evkv_pipeline *p = BIO_get_data(bio);
	ssize_t got;

	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	do {
		got = recv(p->fd, data, (size_t)size, 0);
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

static BIO_METHOD *tls_bio_method_new(void)
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

/* ---- What connections share -------------------------------------------- */

/* OpenSSL's first words about what went wrong. */
static const char *tls_ssl_words(char *buffer, size_t size)
{
	unsigned long code = ERR_get_error();
	const char *words = ERR_reason_error_string(code);

	if (words != NULL)
		return words;
	if (code == 0)
		return "unknown error";
	ERR_error_string_n(code, buffer, size);
	return buffer;
}

static bool tls_file_failed(struct evkv_error *error, const char *what,
    const char *path)
{
	char buffer[PIPELINE_TEXT];

	evkv_error_set(error, EVKV_IO, "%s %s: %s", what, path,
	    tls_ssl_words(buffer, sizeof(buffer)));
	return false;
}

static bool tls_load_authorities(SSL_CTX *context,
    const struct evkv_tls_options *options, struct evkv_error *error)
{
	if (options->ca_file == NULL && options->ca_dir == NULL) {
		if (options->no_verify ||
		    SSL_CTX_set_default_verify_paths(context) == 1)
			return true;
		return tls_file_failed(error, "the system's", "authorities");
	}
	if (options->ca_file != NULL &&
	    SSL_CTX_load_verify_file(context, options->ca_file) != 1)
		return tls_file_failed(error, "ca_file", options->ca_file);
	if (options->ca_dir != NULL &&
	    SSL_CTX_load_verify_dir(context, options->ca_dir) != 1)
		return tls_file_failed(error, "ca_dir", options->ca_dir);
	return true;
}

static bool tls_load_identity(SSL_CTX *context,
    const struct evkv_tls_options *options, struct evkv_error *error)
{
	const char *key = options->key_file;

	if (options->cert_file == NULL) {
		if (key == NULL)
			return true;
		evkv_error_set(error, EVKV_INVALID,
		    "key_file is given without cert_file");
		return false;
	}
	if (key == NULL)
		key = options->cert_file;
	if (SSL_CTX_use_certificate_chain_file(context, options->cert_file) !=
	    1)
		return tls_file_failed(error, "cert_file", options->cert_file);
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		return tls_file_failed(error, "key_file", key);
	if (SSL_CTX_check_private_key(context) != 1)
		return tls_file_failed(error, "key_file", key);
	return true;
}

/* An encrypted key must not ask at the terminal. */
static int tls_no_password(char *buffer, int size, int writing, void *arg)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static bool tls_context_fill(struct evkv_tls *tls,
    const struct evkv_tls_options *options, struct evkv_error *error)
{
	SSL_CTX *context = tls->context;

	(void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	(void)SSL_CTX_set_mode(context,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_options(context,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_read_ahead(context, 1);
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(context, tls_no_password);
	SSL_CTX_set_verify(context,
	    options->no_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	return tls_load_authorities(context, options, error) &&
	    tls_load_identity(context, options, error);
}

struct evkv_tls *evkv_tls_new_sized(const struct evkv_tls_options *options,
    size_t size, struct evkv_error *error)
{
	struct evkv_tls_options ours;
	struct evkv_tls *tls;

	if (!evkv_options_read(&ours, sizeof(ours), options, size, error))
		return NULL;
	ERR_clear_error();
	tls = evkv_calloc(1, sizeof(*tls));
	if (tls == NULL)
		goto nomem;
	tls->refs = 1;
	tls->no_verify = ours.no_verify;
	tls->server_name = evkv_strdup(ours.server_name);
	tls->method = tls_bio_method_new();
	tls->context = SSL_CTX_new(TLS_client_method());
	if (tls->method == NULL || tls->context == NULL ||
	    (ours.server_name != NULL && tls->server_name == NULL))
		goto nomem;
	if (!tls_context_fill(tls, &ours, error)) {
		ERR_clear_error();
		evkv_tls_unref(tls);
		return NULL;
	}
	return tls;

nomem:
	ERR_clear_error();
	evkv_error_set(error, EVKV_NOMEM, "out of memory");
	evkv_tls_unref(tls);
	return NULL;
}

struct evkv_tls *evkv__pipe_tls_ref(struct evkv_tls *tls)
{
	if (tls != NULL)
		tls->refs++;
	return tls;
}

void evkv_tls_unref(struct evkv_tls *tls)
{
	if (tls == NULL || --tls->refs > 0)
		return;
	SSL_CTX_free(tls->context);
	BIO_meth_free(tls->method);
	evkv_free(tls->server_name);
	evkv_free(tls);
}

/* ---- The handshake ----------------------------------------------------- */

/* Whom the certificate must name, and what the server is told (SNI). */
static bool tls_set_peer(struct evkv_pipeline *p)
{
	const struct evkv_tls *tls = p->options.tls;
	const char *name = tls->server_name != NULL ? tls->server_name
						    : p->host;
	X509_VERIFY_PARAM *param = SSL_get0_param(p->ssl);
	struct address address;
	unsigned char binary[16];

	if (name == NULL)
		return true;
	if (inet_pton(AF_INET, name, binary) == 1 ||
	    inet_pton(AF_INET6, name, binary) == 1)
		return tls->no_verify ||
		    X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
	/* An address with a scope names no host. */
	if (evkv__pipe_literal_address(name, 1, &address))
		return tls->no_verify;
	if (SSL_set_tlsext_host_name(p->ssl, name) != 1)
		return false;
	return tls->no_verify || SSL_set1_host(p->ssl, name) == 1;
}

void evkv__pipe_tls_start(struct evkv_pipeline *p)
{
	const struct evkv_tls *tls = p->options.tls;
	BIO *bio = NULL;

	p->phase = PHASE_TLS;
	ERR_clear_error();
	p->ssl = SSL_new(tls->context);
	if (p->ssl != NULL)
		bio = BIO_new(tls->method);
	if (bio != NULL) {
		BIO_set_data(bio, p);
		SSL_set_bio(p->ssl, bio, bio);
		SSL_set_connect_state(p->ssl);
	}
	if (bio == NULL || !tls_set_peer(p)) {
		evkv__pipe_note(p, EVKV_NOMEM, EVKV_CAUSE_NOMEM, 0,
		    "TLS: out of memory");
		evkv__pipe_fail_noted(p);
		return;
	}
	evkv__pipe_tls_step(p);
}

static void tls_note_reset(struct evkv_pipeline *p, int sys_error)
{
	const char *words = p->phase == PHASE_TLS
	    ? "the server closed the connection in the TLS handshake"
	    : "the server closed the connection";

	evkv__pipe_note(p, EVKV_UNAVAILABLE, EVKV_CAUSE_RESET, sys_error, "%s",
	    sys_error != 0 ? strerror(sys_error) : words);
}

/*
 * Certificates that fail do not get better by trying again soon. Servers tell
 * of ours, in TLS 1.3, after the handshake, by an alert.
 */
static void tls_note_failure(struct evkv_pipeline *p, int error, int sys_error)
{
	long verified = SSL_get_verify_result(p->ssl);
	unsigned long code = ERR_peek_error();
	char buffer[PIPELINE_TEXT];

	if (error == SSL_ERROR_ZERO_RETURN ||
	    (error == SSL_ERROR_SYSCALL && code == 0) ||
	    ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		tls_note_reset(p, error == SSL_ERROR_SYSCALL ? sys_error : 0);
	} else if (p->phase == PHASE_TLS && verified != X509_V_OK &&
	    !p->options.tls->no_verify) {
		evkv__pipe_note(p, EVKV_UNAVAILABLE, EVKV_CAUSE_TLS, 0,
		    "TLS: %s: %s", tls_ssl_words(buffer, sizeof(buffer)),
		    X509_verify_cert_error_string(verified));
		p->failure.denied = true;
	} else {
		evkv__pipe_note(p, EVKV_UNAVAILABLE, EVKV_CAUSE_TLS, 0,
		    "TLS: %s", tls_ssl_words(buffer, sizeof(buffer)));
		p->failure.denied = ERR_GET_LIB(code) == ERR_LIB_SSL &&
		    ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET;
	}
	ERR_clear_error();
}

void evkv__pipe_tls_step(struct evkv_pipeline *p)
{
	int result, error, sys_error;

	ERR_clear_error();
	errno = 0;
	result = SSL_do_handshake(p->ssl);
	sys_error = errno;
	if (result == 1) {
		if (evkv__pipe_arm_write(p, false)) {
			evkv__pipe_transport_up(p);
			return;
		}
		error = SSL_ERROR_NONE;
	} else {
		error = SSL_get_error(p->ssl, result);
	}
	if ((error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) &&
	    evkv__pipe_arm_write(p, error == SSL_ERROR_WANT_WRITE))
		return;
	if (error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL ||
	    error == SSL_ERROR_ZERO_RETURN)
		tls_note_failure(p, error, sys_error);
	else
		evkv__pipe_note(p, EVKV_NOMEM, EVKV_CAUSE_NOMEM, 0,
		    "out of memory");
	evkv__pipe_fail_noted(p);
}

void evkv__pipe_tls_end(struct evkv_pipeline *p)
{
	if (p->ssl == NULL)
		return;
	/* Say goodbye if that is possible at once. */
	ERR_clear_error();
	if (SSL_is_init_finished(p->ssl))
		(void)SSL_shutdown(p->ssl);
	ERR_clear_error();
	SSL_free(p->ssl);
	p->ssl = NULL;
}

/* ---- Bytes ------------------------------------------------------------- */

ssize_t evkv__pipe_tls_read(struct evkv_pipeline *p, char *data, size_t size)
{
	int result, error, sys_error;

	ERR_clear_error();
	errno = 0;
	p->read_wants_write = false;
	result = SSL_read(p->ssl, data, size > INT_MAX ? INT_MAX : (int)size);
	sys_error = errno;
	if (result > 0)
		return result;
	error = SSL_get_error(p->ssl, result);
	if (error == SSL_ERROR_WANT_READ)
		return IO_AGAIN;
	if (error == SSL_ERROR_WANT_WRITE) {
		p->read_wants_write = true;
		if (evkv__pipe_arm_write(p, true))
			return IO_AGAIN;
	}
	tls_note_failure(p, error, sys_error);
	return IO_FAILED;
}

/* What is offered and not accepted must be offered again, and no more. */
ssize_t evkv__pipe_tls_write(struct evkv_pipeline *p, const char *data,
    size_t size)
{
	int result, error, sys_error;

	ERR_clear_error();
	errno = 0;
	result = SSL_write(p->ssl, data, (int)size);
	sys_error = errno;
	if (result > 0) {
		p->ssl_pending = 0;
		return result;
	}
	error = SSL_get_error(p->ssl, result);
	if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) {
		p->ssl_pending = size;
		p->write_wants_read = error == SSL_ERROR_WANT_READ;
		return IO_AGAIN;
	}
	tls_note_failure(p, error, sys_error);
	return IO_FAILED;
}
