/*
 * Stores by URL: the schemes of the core, and those that are registered.
 */
#include "evkv/driver.h"
#include "evkv/evkv.h"
#include "lib/faults.h"
#include "lib/rig.h"
#include "lib/test.h"

static const struct evkv_url *seen_port_of;
static int seen_port;

static struct evkv_store *open_custom(struct evkv_loop *loop,
    const struct evkv_url *url, struct evkv_error *error)
{
	seen_port_of = url;
	seen_port = url->port;
	return evkv_null_new(loop, error);
}

static void check_open(struct rig *rig, const char *text, const char *name)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_open(rig->loop, text, &error);

	if (store == NULL)
		fail_test("%s: %s", text, error.message);
	check_str(evkv_store_name(store), name);
	evkv_store_unref(store);
}

static void refuse_open(struct rig *rig, const char *text, const char *part)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	check(evkv_open(rig->loop, text, &error) == NULL);
	check_int(error.status, EVKV_INVALID);
	check_invalid(error, part);
}

EVKV_TEST(unit_open, stores_of_the_core_open)
{
	struct rig rig;

	rig_open(&rig);
	check_open(&rig, "null:", "null");
	check_open(&rig, "simple:", "simple");
	check_open(&rig, "memory:", "memory");
	check_open(&rig, "MEMORY:?max_entries=100000&max_bytes=64m", "memory");
	refuse_open(&rig, "nul:", "nul:");
	refuse_open(&rig, "nul:", "registered: null:, simple:, memory:");
	refuse_open(&rig, "null://host", "host");
	refuse_open(&rig, "simple:/x", "path");
	refuse_open(&rig, "simple:?a=1", "a; it has none");
	refuse_open(&rig, "memory:?max_byte=1", "max_byte");
	refuse_open(&rig, "memory:?max_bytes=x", "max_bytes");
	rig_close(&rig);
}

EVKV_TEST(unit_open, schemes_are_registered_on_the_loop)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct rig rig, other;

	rig_open(&rig);
	rig_open(&other);
	check(evkv_loop_open(rig.loop, "custom://h:7", &error) == NULL);
	check_invalid(error, "registered: none");
	check(evkv_loop_register_scheme(rig.loop, "custom", open_custom));
	check_open(&rig, "custom://h:7", "null");
	check_int(seen_port, 7);
	refuse_open(&other, "custom://h:7", "custom");

	/* A user's own scheme is not overruled, whenever it was registered. */
	check(evkv_loop_register_scheme(other.loop, "memory", open_custom));
	check_open(&other, "memory:", "null");
	check(evkv_loop_register_scheme(rig.loop, "memory", open_custom));
	check_open(&rig, "memory:", "null");
	rig_close(&other);
	rig_close(&rig);
}

EVKV_TEST(unit_open, without_a_loop_it_says_so)
{
	struct evkv_error error = EVKV_ERROR_INIT;

	check(evkv_open(NULL, "simple:", &error) == NULL);
	check_status(error.status, EVKV_INVALID);
	check_invalid(error, "loop is NULL");
	evkv_error_clear(&error);
	check(evkv_loop_open(NULL, "simple:", &error) == NULL);
	check_invalid(error, "loop is NULL");
	check(evkv_open(NULL, NULL, NULL) == NULL);
	check(!evkv_loop_register_scheme(NULL, "custom", open_custom));
}

EVKV_TEST(unit_open, a_scheme_needs_what_opens_it)
{
	struct rig rig;

	rig_open(&rig);
	check(!evkv_loop_register_scheme(rig.loop, "custom", NULL));
	refuse_open(&rig, "custom:", "custom: is not known");
	rig_close(&rig);
}

EVKV_TEST(unit_open, opening_without_memory)
{
	struct evkv_error error;
	struct evkv_store *store;
	unsigned failed = 0;
	struct rig rig;
	size_t n;

	for (n = 1;; n++) {
		rig_open(&rig);
		evkv_error_clear(&error);
		faults_fail_nth(n);
		store = evkv_open(rig.loop, "simple:", &error);
		faults_off();
		if (store != NULL)
			break;
		failed++;
		check_int(error.status, EVKV_NOMEM);
		/* The loop is as good as before. */
		store = evkv_open(rig.loop, "simple:", NULL);
		check(store != NULL);
		evkv_store_unref(store);
		rig_close(&rig);
	}
	check(failed >= 5);
	evkv_store_unref(store);
	rig_close(&rig);
}
