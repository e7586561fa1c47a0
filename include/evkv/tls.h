/**
 * @file
 * What connections share for TLS; for authors of network stores. Library:
 * evkv-pipeline.
 *
 * Everything here is for the loop's thread.
 */
#ifndef EVKV_TLS_H
#define EVKV_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "evkv/error.h"

EVKV_BEGIN_DECLS

/** Whom to trust and who we are, for TLS 1.2 and newer. */
struct evkv_tls;

/** Zero it, and fill in what is not its default. Strings are copied. */
struct evkv_tls_options {
	/**
	 * PEM file of certificates to trust, authorities or intermediates;
	 * NULL = the system's, where there is no ca_dir either.
	 */
	const char *ca_file;
	/** Directory of such files, hashed; NULL = none. */
	const char *ca_dir;
	/** PEM file of the client's certificate and its chain; NULL = none. */
	const char *cert_file;
	/** PEM file of its key, not encrypted; NULL = it is in cert_file. */
	const char *key_file;
	/** The name to verify and to send (SNI); NULL = the host. */
	const char *server_name;
	/** Accept any certificate. It then protects from no attacker. */
	bool no_verify;
};

/**
 * Read the files and make what connections share; one reference.
 *
 * `options` NULL = the system's authorities. `size` is that of the options. The
 * files are read again, before a handshake, when one of them has changed and
 * after a handshake that failed; while they can't be used, what was read before
 * stays and the log says so.
 *
 * Returns NULL with a filled error: INVALID, IO (with OpenSSL's words) or
 * NOMEM. Legal in a callback.
 */
EVKV_API struct evkv_tls *evkv_tls_new_sized(const struct evkv_tls_options
						 *options,
    size_t size, struct evkv_error *error);

/** evkv_tls_new_sized() for the options as they are compiled here. */
static inline struct evkv_tls *evkv_tls_new(
    const struct evkv_tls_options *options, struct evkv_error *error)
{
	return evkv_tls_new_sized(options, sizeof(*options), error);
}

/** Let go of it; pipelines keep a reference of their own. NULL is ignored. */
EVKV_API void evkv_tls_unref(struct evkv_tls *tls);

EVKV_END_DECLS

#endif
