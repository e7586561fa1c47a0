/*
 * URLs by RFC 3986, strictly: what the grammar does not allow as it is must be
 * percent-encoded, and the error says so. One thing is allowed beyond it: '_'
 * in a scheme, as a scheme is named like its store.
 *
 * A password is never quoted, nor anything that may be a part of one. The trap
 * is the password with a raw '/', '?' or '#' in it, which ends the authority
 * early, so that its rest is taken for a path, a query or a port. Hence no
 * error quotes the authority, and a raw '@' after it is refused before what
 * is there is looked at.
 *
 * Hosts are a list, as stores on several servers need it: a ',' or a '*' that
 * belongs to a name must be percent-encoded.
 */
#include "base/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/hex.h"

/* Sub-delimiters and what else RFC 3986 allows in a segment of a path. */
#define URL_SUB_DELIMS "!$&'()*+,;="
#define URL_PCHAR URL_SUB_DELIMS ":@"
#define URL_HOST "!$&'()+;=" /* of those, in a host: all but ',' and '*' */

#define URL_HOSTS 1024   /* the most in a list */
#define URL_WEIGHT 65535 /* the largest weight */

/*
 * The memory of a URL: the public struct first, then the hosts, the pairs, the
 * decoded strings. A decoded string is never longer than its source, and each
 * gets a NUL, so the text's length and one byte per string are enough.
 */
struct url_parser {
	const char *at, *end; /* what of the text is still to be read */
	char *store;          /* where the next decoded string goes */
	struct evkv_url *url;
	struct evkv_url_host *hosts;
	struct evkv_url_pair *pairs;
	bool has_authority;
	struct evkv_error *error;
};

static bool url_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool url_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether `c` may stand as it is where unreserved bytes and `more` may. */
static bool url_allowed(char c, const char *more)
{
	return url_is_alpha(c) || url_is_digit(c) ||
	    (c != '\0' &&
		(strchr("-._~", c) != NULL || strchr(more, c) != NULL));
}

/* Say what is wrong with a part, without quoting it; false for the caller. */
static bool url_bad(struct url_parser *parser, const char *part,
    const char *why)
{
	evkv_error_set(parser->error, EVKV_INVALID, "URL: the %s %s", part,
	    why);
	return false;
}

/*
 * Decode [from, to) as `part`, in which unreserved bytes, `more` and escapes
 * are allowed, into a string of its own: *string.
 */
static bool url_decode(struct url_parser *parser, const char *from,
    const char *to, const char *part, const char *more, const char **string)
{
	char *out = parser->store;
	int high, low;

	*string = out;
	while (from < to) {
		if (*from != '%') {
			if (!url_allowed(*from, more))
				return url_bad(parser, part,
				    "has a character that must be written as "
				    "% and two hex digits");
			*out++ = *from++;
			continue;
		}
		high = to - from >= 3 ? hex_digit(from[1]) : -1;
		low = to - from >= 3 ? hex_digit(from[2]) : -1;
		if (high < 0 || low < 0)
			return url_bad(parser, part,
			    "has a % without two hex digits after it");
		if (high == 0 && low == 0)
			return url_bad(parser, part,
			    "has a NUL byte (%00), which is not allowed");
		*out++ = (char)(high << 4 | low);
		from += 3;
	}
	*out++ = '\0';
	parser->store = out;
	return true;
}

/* The first of `stops` in [from, to), or `to`. */
static const char *url_find(const char *from, const char *to, const char *stops)
{
	while (from < to && strchr(stops, *from) == NULL)
		from++;
	return from;
}

static bool url_is_scheme(const char *from, const char *to)
{
	const char *c;

	for (c = from; c < to; c++) {
		if (!url_is_alpha(*c) &&
		    (c == from ||
			(!url_is_digit(*c) && strchr("+-._", *c) == NULL)))
			return false;
	}
	return from < to;
}

bool evkv__url_is_scheme(const char *name)
{
	return name != NULL && url_is_scheme(name, name + strlen(name));
}

static bool url_scheme(struct url_parser *parser)
{
	const char *colon = url_find(parser->at, parser->end, ":/?#");
	const char *c;
	char *out = parser->store;

	if (colon == parser->end || *colon != ':' || colon == parser->at)
		return url_bad(parser, "scheme",
		    "is missing: it must begin with a name and a colon, as in "
		    "memory:");
	if (!url_is_scheme(parser->at, colon))
		return url_bad(parser, "scheme",
		    "may have letters and, after the first, digits, '+', '-', "
		    "'.' and '_'");
	/* Schemes ignore case; evkv has them in lower case. */
	for (c = parser->at; c < colon; c++)
		*out++ = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
	*out++ = '\0';
	parser->url->scheme = parser->store;
	parser->store = out;
	parser->at = colon + 1;
	return true;
}

/* user[:password], of which the password may be anything. */
static bool url_userinfo(struct url_parser *parser, const char *from,
    const char *to)
{
	const char *colon = url_find(from, to, ":");

	if (!url_decode(parser, from, colon, "user name", URL_SUB_DELIMS,
		&parser->url->user))
		return false;
	if (colon == to)
		return true;
	parser->url->has_password = true;
	return url_decode(parser, colon + 1, to, "password", URL_SUB_DELIMS ":",
	    &parser->url->password);
}

/* ---- Hosts --------------------------------------------------------------- */

/* The inside of [...]: an IPv6 address, which may have a zone ("%25eth0"). */
static bool url_ipv6(struct url_parser *parser, const char *from,
    const char *to, const char **host)
{
	unsigned char address[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	const char *zone = url_find(from, to, "%");
	size_t size = (size_t)(zone - from);

	if (size >= sizeof(text))
		return url_bad(parser, "host",
		    "in brackets is not an IPv6 address");
	memcpy(text, from, size);
	text[size] = '\0';
	if (inet_pton(AF_INET6, text, address) != 1)
		return url_bad(parser, "host",
		    "in brackets is not an IPv6 address");
	if (zone < to && (to - zone < 4 || memcmp(zone, "%25", 3) != 0))
		return url_bad(parser, "host",
		    "has a zone that is not written as %25 and a name");
	return url_decode(parser, from, to, "host", ":", host);
}

/* The digits in [from, to), from 1 to `most`; 0 = it is no such number. */
static int url_number(const char *from, const char *to, int most)
{
	int number = 0;

	for (; from < to && url_is_digit(*from) && number <= most; from++)
		number = number * 10 + (*from - '0');
	return from < to || number > most ? 0 : number;
}

static bool url_port(struct url_parser *parser, const char *from,
    const char *to, int *port)
{
	/* "host:" is allowed and is the same as "host". */
	if (from == to)
		return true;
	*port = url_number(from, to, 65535);
	return *port != 0 ||
	    url_bad(parser, "port",
		"must be a number from 1 to 65535 (a '/', '?' or '#' in a "
		"password must be written as % and two hex digits)");
}

static bool url_weight(struct url_parser *parser, const char *from,
    const char *to, int *weight)
{
	*weight = url_number(from, to, URL_WEIGHT);
	return *weight != 0 ||
	    url_bad(parser, "weight after '*'",
		"must be a number from 1 to 65535");
}

/* host[:port][*weight] */
static bool url_host(struct url_parser *parser, const char *from,
    const char *to, struct evkv_url_host *host)
{
	const char *star = url_find(from, to, "*"), *end;

	if (star < to && !url_weight(parser, star + 1, to, &host->weight))
		return false;
	to = star;
	if (from < to && *from == '[') {
		end = url_find(from, to, "]");
		if (end == to)
			return url_bad(parser, "host",
			    "begins with '[' and has no ']'");
		if (!url_ipv6(parser, from + 1, end, &host->host))
			return false;
		end++;
		if (end < to && *end != ':')
			return url_bad(parser, "host",
			    "must end, or go on with ':' and a port, after "
			    "']'");
	} else {
		end = url_find(from, to, ":");
		if (!url_decode(parser, from, end, "host", URL_HOST,
			&host->host))
			return false;
	}
	return end == to || url_port(parser, end + 1, to, &host->port);
}

/* The last host of a list of several. */
static bool url_host_check(struct url_parser *parser)
{
	size_t last = parser->url->host_count - 1, i;
	const struct evkv_url_host *host = &parser->hosts[last];

	if (host->host[0] == '\0')
		return url_bad(parser, "list of hosts", "has an empty part");
	for (i = 0; i < last; i++) {
		if (parser->hosts[i].port == host->port &&
		    strcasecmp(parser->hosts[i].host, host->host) == 0)
			return url_bad(parser, "list of hosts",
			    "has the same host and port twice");
	}
	return true;
}

/* host[:port][*weight][,host...] */
static bool url_hosts(struct url_parser *parser, const char *from,
    const char *to)
{
	struct evkv_url *url = parser->url;
	bool several = url_find(from, to, ",") < to;
	const char *end;

	while (url->host_count < URL_HOSTS) {
		end = url_find(from, to, ",");
		if (!url_host(parser, from, end,
			&parser->hosts[url->host_count++]) ||
		    (several && !url_host_check(parser)))
			return false;
		if (end == to)
			return true;
		from = end + 1;
	}
	return url_bad(parser, "list of hosts", "has more than 1024 of them");
}

/* [user[:password]@]hosts */
static bool url_authority(struct url_parser *parser, const char *to)
{
	const char *from = parser->at, *at;

	parser->at = to;
	parser->has_authority = from < to;
	/* The last '@': one in the password is then found by its decoding. */
	for (at = to; at > from && at[-1] != '@'; at--)
		;
	if (at > from) {
		if (!url_userinfo(parser, from, at - 1))
			return false;
		from = at;
	}
	return from == to || url_hosts(parser, from, to);
}

/* ---- Options, and the whole ---------------------------------------------- */

/* name=value[&name=value...] */
static bool url_query(struct url_parser *parser)
{
	struct evkv_url_pair *pair;
	const char *to, *equals;

	while (parser->at < parser->end) {
		to = url_find(parser->at, parser->end, "&");
		equals = url_find(parser->at, to, "=");
		if (equals == to || equals == parser->at)
			return url_bad(parser, "query",
			    "must be name=value, and more of them after '&'");
		pair = &parser->pairs[parser->url->option_count++];
		if (!url_decode(parser, parser->at, equals, "name of an option",
			URL_PCHAR "/?", &pair->name) ||
		    !url_decode(parser, equals + 1, to, "value of an option",
			URL_PCHAR "/?", &pair->value))
			return false;
		parser->at = to;
		if (to < parser->end && ++parser->at == parser->end)
			return url_bad(parser, "query", "ends with '&'");
	}
	return true;
}

static bool url_parts(struct url_parser *parser)
{
	const char *to, *c;

	if (!url_scheme(parser))
		return false;
	if (parser->end - parser->at >= 2 && memcmp(parser->at, "//", 2) == 0) {
		parser->at += 2;
		to = url_find(parser->at, parser->end, "/?#");
		if (!url_authority(parser, to))
			return false;
	}
	for (c = parser->at; parser->has_authority && c < parser->end; c++)
		if (*c == '@')
			return url_bad(parser, "part after the host",
			    "has an '@': write it as %40, and write a '/', "
			    "'?' or '#' in a password as %2F, %3F or %23");
	if (url_find(parser->at, parser->end, "#") < parser->end)
		return url_bad(parser, "fragment",
		    "('#' and what follows) has no meaning here; a '#' in a "
		    "name is written as %23");

	to = url_find(parser->at, parser->end, "?");
	if (!url_decode(parser, parser->at, to, "path", URL_PCHAR "/",
		&parser->url->path))
		return false;
	if (to == parser->end)
		return true;
	parser->at = to + 1;
	return url_query(parser);
}

/* One more than there are of a byte that separates. */
static size_t url_count(const char *text, char separator)
{
	size_t count = 1;

	for (; *text != '\0'; text++)
		if (*text == separator)
			count++;
	return count;
}

/* Lay out the memory of the URL of a text. NULL = none. */
static struct evkv_url *url_new(struct url_parser *parser, size_t size)
{
	size_t hosts = url_count(parser->at, ',');
	size_t pairs = url_count(parser->at, '&');
	/* Scheme, user, password, path; the hosts; two per pair. */
	size_t strings = size + 4 + hosts + 2 * pairs;
	struct evkv_url *url;

	if (hosts > URL_HOSTS)
		hosts = URL_HOSTS;
	url = evkv_calloc(1,
	    sizeof(*url) + hosts * sizeof(struct evkv_url_host) +
		pairs * sizeof(struct evkv_url_pair) + strings);
	if (url == NULL)
		return NULL;
	url->user = url->password = url->host = url->path = "";
	parser->end = parser->at + size;
	parser->url = url;
	parser->hosts = (struct evkv_url_host *)(url + 1);
	parser->pairs = (struct evkv_url_pair *)(parser->hosts + hosts);
	parser->store = (char *)(parser->pairs + pairs);
	url->hosts = parser->hosts;
	url->options = parser->pairs;
	return url;
}

struct evkv_url *evkv__url_parse(const char *text, struct evkv_error *error)
{
	struct url_parser parser = { .at = text, .error = error };
	struct evkv_url *url;
	size_t size;

	if (text == NULL) {
		evkv_error_set(error, EVKV_INVALID, "URL: it is NULL");
		return NULL;
	}
	size = strnlen(text, EVKV__URL_MAX + 1);
	if (size > EVKV__URL_MAX) {
		evkv_error_set(error, EVKV_INVALID,
		    "URL: it is longer than %d bytes", EVKV__URL_MAX);
		return NULL;
	}

	url = url_new(&parser, size);
	if (url == NULL) {
		evkv_error_set(error, EVKV_NOMEM, "URL: out of memory");
		return NULL;
	}
	if (!url_parts(&parser)) {
		evkv__url_free(url);
		return NULL;
	}
	if (url->host_count > 0) {
		url->host = url->hosts[0].host;
		url->port = url->hosts[0].port;
	}
	return url;
}

void evkv__url_free(struct evkv_url *url)
{
	evkv_free(url);
}
