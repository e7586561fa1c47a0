#include "certificates.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define CERTIFICATES_DAY (24L * 60 * 60)

struct certificates_wish {
	const char *name;      /* common name */
	const char *alt_names; /* subjectAltName, NULL = none */
	bool authority;
	long from_days, to_days; /* of validity, from now */
};

static bool certificates_extend(X509 *x509, X509 *issuer, int nid,
    const char *text)
{
	X509_EXTENSION *extension;
	X509V3_CTX context;
	bool added;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, text);
	if (extension == NULL)
		return false;
	added = X509_add_ext(x509, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return added;
}

/* A certificate for `key`; issuer NULL = signed by itself. */
static X509 *certificates_make(const struct certificates_wish *wish,
    EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	static long serial = 1;
	X509 *x509 = X509_new();
	X509_NAME *name;
	bool good;

	if (x509 == NULL)
		return NULL;
	if (issuer == NULL) {
		issuer = x509;
		issuer_key = key;
	}
	name = X509_get_subject_name(x509);
	good = X509_set_version(x509, 2) == 1 &&
	    ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(x509),
		wish->from_days * CERTIFICATES_DAY) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(x509),
		wish->to_days * CERTIFICATES_DAY) != NULL &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
		(const unsigned char *)wish->name, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1 &&
	    X509_set_pubkey(x509, key) == 1 &&
	    certificates_extend(x509, issuer, NID_basic_constraints,
		wish->authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
	    /* Of two authorities with one name, which one has signed it. */
	    certificates_extend(x509, issuer, NID_subject_key_identifier,
		"hash") &&
	    certificates_extend(x509, issuer, NID_authority_key_identifier,
		"keyid") &&
	    (wish->alt_names == NULL ||
		certificates_extend(x509, issuer, NID_subject_alt_name,
		    wish->alt_names)) &&
	    X509_sign(x509, issuer_key, EVP_sha256()) > 0;
	if (!good) {
		X509_free(x509);
		return NULL;
	}
	return x509;
}

static bool certificates_save(const char *folder, const char *name, X509 *x509,
    EVP_PKEY *key)
{
	char path[512];
	FILE *file;
	bool good;

	if (x509 == NULL && key == NULL)
		return false;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "we");
	if (file == NULL)
		return false;
	good = x509 != NULL
	    ? PEM_write_X509(file, x509) == 1
	    : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
	return fclose(file) == 0 && good;
}

/* Make a certificate and save it. */
static bool certificates_issue(const char *folder, const char *file,
    const struct certificates_wish *wish, EVP_PKEY *key, X509 *ca,
    EVP_PKEY *ca_key)
{
	X509 *x509 = certificates_make(wish, key, ca, ca_key);
	bool good = certificates_save(folder, file, x509, NULL);

	X509_free(x509);
	return good;
}

static const struct certificates_wish certificates_ca = { "evkv test authority",
	NULL, true, -2, 30 };
static const struct certificates_wish certificates_foreign = {
	"evkv foreign authority", NULL, true, -2, 30
};
static const struct certificates_wish certificates_server = { "localhost",
	"DNS:localhost,IP:127.0.0.1,IP:::1", false, -2, 30 };
static const struct certificates_wish certificates_expired = { "localhost",
	"DNS:localhost,IP:127.0.0.1,IP:::1", false, -2, -1 };
static const struct certificates_wish certificates_other = { "other.invalid",
	"DNS:other.invalid", false, -2, 30 };
static const struct certificates_wish certificates_client = {
	"evkv test client", NULL, false, -2, 30
};

bool certificates_write(const char *folder)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256");
	EVP_PKEY *foreign_key = EVP_EC_gen("P-256");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	EVP_PKEY *client_key = EVP_EC_gen("P-256");
	X509 *ca = NULL;
	bool good = false;

	if (ca_key == NULL || foreign_key == NULL || key == NULL ||
	    client_key == NULL)
		goto out;
	ca = certificates_make(&certificates_ca, ca_key, NULL, NULL);
	good = certificates_save(folder, "ca.pem", ca, NULL) &&
	    certificates_save(folder, "server.key", NULL, key) &&
	    certificates_save(folder, "client.key", NULL, client_key) &&
	    certificates_issue(folder, "foreign-ca.pem", &certificates_foreign,
		foreign_key, NULL, NULL) &&
	    certificates_issue(folder, "server.pem", &certificates_server, key,
		ca, ca_key) &&
	    certificates_issue(folder, "expired.pem", &certificates_expired,
		key, ca, ca_key) &&
	    certificates_issue(folder, "other.pem", &certificates_other, key,
		ca, ca_key) &&
	    certificates_issue(folder, "client.pem", &certificates_client,
		client_key, ca, ca_key);
out:
	X509_free(ca);
	EVP_PKEY_free(client_key);
	EVP_PKEY_free(key);
	EVP_PKEY_free(foreign_key);
	EVP_PKEY_free(ca_key);
	return good;
}

bool certificates_write_middle(const char *folder)
{
	static const struct certificates_wish wish = { "evkv test middle", NULL,
		true, -2, 30 };
	EVP_PKEY *root_key = EVP_EC_gen("P-256");
	EVP_PKEY *middle_key = EVP_EC_gen("P-256");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *root = NULL, *middle = NULL;
	bool good = root_key != NULL && middle_key != NULL && key != NULL;

	if (good)
		root = certificates_make(&certificates_ca, root_key, NULL,
		    NULL);
	if (root != NULL)
		middle = certificates_make(&wish, middle_key, root, root_key);
	good = middle != NULL &&
	    certificates_save(folder, "middle-ca.pem", middle, NULL) &&
	    certificates_save(folder, "middle.key", NULL, key) &&
	    certificates_issue(folder, "middle.pem", &certificates_server, key,
		middle, middle_key);
	X509_free(middle);
	X509_free(root);
	EVP_PKEY_free(key);
	EVP_PKEY_free(middle_key);
	EVP_PKEY_free(root_key);
	return good;
}
