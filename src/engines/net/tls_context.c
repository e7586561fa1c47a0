/*
 * engines/net/tls_context.c - certificates and keys, read from files and read
 * again.
 *
 * Before each handshake the files are looked at. When one of them is another
 * than before, or a handshake has failed since they were read, a new context is
 * made of them; connections that are there keep the one they were made with.
 * Where that fails, for a file may be seen half written, the old one stays, and
 * the next handshake tries again.
 */
#include "engines/net/transport.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

/*
 * The times of the files tell what has changed. That a failed handshake has
 * them read too is for file systems that keep times badly; a bundle of all the
 * world's authorities takes 10 ms.
 */
#define DOUBT_US INT64_C(30000000)

/* ---- Reading ----------------------------------------------------------- */

const char *evkv__tls_words(char *buffer, size_t size)
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
	char buffer[NET_TEXT];

	evkv_error_set(error, EVKV_IO, "%s %s: %s", what, path,
	    evkv__tls_words(buffer, sizeof(buffer)));
	return false;
}

static bool tls_load_authorities(SSL_CTX *context,
    const struct evkv_tls_options *options, struct evkv_error *error)
{
	/* An intermediate that is trusted ends the chain, as it does in curl */
	(void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context),
	    X509_V_FLAG_PARTIAL_CHAIN);
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
	/* This refuses one that does not belong to the certificate. */
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
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

static SSL_CTX *tls_context_new(const struct evkv_tls_options *options,
    struct evkv_error *error)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (context == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "out of memory");
		return NULL;
	}
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
	if (tls_load_authorities(context, options, error) &&
	    tls_load_identity(context, options, error))
		return context;
	SSL_CTX_free(context);
	return NULL;
}

/* ---- Reading again ----------------------------------------------------- */

/* The variable of the environment where it is set, as OpenSSL has it. */
static const char *tls_default_path(const char *variable, const char *path)
{
	const char *value = secure_getenv(variable);

	return value != NULL ? value : path;
}

static void tls_paths(const struct evkv_tls *tls, const char **paths)
{
	const struct evkv_tls_options *options = &tls->options;

	memset(paths, 0, TLS_FILES * sizeof(*paths));
	paths[0] = options->ca_file;
	paths[1] = options->ca_dir;
	paths[2] = options->cert_file;
	paths[3] = options->key_file;
	if (paths[0] == NULL && paths[1] == NULL && !options->no_verify) {
		paths[0] = tls_default_path(X509_get_default_cert_file_env(),
		    X509_get_default_cert_file());
		paths[1] = tls_default_path(X509_get_default_cert_dir_env(),
		    X509_get_default_cert_dir());
	}
}

static void tls_stamps_take(const struct evkv_tls *tls,
    struct file_stamp *stamps)
{
	const char *paths[TLS_FILES];
	size_t i;

	tls_paths(tls, paths);
	for (i = 0; i < TLS_FILES; i++)
		file_stamp_take(&stamps[i], paths[i]);
}

void evkv__tls_refresh(struct evkv_tls *tls, struct evkv_loop *loop)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct file_stamp stamps[TLS_FILES];
	SSL_CTX *context;
	int64_t now_us = evkv_loop_now_us(loop);

	tls_stamps_take(tls, stamps);
	if (memcmp(stamps, tls->stamps, sizeof(stamps)) == 0 && !tls->stale &&
	    (!tls->doubted ||
		(tls->read_us != 0 && now_us - tls->read_us < DOUBT_US)))
		return;
	tls->read_us = now_us;
	ERR_clear_error();
	context = tls_context_new(&tls->options, &error);
	ERR_clear_error();
	if (context == NULL) {
		if (!tls->stale)
			evkv_loop_log(loop, EVKV_LOG_WARNING,
			    "TLS: %s; what was read before stays in use",
			    error.message);
		tls->stale = true;
		return;
	}
	SSL_CTX_free(tls->context);
	tls->context = context;
	tls->doubted = tls->stale = false;
	memcpy(tls->stamps, stamps, sizeof(stamps));
}

/* ---- Making and ending ------------------------------------------------- */

static bool tls_string_copy(const char **string)
{
	if (*string == NULL)
		return true;
	*string = evkv_strdup(*string);
	return *string != NULL;
}

/* What has no copy is NULL afterwards. */
static bool tls_options_copy(struct evkv_tls_options *options)
{
	bool ca_file = tls_string_copy(&options->ca_file);
	bool ca_dir = tls_string_copy(&options->ca_dir);
	bool cert_file = tls_string_copy(&options->cert_file);
	bool key_file = tls_string_copy(&options->key_file);
	bool server_name = tls_string_copy(&options->server_name);

	return ca_file && ca_dir && cert_file && key_file && server_name;
}

static void tls_string_free(const char *string)
{
	char *ours;

	memcpy(&ours, &string, sizeof(ours));
	evkv_free(ours);
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
	if (tls == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "out of memory");
		return NULL;
	}
	tls->refs = 1;
	tls->options = ours;
	tls->method = evkv__tls_bio_new();
	if (!tls_options_copy(&tls->options) || tls->method == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "out of memory");
	} else {
		tls_stamps_take(tls, tls->stamps);
		tls->context = tls_context_new(&tls->options, error);
	}
	ERR_clear_error();
	if (tls->context != NULL)
		return tls;
	evkv_tls_unref(tls);
	return NULL;
}

struct evkv_tls *evkv__tls_ref(struct evkv_tls *tls)
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
	tls_string_free(tls->options.ca_file);
	tls_string_free(tls->options.ca_dir);
	tls_string_free(tls->options.cert_file);
	tls_string_free(tls->options.key_file);
	tls_string_free(tls->options.server_name);
	evkv_free(tls);
}
