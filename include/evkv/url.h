/**
 * @file
 * URLs of stores, for authors.
 *
 *     static const struct evkv_url_option my_url_options[] = {
 *         { .name = "max_bytes", .type = EVKV_URL_SIZE,
 *             .offset = offsetof(struct my_options, max_bytes) },
 *     };
 *
 * docs/urls.md describes them to users. All calls here may be made on any
 * thread, except those that take a loop.
 */
#ifndef EVKV_URL_H
#define EVKV_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evkv/error.h"

EVKV_BEGIN_DECLS

struct evkv_loop;
struct evkv_store;

/** One option of a URL. */
struct evkv_url_pair {
	/** the option's name */
	const char *name;
	/** the option's value */
	const char *value;
};

/** One host of a URL. */
struct evkv_url_host {
	/** its name; an IPv6 literal without its brackets */
	const char *host;
	/** the port; 0 = not given */
	int port;
	/** the weight; 0 = not given */
	int weight;
};

/** A parsed URL, all parts decoded; parts that are absent are empty strings. */
struct evkv_url {
	/** in lower case */
	const char *scheme;
	/** the user's name */
	const char *user;
	/** the password */
	const char *password;
	/** whether there is a password, which may be empty */
	bool has_password;
	/** the first host; an IPv6 literal without its brackets */
	const char *host;
	/** its port; 0 = not given */
	int port;
	/** the path, with its leading slash if it has one */
	const char *path;
	/** how many options there are */
	size_t option_count;
	/** the options after the question mark, in order */
	const struct evkv_url_pair *options;
	/** how many hosts there are; 0 = neither host nor port was given */
	size_t host_count;
	/**
	 * the hosts, the first included, as "host:port*weight" after one
	 * another with commas between; no two have the same host and port
	 */
	const struct evkv_url_host *hosts;
};

/** The types of options. */
enum evkv_url_type {
	EVKV_URL_BOOL,     /**< bool: 0, 1, true, false, yes, no, on, off */
	EVKV_URL_INT,      /**< int */
	EVKV_URL_SIZE,     /**< size_t, with suffixes k, m, g */
	EVKV_URL_DURATION, /**< int64_t, ms; with suffixes ms, s, m, h */
	EVKV_URL_STRING,   /**< const char *, valid while the URL is */
	EVKV_URL_CHOICE,   /**< int: the index in a list "full|os|none" */
	EVKV_URL_BYTES,    /**< struct evkv_slice, valid while the URL is */
};

/** What is special about an option. */
enum {
	/** a password or the like: described as *** */
	EVKV_OPTION_SECRET = 1 << 0,
	/** must be given */
	EVKV_OPTION_REQUIRED = 1 << 1,
};

/**
 * One option of a store or a wrapper: how it gets from a URL, or the text of a
 * chain, into an options struct, what it may be, and what docs/reference.md
 * says of it. A zero in the struct is the option's default.
 */
struct evkv_url_option {
	/** the option's name */
	const char *name;
	/** its type */
	enum evkv_url_type type;
	/** offsetof() its field in the options struct */
	size_t offset;
	/** INT, SIZE, DURATION: the lower bound; with `max` 0: not negative */
	int64_t min;
	/** INT, SIZE, DURATION: the upper bound; 0 and `min` 0 = none */
	int64_t max;
	/** CHOICE: the words, "full|os|none" */
	const char *choices;
	/** what it does, in a few words; NULL = none */
	const char *summary;
	/** the default as it would be written ("64m"); NULL = none, or off */
	const char *standard;
	/** EVKV_OPTION_* */
	uint32_t flags;
	/**
	 * its name in the options struct, where that is another (with a unit,
	 * "max_ttl_ms"); both are taken, and errors of constructors name it
	 */
	const char *field;
};

/**
 * Write a URL's options into a struct, by a table.
 * @param url          the URL
 * @param table        the options that are known
 * @param table_count  how many these are
 * @param options      the struct
 * @param error        filled with the option and what is allowed, where one is
 *                     unknown, given twice or malformed
 * @return false where `error` was filled
 */
EVKV_API bool evkv_url_options(const struct evkv_url *url,
    const struct evkv_url_option *table, size_t table_count, void *options,
    struct evkv_error *error);

/**
 * What the names of a store's own options begin with, where its URLs have
 * options of another library too (EVKV_URL_FOREIGN).
 */
#define EVKV_URL_OURS "evkv."

/** The parts of a URL, apart from its options, that a scheme may use. */
enum {
	EVKV_URL_USER = 1 << 0,  /**< user and password */
	EVKV_URL_HOST = 1 << 1,  /**< one host and port */
	EVKV_URL_PATH = 1 << 2,  /**< the path */
	EVKV_URL_HOSTS = 1 << 3, /**< several of them, with weights */
	/**
	 * options that are another library's: those of the table are told from
	 * them by EVKV_URL_OURS before their names
	 */
	EVKV_URL_FOREIGN = 1 << 4,
};

/**
 * Check that a URL has no parts but those named.
 * @param url    the URL
 * @param parts  EVKV_URL_USER, HOST, HOSTS and PATH
 * @param error  filled with the part that is too many
 * @return false where `error` was filled
 */
EVKV_API bool evkv_url_allow(const struct evkv_url *url, uint32_t parts,
    struct evkv_error *error);

/**
 * Opens the URLs of a scheme.
 * @param loop   the loop that the scheme is registered on
 * @param url    lives for the call
 * @param error  to be filled where NULL is returned
 */
typedef struct evkv_store *(*evkv_scheme_open)(struct evkv_loop *loop,
    const struct evkv_url *url, struct evkv_error *error);

/**
 * Register what opens a scheme's URLs; registering a scheme again replaces it.
 * On the loop's thread.
 * @param loop    the loop
 * @param scheme  copied; letters and, after the first, digits, '+', '-', '.'
 *                and '_'; its case does not matter
 * @param open    opens the URLs
 * @return false where that is no such name, when out of memory, or where `loop`
 *         or `open` is NULL
 */
EVKV_API bool evkv_loop_register_scheme(struct evkv_loop *loop,
    const char *scheme, evkv_scheme_open open);

/** As evkv_open(), with the registered schemes alone. */
EVKV_API struct evkv_store *evkv_loop_open(struct evkv_loop *loop,
    const char *url, struct evkv_error *error);

EVKV_END_DECLS

#endif
