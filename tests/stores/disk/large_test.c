/*
 * A value of a gigabyte, and more. Takes several gigabytes of memory.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit.h"

EVKV_TEST(disk_large, a_value_of_more_than_a_gigabyte)
{
	const struct evkv_disk_options options = { .durability = EVKV_DISK_NONE,
		.max_bytes = (size_t)4 << 30,
		.max_pending_bytes = (size_t)2 << 30 };
	size_t size = ((size_t)1 << 30) + 12345, i;
	struct evkv_value *value;
	struct answer answer = ANSWER_INIT;
	struct evkv_slice key = EVKV_LIT("large");
	void *bytes;
	struct kit kit;

	if ((size_t)sysconf(_SC_AVPHYS_PAGES) < ((size_t)6 << 30) / 4096)
		skip_test("not enough free memory");
	value = evkv_value_new_uninit(size, &bytes);
	check(value != NULL);
	for (i = 0; i < size; i += 4096)
		memcpy((char *)bytes + i, &i,
		    size - i < sizeof(i) ? size - i : sizeof(i));
	kit_begin_real(&kit);
	kit_open(&kit, &options);
	check_status(kit_do(&kit,
			 &(struct evkv_request){ .kind = EVKV_OP_PUT,
			     .collection = EVKV_LIT("c"),
			     .count = 1,
			     .keys = &key,
			     .counted_values = &value },
			 &answer),
	    EVKV_OK);
	answer_free(&answer);
	check_status(kit_put(&kit, "c", EVKV_LIT("small"), EVKV_LIT("v"), 0),
	    EVKV_OK);
	check_status(kit_get(&kit, "c", key, evkv_value_bytes(value)), EVKV_OK);
	check_status(kit_delete(&kit, "c", key), EVKV_OK);
	evkv_value_unref(value);
	kit_end(&kit);
}
