/*
 * URLs: the parts, what is refused and how it is named, options.
 */
#include "base/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

/* A URL that must parse. */
static struct evkv_url *parse(const char *text)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_url *url = evkv__url_parse(text, &error);

	if (url == NULL)
		fail_test("%s: %s", text, error.message);
	check_int(error.status, EVKV_OK);
	return url;
}

static void refuse(const char *text, const char *part)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	if (evkv__url_parse(text, &error) != NULL)
		fail_test("'%s' is taken", text);
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, part);
}

EVKV_TEST(unit_url, all_parts)
{
	struct evkv_url *url = parse(
	    "redis://us%65r:p%40ss%3a@db.example.com:6380/2?a=b&c=d%26");

	check_str(url->scheme, "redis");
	check_str(url->user, "user");
	check_str(url->password, "p@ss:");
	check(url->has_password);
	check_str(url->host, "db.example.com");
	check_int(url->port, 6380);
	check_str(url->path, "/2");
	check_int(url->option_count, 2);
	check_str(url->options[0].name, "a");
	check_str(url->options[0].value, "b");
	check_str(url->options[1].name, "c");
	check_str(url->options[1].value, "d&");
	evkv__url_free(url);
}

EVKV_TEST(unit_url, parts_may_be_absent)
{
	struct evkv_url *url = parse("memory:");

	check_str(url->scheme, "memory");
	check_str(url->user, "");
	check_str(url->password, "");
	check(!url->has_password);
	check_str(url->host, "");
	check_int(url->port, 0);
	check_str(url->path, "");
	check_int(url->option_count, 0);
	evkv__url_free(url);

	url = parse("redis://:@h?");
	check(url->has_password);
	check_str(url->password, "");
	check_str(url->host, "h");
	evkv__url_free(url);

	url = parse("redis://u@");
	check_str(url->user, "u");
	check(!url->has_password);
	check_str(url->host, "");
	evkv__url_free(url);
}

EVKV_TEST(unit_url, scheme_is_lower_case)
{
	struct evkv_url *url = parse("Redis+UNIX-1.0:///tmp/S");

	check_str(url->scheme, "redis+unix-1.0");
	check_str(url->path, "/tmp/S");
	evkv__url_free(url);

	url = parse("Multi_Disk:/S");
	check_str(url->scheme, "multi_disk");
	evkv__url_free(url);
}

EVKV_TEST(unit_url, paths)
{
	static const struct {
		const char *text;
		const char *path;
	} rows[] = {
		{ "disk:/var/lib/x", "/var/lib/x" },
		{ "disk:relative/x", "relative/x" },
		{ "disk:///var/lib/x", "/var/lib/x" },
		{ "disk:/a%20b/%C3%A4", "/a b/\xc3\xa4" },
		{ "disk:/a@b:c", "/a@b:c" },
		{ "disk:///a@b", "/a@b" },
		{ "disk:/a%3Fb%23c", "/a?b#c" },
		{ "disk:/a%2Fb", "/a/b" },
		{ "disk:/%", NULL },
	};
	struct evkv_url *url;
	size_t i;

	for (i = 0; rows[i].path != NULL; i++) {
		url = parse(rows[i].text);
		check_str(url->path, rows[i].path);
		check_str(url->host, "");
		evkv__url_free(url);
	}
	refuse(rows[i].text, "path");
}

EVKV_TEST(unit_url, ipv6_literals)
{
	struct evkv_url *url = parse("redis://[2001:db8::1]:6379/0");

	check_str(url->host, "2001:db8::1");
	check_int(url->port, 6379);
	evkv__url_free(url);

	url = parse("redis://u:p@[::ffff:10.0.0.1]");
	check_str(url->host, "::ffff:10.0.0.1");
	check_int(url->port, 0);
	evkv__url_free(url);

	url = parse("redis://[fe80::1%25eth0]:1");
	check_str(url->host, "fe80::1%eth0");
	evkv__url_free(url);

	refuse("redis://[::1", "']'");
	refuse("redis://[::1]6379", "after ']'");
	refuse("redis://[::g]", "IPv6");
	refuse("redis://[]", "IPv6");
	refuse("redis://[1.2.3.4]", "IPv6");
	refuse("redis://[fe80::1%eth0]", "zone");
	refuse("redis://[fe80::1%25]", "zone");
	refuse("redis://[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa]",
	    "IPv6");
	refuse("redis://2001:db8::1", "port");
}

/* The longest that there is, and whatever is longer. */
EVKV_TEST(unit_url, ipv6_literals_of_any_length)
{
	static const char
	    longest[] = "1111:2222:3333:4444:5555:6666:255.255.255.255";
	struct evkv_url *url;
	char text[100];
	int size;

	snprintf(text, sizeof(text), "redis://[%s]", longest);
	url = parse(text);
	check_str(url->host, longest);
	evkv__url_free(url);
	for (size = 1; size <= 60; size++) {
		snprintf(text, sizeof(text), "redis://[%.*s]", size,
		    "1111111111111111111111111111111111111111111111111111111"
		    "11111");
		refuse(text, "IPv6");
	}
}

EVKV_TEST(unit_url, bad_parts_are_named)
{
	refuse(NULL, "NULL");
	refuse("", "scheme");
	refuse("memory", "scheme");
	refuse(":", "scheme");
	refuse("//host", "scheme");
	refuse("1a:", "scheme");
	refuse("_a:", "scheme");
	refuse("a b:", "scheme");
	refuse("a%62:", "scheme");
	refuse("x://a b@h", "user name");
	refuse("x://a[@h", "user name");
	refuse("x://a:b c@h", "password");
	refuse("x://a:%0@h", "password");
	refuse("x://h h", "host");
	refuse("x://h%zz", "host");
	refuse("x://h:port", "port");
	refuse("x://h:0", "port");
	refuse("x://h:65536", "port");
	refuse("x://h:99999999999999999999", "port");
	refuse("x://h:-1", "port");
	refuse("x://h:1 ", "port");
	refuse("x:/a b", "path");
	refuse("x:/a\tb", "path");
	refuse("x:/\xc3\xa4", "path");
	refuse("x:/a#b", "fragment");
	refuse("x:?a=1#", "fragment");
	refuse("x:?a", "query");
	refuse("x:?=1", "query");
	refuse("x:?a=1&", "query");
	refuse("x:?a=1&&b=2", "query");
	refuse("x:?a b=1", "name of an option");
	refuse("x:?a=b c", "value of an option");
	refuse("x:?a=%", "value of an option");
}

EVKV_TEST(unit_url, nul_bytes_are_refused_everywhere)
{
	refuse("x://%00@h", "user name");
	refuse("x://:%00@h", "password");
	refuse("x://h%00", "host");
	refuse("x:/%00", "path");
	refuse("x:?%00=1", "name of an option");
	refuse("x:?a=b%00", "value of an option");
}

/* What is in brackets is looked at however long it is. */
EVKV_TEST(unit_url, no_address_is_so_long)
{
	char text[400];
	size_t size;

	for (size = 40; size < 300; size++) {
		snprintf(text, sizeof(text), "x://[%0*d]", (int)size, 1);
		refuse(text, "in brackets is not an IPv6 address");
	}
}

EVKV_TEST(unit_url, a_port_may_be_empty)
{
	struct evkv_url *url = parse("redis://h:");

	check_str(url->host, "h");
	check_int(url->port, 0);
	evkv__url_free(url);
	url = parse("redis://h:65535");
	check_int(url->port, 65535);
	evkv__url_free(url);
}

static void check_host(const struct evkv_url *url, size_t i, const char *host,
    int port, int weight)
{
	check(i < url->host_count);
	check_str(url->hosts[i].host, host);
	check_int(url->hosts[i].port, port);
	check_int(url->hosts[i].weight, weight);
}

EVKV_TEST(unit_url, hosts_are_a_list)
{
	struct evkv_url *url = parse(
	    "x://u:p,q*2@a,b:2,[::1]*3,[fe80::1%25e0]:4*65535,c%2Cd%2a:/p,q*r");

	check_str(url->password, "p,q*2");
	check_str(url->path, "/p,q*r");
	check_int(url->host_count, 5);
	check_host(url, 0, "a", 0, 0);
	check_host(url, 1, "b", 2, 0);
	check_host(url, 2, "::1", 0, 3);
	check_host(url, 3, "fe80::1%e0", 4, 65535);
	check_host(url, 4, "c,d*", 0, 0);
	check_str(url->host, "a");
	check_int(url->port, 0);
	evkv__url_free(url);

	/* One host is a list, too; none is none. */
	url = parse("x://h:7");
	check_int(url->host_count, 1);
	check_host(url, 0, "h", 7, 0);
	evkv__url_free(url);
	url = parse("x://:7");
	check_int(url->host_count, 1);
	check_host(url, 0, "", 7, 0);
	evkv__url_free(url);
	url = parse("x://u@/p");
	check_int(url->host_count, 0);
	evkv__url_free(url);

	/* The same host with another port is another server. */
	url = parse("x://h:1,h:2,h");
	check_int(url->host_count, 3);
	evkv__url_free(url);
}

EVKV_TEST(unit_url, bad_lists_are_named)
{
	refuse("x://a,,b", "empty part");
	refuse("x://a,", "empty part");
	refuse("x://,a", "empty part");
	refuse("x://,", "empty part");
	refuse("x://a,:1", "empty part");
	refuse("x://a,*2", "empty part");
	refuse("x://u:p@,a", "empty part");
	refuse("x://a,b,a", "twice");
	refuse("x://a:1,b,A:1*3", "twice");
	refuse("x://[::1],[::1]", "twice");
	refuse("x://a*0", "weight");
	refuse("x://a*", "weight");
	refuse("x://a*65536", "weight");
	refuse("x://a*-1", "weight");
	refuse("x://a*1:2", "weight");
	refuse("x://a*1*2", "weight");
	refuse("x://[::1*2]", "weight");
	refuse("x://a,b:0", "port");
	refuse("x://a,b c", "host");
}

/* Up to 1024; more is an error, not more memory. */
EVKV_TEST(unit_url, a_list_has_a_longest_length)
{
	char *text = malloc(EVKV__URL_MAX), *at = text;
	struct evkv_url *url;
	int i;

	at += sprintf(at, "x://h");
	for (i = 1; i < 1024; i++)
		at += sprintf(at, ",h:%d", i);
	url = parse(text);
	check_int(url->host_count, 1024);
	check_host(url, 1023, "h", 1023, 0);
	evkv__url_free(url);
	sprintf(at, ",h:1024");
	refuse(text, "more than 1024");
	free(text);
}

EVKV_TEST(unit_url, who_has_one_server_refuses_a_list)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_url *url = parse("x://a*2");

	check(!evkv_url_allow(url, EVKV_URL_HOST, &error));
	check_str(error.message,
	    "URL: x takes no list of hosts, nor the weight of one");
	check(evkv_url_allow(url, EVKV_URL_HOSTS, NULL));
	evkv__url_free(url);

	url = parse("x://a,b");
	check(!evkv_url_allow(url, EVKV_URL_HOST, NULL));
	check(!evkv_url_allow(url, EVKV_URL_PATH, NULL));
	check(evkv_url_allow(url, EVKV_URL_HOSTS, NULL));
	evkv__url_free(url);

	url = parse("x://a:1");
	check(evkv_url_allow(url, EVKV_URL_HOST, NULL));
	check(evkv_url_allow(url, EVKV_URL_HOSTS, NULL));
	evkv__url_free(url);
}

EVKV_TEST(unit_url, a_url_has_a_longest_size)
{
	char *text = malloc(EVKV__URL_MAX + 2);

	memset(text, 'a', EVKV__URL_MAX + 1);
	text[EVKV__URL_MAX + 1] = '\0';
	text[1] = ':';
	refuse(text, "longer");
	text[EVKV__URL_MAX] = '\0';
	evkv__url_free(parse(text));
	free(text);
}

/*
 * A password with any byte in it, written as it is or not: whatever becomes of
 * the URL, no error shows a piece of it.
 */
EVKV_TEST(unit_url, errors_never_show_a_password)
{
	static const char *const before[] = { "redis://:", "redis://user:",
		"redis://user:a@b:", "redis://user:[", "redis://user:1",
		"redis://user:%", "redis://user:a,b*", "redis://user:,*1," };
	static const char *const after[] = { "@host", "@host:1/0?x=y",
		"@[::1]:2", "@host:x", "@host/a b", "@/?a", "@a,b*0", "@a,,b" };
	struct evkv_error error;
	struct evkv_url *url;
	char text[128];
	size_t i, j;
	int byte;

	for (i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		for (j = 0; j < sizeof(after) / sizeof(after[0]); j++) {
			for (byte = 1; byte < 256; byte++) {
				evkv_error_clear(&error);
				snprintf(text, sizeof(text), "%sS3c%cr3t%s",
				    before[i], byte, after[j]);
				url = evkv__url_parse(text, &error);
				if (url == NULL) {
					check(strstr(error.message, "S3c") ==
					    NULL);
					check(strstr(error.message, "r3t") ==
					    NULL);
					continue;
				}
				/* Then it is where it belongs. */
				check_contains(url->password, "S3c");
				check_contains(url->password, "r3t");
				check(strstr(url->path, "r3t") == NULL);
				check_int(url->option_count, j == 1);
				evkv__url_free(url);
			}
		}
	}
}

/* A '/', '?' or '#' in a password ends the host early: what follows hides. */
EVKV_TEST(unit_url, the_rest_of_a_split_password_is_not_taken)
{
	static const char *const rows[] = { "redis://:12/S3cr3t@host",
		"redis://u:12?S3cr3t@host", "redis://u:12?a=S3cr3t@host",
		"redis://:12#S3cr3t@host", "redis://:a@b/S3cr3t@host",
		"redis://:/S3cr3t@host" };
	struct evkv_error error;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		evkv_error_clear(&error);
		check(evkv__url_parse(rows[i], &error) == NULL);
		check_invalid(error, "'@'");
		check(strstr(error.message, "S3c") == NULL);
	}
}

EVKV_TEST(unit_url, the_first_error_stays)
{
	struct evkv_error error = { EVKV_IO, "first" };

	check(evkv__url_parse("", &error) == NULL);
	check_int(error.status, EVKV_IO);
	check_str(error.message, "first");
	check(evkv__url_parse("", NULL) == NULL);
}

/* ---- Options ------------------------------------------------------------ */

struct options {
	bool flag;
	int number;
	int level;
	size_t size;
	int64_t pause_ms;
	const char *text;
	int mode;
};

static const struct evkv_url_option table[] = {
	{ .name = "flag",
	    .type = EVKV_URL_BOOL,
	    .offset = offsetof(struct options, flag) },
	{ .name = "number",
	    .type = EVKV_URL_INT,
	    .offset = offsetof(struct options, number) },
	{ .name = "level",
	    .type = EVKV_URL_INT,
	    .offset = offsetof(struct options, level),
	    .min = -5,
	    .max = 5 },
	{ .name = "size",
	    .type = EVKV_URL_SIZE,
	    .offset = offsetof(struct options, size),
	    .min = 16,
	    .max = INT64_C(1) << 40 },
	{ .name = "pause",
	    .type = EVKV_URL_DURATION,
	    .offset = offsetof(struct options, pause_ms) },
	{ .name = "text",
	    .type = EVKV_URL_STRING,
	    .offset = offsetof(struct options, text) },
	{ .name = "mode",
	    .type = EVKV_URL_CHOICE,
	    .offset = offsetof(struct options, mode),
	    .choices = "full|os|none" },
};

#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

static struct options read_options(const char *text, struct evkv_url **url)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct options options = { .number = -77 };

	*url = parse(text);
	if (!evkv_url_options(*url, table, TABLE_COUNT, &options, &error))
		fail_test("%s: %s", text, error.message);
	return options;
}

static void refuse_option(const char *text, const char *what,
    const char *allowed)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_url *url = parse(text);
	struct options options;

	memset(&options, 0, sizeof(options));
	if (evkv_url_options(url, table, TABLE_COUNT, &options, &error))
		fail_test("%s is taken", text);
	evkv__url_free(url);
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, what);
	check_invalid(error, allowed);
}

EVKV_TEST(unit_url, options_of_every_type)
{
	struct evkv_url *url;
	struct options
	    options = read_options("x:?flag=yes&number=42&level=-5&"
				   "size=64m&pause=90s&text=a%20b&mode=none",
		&url);

	check(options.flag);
	check_int(options.number, 42);
	check_int(options.level, -5);
	check_int(options.size, 64 << 20);
	check_int(options.pause_ms, 90000);
	check_str(options.text, "a b");
	check_int(options.mode, 2);
	evkv__url_free(url);
}

EVKV_TEST(unit_url, options_not_given_stay)
{
	struct evkv_url *url;
	struct options options = read_options("x:", &url);

	check_int(options.number, -77);
	check(options.text == NULL);
	evkv__url_free(url);
}

EVKV_TEST(unit_url, units)
{
	static const struct {
		const char *text;
		int64_t size, pause_ms;
	} rows[] = {
		{ "x:?size=16", 16, 0 },
		{ "x:?size=1k", 1024, 0 },
		{ "x:?size=2g", INT64_C(2) << 30, 0 },
		{ "x:?size=1024g", INT64_C(1) << 40, 0 },
		{ "x:?pause=0", 0, 0 },
		{ "x:?pause=250", 0, 250 },
		{ "x:?pause=250ms", 0, 250 },
		{ "x:?pause=2m", 0, 120000 },
		{ "x:?pause=3h", 0, 10800000 },
		{ "x:?pause=9223372036854775807", 0, INT64_MAX },
	};
	struct evkv_url *url;
	struct options options;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		options = read_options(rows[i].text, &url);
		check_int(options.size, rows[i].size);
		check_int(options.pause_ms, rows[i].pause_ms);
		evkv__url_free(url);
	}
}

EVKV_TEST(unit_url, bools)
{
	static const char *const rows[] = { "1", "true", "yes", "on", "0",
		"false", "no", "off" };
	struct evkv_url *url;
	struct options options;
	char text[32];
	size_t i;

	for (i = 0; i < 8; i++) {
		snprintf(text, sizeof(text), "x:?flag=%s", rows[i]);
		options = read_options(text, &url);
		check_int(options.flag, i < 4);
		evkv__url_free(url);
	}
	refuse_option("x:?flag=TRUE", "flag", "true");
	refuse_option("x:?flag=", "flag", "off");
}

EVKV_TEST(unit_url, bad_options_are_named)
{
	refuse_option("x:?nope=1", "nope", "it has mode, size, flag, number");
	refuse_option("x:?number=1&number=2", "number", "twice");
	refuse_option("x:?number=", "number", "a number");
	refuse_option("x:?number=-1", "number", "0 to 2147483647");
	refuse_option("x:?number=2147483648", "number", "0 to 2147483647");
	refuse_option("x:?number=1k", "number", "a number");
	refuse_option("x:?number=+1", "number", "a number");
	refuse_option("x:?number=0x10", "'0x10'", "a number");
	refuse_option("x:?number=99999999999999999999", "number", "a number");
	refuse_option("x:?level=6", "level", "-5 to 5");
	refuse_option("x:?level=-6", "level", "-5 to 5");
	refuse_option("x:?level=--1", "level", "-5 to 5");
	refuse_option("x:?size=15", "size", "16 to 1099511627776");
	refuse_option("x:?size=2048g", "size", "k, m or g");
	refuse_option("x:?size=99999999999g", "size", "k, m or g");
	refuse_option("x:?size=1M", "size", "k, m or g");
	refuse_option("x:?size=1kb", "size", "k, m or g");
	refuse_option("x:?size=k", "size", "k, m or g");
	refuse_option("x:?pause=1d", "pause", "ms, s, m or h");
	refuse_option("x:?pause=9223372036854775807s", "pause", "duration");
	refuse_option("x:?pause=9223372036854775808", "pause", "below 2^63");
	refuse_option("x:?mode=ful", "mode", "full|os|none");
	refuse_option("x:?mode=", "mode", "full|os|none");
	refuse_option("x:?mode=full%7Cos", "mode", "full|os|none");
	/* A message is one line, whatever the value, and never a password. */
	refuse_option("x:?number=%0A%07", "number: its value is", "a number");
	refuse_option("x:?number=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "number: its value is", "a number");
	refuse_option("x:?number=3;password=hunter2", "number: its value is",
	    "a number");
	refuse_option("x:?number=0x3", "number: '0x3' is", "a number");
}

EVKV_TEST(unit_url, parts_a_scheme_has_no_use_for)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_url *url = parse("x://u@h/p");

	check(evkv_url_allow(url, EVKV_URL_USER | EVKV_URL_HOST | EVKV_URL_PATH,
	    &error));
	check(!evkv_url_allow(url, EVKV_URL_HOST | EVKV_URL_PATH, &error));
	check_invalid(error, "user name");
	evkv_error_clear(&error);
	check(!evkv_url_allow(url, EVKV_URL_USER | EVKV_URL_PATH, &error));
	check_invalid(error, "host");
	evkv_error_clear(&error);
	check(!evkv_url_allow(url, EVKV_URL_USER | EVKV_URL_HOST, &error));
	check_invalid(error, "path");
	evkv__url_free(url);
}

EVKV_TEST(unit_url, a_long_list_of_options_is_cut_between_names)
{
	const struct evkv_url_option row = { .name = "an_option_of_20_byte",
		.type = EVKV_URL_BOOL };
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_url *url = parse("x:?nope=1");
	struct evkv_url_option rows[9];
	size_t i;

	for (i = 0; i < 9; i++)
		rows[i] = row;
	check(!evkv_url_options(url, rows, 9, NULL, &error));
	check_invalid(error, "it has an_option_of_20_byte, ");
	check_invalid(error, "of_20_byte, ...");
	check_str(strstr(error.message, ", ..."), ", ...");
	evkv__url_free(url);
}

/* However many options there are, those that may have been meant are named. */
EVKV_TEST(unit_url, the_nearest_options_are_named_first)
{
	static const char *const names[] = { "connections", "client_name",
		"connect_timeout_ms", "stall_timeout_ms", "backoff_min_ms",
		"backoff_max_ms", "max_offline_bytes", "max_reply_bytes",
		"tls_server_name", "allow_unprefixed_clear_all", "flush_bytes",
		"fail_fast", "max_pending", "db" };
	struct evkv_url_option rows[sizeof(names) / sizeof(names[0])];
	static const char *const wrong[][2] = {
		{ "x:?bd=1", "it has db, " },
		{ "x:?failfast=1", "it has fail_fast, " },
		{ "x:?max_pendin=1", "it has max_pending, " },
		{ "x:?backoff_mx_ms=1", "it has backoff_max_ms, " },
	};
	struct evkv_error error;
	struct evkv_url *url;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		rows[i] = (struct evkv_url_option){ .name = names[i],
			.type = EVKV_URL_SIZE };
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		evkv_error_clear(&error);
		url = evkv__url_parse(wrong[i][0], &error);
		check(!evkv_url_options(url, rows,
		    sizeof(names) / sizeof(names[0]), NULL, &error));
		check_invalid(error, wrong[i][1]);
		check_invalid(error, ", ...");
		evkv__url_free(url);
	}
}
