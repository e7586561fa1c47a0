/*
 * tests/stores/mongodb/uri_test.c - connection strings and options: what is
 * taken, what is refused, and that no password is told to anybody.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evkv/open.h"
#include "fake.h"

static struct evkv_store *open_text(struct fake *fake, const char *format,
    struct evkv_error *error)
{
	char text[400];

	snprintf(text, sizeof(text), format, fake->peer->port);
	return evkv_open(fake->rig.loop, text, error);
}

EVKV_TEST(mongodb_uri, a_url_has_options_of_both_kinds)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct fake fake;
	char *text;

	fake_begin(&fake);
	check(evkv_mongodb_register(fake.rig.loop));
	fake.store = open_text(&fake,
	    "mongodb://127.0.0.1:%d/cache?appName=test&evkv.lanes=2&"
	    "evkv.create_index=0&evkv.values=json&socketTimeoutMS=4321&"
	    "evkv.mongo_collection=things",
	    &error);
	check_str(error.message, "");
	check_status(fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0)->status,
	    EVKV_OK);
	check_int(fake.max_time, 4321);
	check_int(fake.indexes, 0);
	text = evkv_store_describe(fake.store, 0);
	check_contains(text, "evkv.lanes=2");
	check_contains(text, "appName=test");
	evkv_free(text);
	fake_close(&fake);
}

static const struct {
	const char *text, *message;
} refused[] = {
	{ "mongodb://127.0.0.1:%d/?evkv.lane=2", "no option evkv.lane" },
	{ "mongodb://127.0.0.1:%d/?evkv.lanes=64", "evkv.lanes" },
	{ "mongodb://127.0.0.1:%d/?evkv.values=xml", "evkv.values" },
	{ "mongodb://127.0.0.1:%d*2/", "weight" },
	{ "mongodb:", "host" },
	{ "mongodb://h/?evkv.socket_timeout_ms=0", "evkv.socket_timeout_ms" },
};

EVKV_TEST(mongodb_uri, wrong_options_of_ours_are_refused_at_once)
{
	struct fake fake;
	size_t i;

	fake_begin(&fake);
	check(evkv_mongodb_register(fake.rig.loop));
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct evkv_error error = EVKV_ERROR_INIT;

		check(open_text(&fake, refused[i].text, &error) == NULL);
		check_status(error.status, EVKV_INVALID);
		check_contains(error.message, refused[i].message);
	}
	fake_close(&fake);
}

static const struct evkv_mongodb_options wrong_options[] = {
	{ .uri = NULL },
	{ .uri = "redis://localhost" },
	{ .uri = "mongodb://h", .lanes = -1 },
	{ .uri = "mongodb://h", .lanes = 64 },
	{ .uri = "mongodb://h", .max_batch = 1001 },
	{ .uri = "mongodb://h", .timeout_ms = -1 },
	{ .uri = "mongodb://h", .socket_timeout_ms = (int64_t)1 << 31 },
	{ .uri = "mongodb://h", .mongo_collection = "a$b" },
	{ .uri = "mongodb://h", .values = (enum evkv_mongodb_values)2 },
};

EVKV_TEST(mongodb_uri, wrong_structs_are_refused)
{
	struct fake fake;
	size_t i;

	fake_begin(&fake);
	for (i = 0; i < sizeof(wrong_options) / sizeof(wrong_options[0]); i++) {
		struct evkv_error error = EVKV_ERROR_INIT;

		check(evkv_mongodb_new(fake.rig.loop, &wrong_options[i],
			  &error) == NULL);
		check_status(error.status, EVKV_INVALID);
	}
	fake.options.lanes = EVKV_MONGODB_LANES_MAX;
	fake_store(&fake);
	check_status(fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0)->status,
	    EVKV_OK);
	fake_close(&fake);
}

/* ---- Passwords ----------------------------------------------------------- */

static const char *const with_password[] = {
	"mongodb://user:topsecret@127.0.0.1:99999/",
	"mongodb://user:topsecret@127.0.0.1:1/?tls=maybe&w=topsecret",
	"mongodb://us@er:topsecret@h:1/",
	"mongodb://user:topsecret@127.0.0.1:1/?authMechanism=nonsense",
	"mongodb://user:top%73ecret@127.0.0.1:1/?compressors=nothing",
	"mongodb://user:topsecret@127.0.0.1:1/?serverSelectionTryOnce=x",
	"mongodb+srv://user:topsecret@127.0.0.1/",
};

static void check_silent(const char *text)
{
	if (strstr(text, "topsecret") != NULL ||
	    strstr(text, "top%73ecret") != NULL)
		fail_test("it tells the password: %s", text);
}

EVKV_TEST(mongodb_uri, no_message_and_no_log_has_the_password)
{
	struct fake fake;
	struct answer *answer;
	size_t i;

	fake_begin(&fake);
	fake.options.server_selection_timeout_ms = 100;
	for (i = 0; i < sizeof(with_password) / sizeof(with_password[0]); i++) {
		fake.options.uri = with_password[i];
		fake_store(&fake);
		answer = fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
		check(answer->status == EVKV_INVALID ||
		    answer->status == EVKV_UNAVAILABLE);
		check_silent(answer->message);
		check_silent(fake.log);
		evkv_store_unref(fake.store);
		fake.store = NULL;
		rig_turn(&fake.rig);
	}
	fake_close(&fake);
}

EVKV_TEST(mongodb_uri, a_description_hides_secrets)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct fake fake;
	char *text;

	fake_begin(&fake);
	check(evkv_mongodb_register(fake.rig.loop));
	fake.store = open_text(&fake,
	    "mongodb://user:topsecret@127.0.0.1:%d/?evkv.create_index=no&"
	    "tlsCertificateKeyFilePassword=topsecret&"
	    "authMechanismProperties=AWS_SESSION_TOKEN:topsecret",
	    &error);
	check_str(error.message, "");
	text = evkv_store_describe(fake.store, 0);
	check_contains(text, "mongodb://user:***@127.0.0.1");
	check_silent(text);
	evkv_free(text);
	fake_close(&fake);
}

EVKV_TEST(mongodb_uri, libmongocs_log_goes_to_ours)
{
	struct fake fake;

	fake_begin(&fake);
	fake.options.uri = "mongodb://127.0.0.1:1/?minPoolSize=3&nonsense=1";
	fake.options.server_selection_timeout_ms = 50;
	fake_store(&fake);
	fake_do(&fake, EVKV_OP_GET, EVKV_IF_ANY, 0);
	rig_until(&fake.rig,
	    strstr(fake.log, "minpoolsize") != NULL ||
		strstr(fake.log, "nonsense") != NULL);
	fake_close(&fake);
}
