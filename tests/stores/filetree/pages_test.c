/*
 * Folders with more names than a window holds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree_kit.h"

#define NAMES 40000

/* In their order by number, and not all of one length. */
static void name_of(char name[16], int i)
{
	snprintf(name, 16, "k%05d%.*s", i, i % 7, "xxxxxx");
}

static void fill(struct kit *kit)
{
	int folder, file, i;
	char name[16];

	check_int(mkdir(kit_file(kit, "tree/c"), 0770), 0);
	folder = open(kit_file(kit, "tree/c"), O_RDONLY | O_DIRECTORY);
	check(folder >= 0);
	for (i = 0; i < NAMES; i++) {
		name_of(name, i);
		file = openat(folder, name, O_WRONLY | O_CREAT, 0660);
		check(file >= 0);
		close(file);
	}
	close(folder);
}

/* Each name once, in order, whatever goes meanwhile. */
static void walk(struct kit *kit)
{
	struct evkv_request request = { .kind = EVKV_OP_KEYS,
		.collection = EVKV_LIT("c"),
		.match = { .limit = 10000 } };
	static unsigned char seen[NAMES];
	char cursor[600], key[16], again[16];
	int last = -1, number, i;
	size_t j;

	do {
		check_status(kit_do(kit, &request), EVKV_OK);
		for (j = 0; j < kit->answer.count; j++) {
			snprintf(key, sizeof(key), "%.*s",
			    (int)kit->answer.entries[j].name.size,
			    (const char *)kit->answer.entries[j].name.data);
			check_int(sscanf(key, "k%d", &number), 1);
			check_between(number, last + 1, NAMES - 1);
			name_of(again, number);
			check_str(key, again);
			seen[last = number] = 1;
		}
		request.match.cursor.size = kit->answer.cursor.size;
		if (kit->answer.cursor.size > 0)
			memcpy(cursor, kit->answer.cursor.data,
			    kit->answer.cursor.size);
		request.match.cursor.data = cursor;
		for (i = 1; i < 100 && last + i < NAMES; i += 2) {
			name_of(key, last + i);
			if ((last + i) % 10 == 7)
				kit_keyed(kit, EVKV_OP_DELETE, "c",
				    evkv_str(key));
		}
	} while (request.match.cursor.size > 0);
	for (i = 0; i < NAMES; i++) {
		if (i % 10 != 7)
			check_int(seen[i], 1);
	}
}

EVKV_TEST(filetree_pages, a_folder_of_any_size_is_named_whole)
{
	struct kit kit;

	tree_begin(&kit);
	fill(&kit);
	walk(&kit);
	check_status(kit_span(&kit, EVKV_OP_CLEAR, "c"), EVKV_OK);
	check(kit.answer.affected > NAMES - 1000);
	check(!kit_has_file(&kit, "tree/c"));
	kit_end(&kit);
}
