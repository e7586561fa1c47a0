/*
 * Items that are sound one by one, and don't belong where they stand.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/test.h"
#include "stores/log/file.h"

#define ID 77
#define PUT_SIZE 40 /* of one without a value */

/* A file that is made item by item. */
struct made {
	unsigned char bytes[4096];
	uint64_t size;
	struct log_file file;
};

static void made_begin(struct made *made, uint32_t flags)
{
	memset(made, 0, sizeof(*made));
	made->size = LOG_FILE_HEAD;
	made->file.head = (struct log_file_head){
		.id = ID, .flags = flags, .first = 1
	};
}

/* `bytes`: what a group says that it has. */
static void made_add(struct made *made, enum log_kind kind, uint64_t version,
    uint32_t bytes)
{
	struct log_item item = {
		.kind = kind, .version = version, .value_size = bytes
	};
	bool named = kind == LOG_PUT || kind == LOG_TOMBSTONE;
	struct evkv_slice none = evkv_bytes(NULL, 0);

	evkv__log_item_write(made->bytes + made->size,
	    evkv__log_seed(ID, made->size), &item, named ? EVKV_LIT("c") : none,
	    named ? EVKV_LIT("key") : none, none);
	made->size += log_item_size(&item);
}

/* A walk gets so many items out of it, and ends so. */
static void check_walk(struct made *made, size_t items, enum log_step end)
{
	FILE *file = tmpfile();
	enum log_step step;
	struct log_scan scan;
	size_t found = 0;

	check(file != NULL);
	made->file.fd = fileno(file);
	made->file.size = made->size;
	check_int(pwrite(made->file.fd, made->bytes, made->size, 0),
	    made->size);
	check(evkv__log_scan_begin(&scan, &made->file));
	while ((step = evkv__log_scan_next(&scan, true)) == LOG_STEP_ITEM)
		found++;
	evkv__log_scan_end(&scan);
	fclose(file);
	check_int(found, items);
	check_int(step, end);
}

EVKV_TEST(log_scan, groups_lie_end_to_end_and_versions_go_up)
{
	struct made made;

	made_begin(&made, 0);
	made_add(&made, LOG_GROUP, 1, 2 * PUT_SIZE);
	made_add(&made, LOG_PUT, 1, 0);
	made_add(&made, LOG_PUT, 2, 0);
	made_add(&made, LOG_GROUP, 3, PUT_SIZE);
	made_add(&made, LOG_PUT, 3, 0);
	made_add(&made, LOG_SEAL, 0, 0);
	check_walk(&made, 3, LOG_STEP_SEAL);
}

EVKV_TEST(log_scan, a_version_that_was_given_before_is_none)
{
	struct made made;

	made_begin(&made, 0);
	made_add(&made, LOG_GROUP, 1, 2 * PUT_SIZE);
	made_add(&made, LOG_PUT, 1, 0);
	made_add(&made, LOG_PUT, 1, 0);
	check_walk(&made, 1, LOG_STEP_BAD);
	made_begin(&made, 0);
	made_add(&made, LOG_GROUP, 1, PUT_SIZE);
	made_add(&made, LOG_PUT, 1, 0);
	made_add(&made, LOG_GROUP, 1, PUT_SIZE);
	made_add(&made, LOG_PUT, 2, 0);
	check_walk(&made, 1, LOG_STEP_BAD);
}

EVKV_TEST(log_scan, an_item_is_in_its_group_and_a_group_in_none)
{
	struct made made;

	made_begin(&made, 0);
	made_add(&made, LOG_GROUP, 1, PUT_SIZE);
	made_add(&made, LOG_PUT, 1, 0);
	made_add(&made, LOG_PUT, 2, 0);
	check_walk(&made, 1, LOG_STEP_BAD);
	made_begin(&made, 0);
	made_add(&made, LOG_GROUP, 1, 2 * PUT_SIZE);
	made_add(&made, LOG_PUT, 1, 0);
	made_add(&made, LOG_GROUP, 2, PUT_SIZE);
	made_add(&made, LOG_PUT, 2, 0);
	check_walk(&made, 1, LOG_STEP_BAD);
	made_begin(&made, 0);
	made_add(&made, LOG_PUT, 1, 0);
	check_walk(&made, 0, LOG_STEP_BAD);
}

EVKV_TEST(log_scan, a_copy_has_items_alone)
{
	struct made made;

	made_begin(&made, LOG_FLAG_COPY);
	made_add(&made, LOG_PUT, 5, 0);
	made_add(&made, LOG_TOMBSTONE, 9, 0);
	made_add(&made, LOG_SEAL, 0, 0);
	check_walk(&made, 2, LOG_STEP_SEAL);
	made_begin(&made, LOG_FLAG_COPY);
	made_add(&made, LOG_GROUP, 1, PUT_SIZE);
	made_add(&made, LOG_PUT, 1, 0);
	check_walk(&made, 0, LOG_STEP_BAD);
}
