/*
 * Schemes: every one that a library registers can be written in a URL, and one
 * that can't is not registered.
 */
#include <stdio.h>
#include <string.h>

#include "base/url.h"
#include "evkv/driver.h"
#include "lib/rig.h"
#include "lib/test.h"
#ifdef HAVE_DISK
#include "evkv/stores/disk.h"
#endif
#ifdef HAVE_LOG
#include "evkv/stores/log.h"
#endif
#ifdef HAVE_FILETREE
#include "evkv/stores/filetree.h"
#endif
#ifdef HAVE_JSONFILE
#include "evkv/stores/jsonfile.h"
#endif
#ifdef HAVE_REDIS
#include "evkv/stores/redis.h"
#endif

/* What a loop knows, as the error of an unknown scheme lists it. */
static void list_schemes(struct rig *rig, char *names, size_t size)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	const char *list;

	check(evkv_open(rig->loop, "nobody-has-it:", &error) == NULL);
	check_invalid(error, "registered: ");
	list = strstr(error.message, "registered: ") + strlen("registered: ");
	check_int(snprintf(names, size, "%s", list), strlen(list));
}

/* A scheme, with its colon, is read by the parser, and somebody opens it. */
static void check_scheme(struct rig *rig, const char *scheme)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_url *url = evkv__url_parse(scheme, &error);
	char text[64];

	if (url == NULL)
		fail_test("%s: %s", scheme, error.message);
	check_int(strlen(url->scheme), strlen(scheme) - 1);
	check(strncmp(url->scheme, scheme, strlen(url->scheme)) == 0);
	evkv__url_free(url);

	/* Refused by the store, which was found. */
	snprintf(text, sizeof(text), "%s/0?nobody_has_it=1", scheme);
	check(evkv_open(rig->loop, text, &error) == NULL);
	check(strstr(error.message, "scheme") == NULL);
}

/* Every scheme of the loop; how many there are. */
static int check_schemes(struct rig *rig)
{
	char names[512];
	char *name, *rest = NULL;
	int count = 0;

	list_schemes(rig, names, sizeof(names));
	for (name = strtok_r(names, ", ", &rest); name != NULL;
	     name = strtok_r(NULL, ", ", &rest)) {
		check_scheme(rig, name);
		count++;
	}
	return count;
}

EVKV_TEST(unit_scheme, those_of_the_core_can_be_spelled)
{
	struct rig rig;

	rig_open(&rig);
	check_int(check_schemes(&rig), 3);
	rig_close(&rig);
}

#ifdef HAVE_DISK
EVKV_TEST(unit_scheme, those_of_disk_can_be_spelled)
{
	struct rig rig;

	rig_open(&rig);
	check(evkv_disk_register(rig.loop));
	check_int(check_schemes(&rig), 3 + 2);
	rig_close(&rig);
}
#endif

#ifdef HAVE_JSONFILE
EVKV_TEST(unit_scheme, that_of_jsonfile_can_be_spelled)
{
	struct rig rig;

	rig_open(&rig);
	check(evkv_jsonfile_register(rig.loop));
	check_int(check_schemes(&rig), 3 + 1);
	rig_close(&rig);
}
#endif

#ifdef HAVE_FILETREE
EVKV_TEST(unit_scheme, those_of_filetree_can_be_spelled)
{
	struct rig rig;

	rig_open(&rig);
	check(evkv_filetree_register(rig.loop));
	check_int(check_schemes(&rig), 3 + 2);
	rig_close(&rig);
}
#endif

#if defined(HAVE_JSONFILE) && defined(HAVE_FILETREE)
/* Files are on this machine, whoever is asked. */
EVKV_TEST(unit_scheme, files_have_no_host)
{
	static const char *const urls[] = { "jsonfile://h/x", "jsonfile://u@/x",
		"file://h/x", "file://:p@/x", "file://h:1/x" };
	struct evkv_error error;
	struct rig rig;
	size_t i;

	rig_open(&rig);
	check(evkv_jsonfile_register(rig.loop));
	check(evkv_filetree_register(rig.loop));
	for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		error = (struct evkv_error)EVKV_ERROR_INIT;
		check(evkv_open(rig.loop, urls[i], &error) == NULL);
		check_status(error.status, EVKV_INVALID);
	}
	rig_close(&rig);
}
#endif

#ifdef HAVE_LOG
EVKV_TEST(unit_scheme, that_of_log_can_be_spelled)
{
	struct rig rig;

	rig_open(&rig);
	check(evkv_log_register(rig.loop));
	check_int(check_schemes(&rig), 3 + 1);
	rig_close(&rig);
}
#endif

#ifdef HAVE_REDIS
static void check_described(struct evkv_store *store, const char *expected)
{
	char *text;

	check(store != NULL);
	text = evkv_store_describe(store, 0);
	check_str(text, expected);
	evkv_free(text);
	evkv_store_unref(store);
}

/* What was built by a call is a URL too, which opens the same. */
EVKV_TEST(unit_scheme, a_redis_store_is_described_by_its_options)
{
	static const char url[] = "redis://a%3Ab:***@[::1]:6379?db=3&"
				  "key_prefix=x%20y&timeout_ms=1500ms";
	struct rig rig;

	rig_open(&rig);
	check(evkv_redis_register(rig.loop));
	check_described(evkv_redis_new(rig.loop,
			    &(struct evkv_redis_options){ .host = "::1",
				.user = "a:b",
				.password = "secret",
				.db = 3,
				.timeout_ms = 1500,
				.key_prefix = "x y" },
			    NULL),
	    url);
	check_described(evkv_open(rig.loop, url, NULL), url);
	check_described(evkv_open(rig.loop,
			    "redis+unix:///tmp/a%20b?db=1 | read_only", NULL),
	    "redis+unix:///tmp/a%20b?db=1 | read_only");
	check_described(evkv_open(rig.loop, "valkeys://h/0?fail_fast=1", NULL),
	    "rediss://h:6379?fail_fast=yes");
	rig_close(&rig);
}

EVKV_TEST(unit_scheme, those_of_redis_can_be_spelled)
{
	struct rig rig;

	rig_open(&rig);
	check(evkv_redis_register(rig.loop));
	check_int(check_schemes(&rig), 3 + 6);
	rig_close(&rig);
}
#endif

static struct evkv_store *open_null(struct evkv_loop *loop,
    const struct evkv_url *url, struct evkv_error *error)
{
	(void)url;
	return evkv_null_new(loop, error);
}

EVKV_TEST(unit_scheme, a_name_that_no_url_has_is_refused)
{
	static const char *const bad[] = { "", "1st", "_x", "+x", "a b",
		"a:", "a/b", "a%62", "caf\xc3\xa9", "new\nline" };
	struct evkv_store *store;
	struct rig rig;
	size_t i;

	rig_open(&rig);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (evkv_loop_register_scheme(rig.loop, bad[i], open_null))
			fail_test("'%s' is taken", bad[i]);
	}
	check(!evkv_loop_register_scheme(rig.loop, NULL, open_null));
	check_int(check_schemes(&rig), 3);

	check(evkv_loop_register_scheme(rig.loop, "My_own+2.0-x", open_null));
	store = evkv_open(rig.loop, "my_OWN+2.0-x:", NULL);
	check(store != NULL);
	evkv_store_unref(store);
	rig_close(&rig);
}
