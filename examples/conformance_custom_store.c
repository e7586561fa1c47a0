/*
 * conformance_custom_store.c - the store of custom_store.c under the suite that
 * every store passes. From an installed evkv:
 *
 *     cc -DCUSTOM_STORE_WITHOUT_MAIN \
 *         conformance_custom_store.c custom_store.c \
 *         $(pkg-config --cflags --libs evkv-conformance)
 *     ./a.out --cases
 *
 * evkv/conformance.h lists the options.
 *
 *     $ conformance_custom_store --cases --delayed
 *     TAP version 13
 *     ...
 *     ok 1 - delayed/get_of_a_missing_key_is_not_found
 *     ...
 */
#include "evkv/conformance.h"

#include "custom_store.h"

/* So much room that no case meets its end. */
static struct evkv_store *open_shelf(struct evkv_conformance *run,
    struct evkv_loop *loop, struct evkv_error *error)
{
	(void)run;
	return shelf_new(loop, 400, error);
}

int main(int argc, char **argv)
{
	static const struct evkv_conformance_suite suite = {
		.size = sizeof(struct evkv_conformance_suite),
		.name = "shelf",
		.open = open_shelf,
		/* It looks through all its places for each operation. */
		.quirks = EVKV_CONFORMANCE_SLOW,
	};

	return evkv_conformance_main(argc, argv, &suite);
}
