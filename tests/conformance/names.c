/*
 * tests/conformance/names.c - keys, collections and values of any bytes and
 * any length, and that no two pairs meet in one entry.
 */
#include <string.h>

#include "cases.h"

/*
 * From one byte to the next that is tried: a sweep, which goes through a case
 * hundreds of times, has a few of them, or it would take hours where every
 * collection is a directory.
 */
static size_t byte_step(const struct evkv_conformance *c)
{
	return c->sweeping ? 51 : 1;
}

CASE(keys_hold_any_byte)
{
	unsigned char every[256];
	size_t i;

	for (i = 0; i < 256; i++)
		every[i] = (unsigned char)i;
	must_put(c, L("c"), evkv_bytes(every, 256), L("all"), 0);
	for (i = 0; i < 256; i += byte_step(c))
		must_put(c, L("c"), evkv_bytes(&every[i], 1),
		    evkv_bytes(&every[i], 1), 0);
	for (i = 0; i < 256; i += byte_step(c))
		must_get(c, L("c"), evkv_bytes(&every[i], 1),
		    evkv_bytes(&every[i], 1));
	must_get(c, L("c"), evkv_bytes(every, 256), L("all"));
	must_miss(c, L("c"), evkv_bytes(every, 255));
	must_miss(c, L("c"), L("\0\0"));
}

CASE(collections_hold_any_byte)
{
	unsigned char every[256];
	size_t i;

	for (i = 0; i < 256; i++)
		every[i] = (unsigned char)i;
	for (i = 0; i < 256; i += byte_step(c))
		must_put(c, evkv_bytes(&every[i], 1), L("k"),
		    evkv_bytes(&every[i], 1), 0);
	must_put(c, evkv_bytes(&every[1], 255), L("k"), L("all"), 0);
	for (i = 0; i < 256; i += byte_step(c))
		must_get(c, evkv_bytes(&every[i], 1), L("k"),
		    evkv_bytes(&every[i], 1));
	must_get(c, evkv_bytes(&every[1], 255), L("k"), L("all"));
	must_miss(c, evkv_bytes(&every[0], 255), L("k"));
}

CASE(names_with_odd_bytes_come_back_from_enumeration)
{
	const struct evkv_slice odd[] = { L("\0"), L("a\0b"), L("a:b"),
		L("%3A"), L("%"), L(":"), L("a*"), L("[x]"), L("\\"),
		L("\xff\xfe"), L("a b\n"), L("/../x"), L("__") };
	struct names names;
	size_t count = sizeof(odd) / sizeof(odd[0]), i;

	for (i = 0; i < count; i++) {
		must_put(c, L("c"), odd[i], odd[i], 0);
		must_put(c, odd[i], L("k"), odd[i], 0);
	}
	names = conformance_list(c,
	    &(struct evkv_request){
		.kind = EVKV_OP_KEYS, .collection = L("c") });
	for (i = 0; i < count; i++)
		check(names_count(&names, odd[i]) >= 1);
	names = conformance_list(c,
	    &(struct evkv_request){ .kind = EVKV_OP_COLLECTIONS });
	for (i = 0; i < count; i++)
		check(names_count(&names, odd[i]) >= 1);
	check(names_count(&names, L("c")) >= 1);
}

CASE(the_longest_key_works_and_a_longer_one_fails)
{
	size_t most = c->can->max_key;
	struct evkv_slice longest = conformance_bytes(c, most, 1);
	struct evkv_slice longer = conformance_bytes(c, most + 1, 1);
	struct evkv_slice shorter = evkv_bytes(longest.data, most - 1);
	struct evkv_slice head = evkv_bytes(longest.data,
	    most > 256 ? 256 : most - 1);
	struct answer *a;

	check_between(most, 1, EVKV_KEY_MAX);
	must_put(c, L("c"), longest, L("long"), 0);
	must_put(c, L("c"), shorter, L("short"), 0);
	if (!conformance_has(c, EVKV_CONFORMANCE_FORGETS)) {
		must_get(c, L("c"), longest, L("long"));
		must_get(c, L("c"), shorter, L("short"));
	}
	if (!conformance_has(c, EVKV_CONFORMANCE_FORGETS) &&
	    conformance_can(c, EVKV_OP_KEYS))
		must_list(c, EVKV_OP_KEYS, L("c"), head, L(""), 0, longest,
		    shorter);
	a = do_put(c, L("c"), longer, L("x"), 0, EVKV_IF_ANY);
	check_status(a->status, EVKV_INVALID);
	if (faults_fired() == 0)
		check_contains(a->message, "keys[0]");
}

CASE(long_keys_that_differ_at_either_end_differ)
{
	size_t most = c->can->max_key;
	struct evkv_slice keys[4];
	char *bytes;
	size_t i;

	for (i = 0; i < 4; i++) {
		bytes = conformance_alloc(c, most);
		memset(bytes, 'x', most);
		keys[i] = evkv_bytes(bytes, most);
		if (i == 1)
			bytes[0] = 'y';
		else if (i == 2)
			bytes[most - 1] = 'y';
		else if (i == 3)
			bytes[most / 2] = 'y';
		must_put(c, L("c"), keys[i], evkv_bytes(&"0123"[i], 1), 0);
	}
	for (i = 0; i < 4; i++)
		must_get(c, L("c"), keys[i], evkv_bytes(&"0123"[i], 1));
}

CASE(the_longest_collection_works)
{
	struct evkv_slice longest = conformance_bytes(c, EVKV_COLLECTION_MAX,
	    2);
	struct evkv_slice shorter = evkv_bytes(longest.data,
	    EVKV_COLLECTION_MAX - 1);

	must_put(c, longest, L("k"), L("long"), 0);
	must_put(c, shorter, L("k"), L("short"), 0);
	must_get(c, longest, L("k"), L("long"));
	must_get(c, shorter, L("k"), L("short"));
	must_list(c, EVKV_OP_COLLECTIONS, L(""), L(""), L(""), 0, longest,
	    shorter);
	must_list(c, EVKV_OP_COLLECTIONS, L(""), shorter, L(""), 0, longest,
	    shorter);
	must_list(c, EVKV_OP_COLLECTIONS, L(""), longest, L(""), 0, longest);
	must_list(c, EVKV_OP_KEYS, longest, L(""), L(""), 0, L("k"));
	check_status(do_clear(c, longest, L(""), L(""))->status, EVKV_OK);
	must_miss(c, longest, L("k"));
	must_get(c, shorter, L("k"), L("short"));
}

CASE(the_empty_collection_is_an_ordinary_one)
{
	must_put(c, L(""), L("k"), L("in none"), 0);
	must_put(c, L("c"), L("k"), L("in c"), 0);
	must_get(c, L(""), L("k"), L("in none"));
	must_get(c, L("c"), L("k"), L("in c"));
	must_list(c, EVKV_OP_COLLECTIONS, L(""), L(""), L(""), 0, L(""),
	    L("c"));
	must_list(c, EVKV_OP_KEYS, L(""), L(""), L(""), 0, L("k"));
	check_status(do_clear(c, L(""), L(""), L(""))->status, EVKV_OK);
	must_miss(c, L(""), L("k"));
	must_get(c, L("c"), L("k"), L("in c"));
}

/* Pairs that spell the same when put together carelessly. */
static const struct evkv_slice collision_pairs[][2] = {
	{ { "a:b", 3 }, { "c", 1 } },
	{ { "a", 1 }, { "b:c", 3 } },
	{ { "", 0 }, { "a:b:c", 5 } },
	{ { "a:", 2 }, { "c", 1 } },
	{ { "a", 1 }, { ":c", 2 } },
	{ { "a%3A", 4 }, { "c", 1 } },
	{ { "a%3A", 4 }, { "%63", 3 } },
	{ { "a%", 2 }, { "3A:c", 4 } },
	{ { "a%25", 4 }, { "c", 1 } },
	{ { "a%", 2 }, { "c", 1 } },
	{ { "a__b", 4 }, { "c", 1 } },
	{ { "a", 1 }, { "b__c", 4 } },
	{ { "a_", 2 }, { "_b__c", 5 } },
	{ { "a/b", 3 }, { "c", 1 } },
	{ { "a", 1 }, { "b/c", 3 } },
	{ { "a\0b", 3 }, { "c", 1 } },
	{ { "a", 1 }, { "b\0c", 3 } },
	{ { "a", 1 }, { "\0b", 2 } },
	{ { "a\0", 2 }, { "b", 1 } },
	{ { "a", 1 }, { "b", 1 } },
	{ { "A", 1 }, { "b", 1 } },
	{ { "a", 1 }, { "B", 1 } },
	{ { "a ", 2 }, { "b", 1 } },
	{ { "a", 1 }, { " b", 2 } },
	{ { ".", 1 }, { "b", 1 } },
	{ { "..", 2 }, { "b", 1 } },
	{ { "", 0 }, { "ab", 2 } },
	{ { "ab", 2 }, { "ab", 2 } },
};

CASE(no_two_pairs_meet)
{
	size_t count = sizeof(collision_pairs) / sizeof(collision_pairs[0]);
	unsigned char value;
	size_t i;

	for (i = 0; i < count; i++) {
		value = (unsigned char)i;
		must_put(c, collision_pairs[i][0], collision_pairs[i][1],
		    evkv_bytes(&value, 1), 0);
	}
	for (i = 0; i < count; i++) {
		value = (unsigned char)i;
		must_get(c, collision_pairs[i][0], collision_pairs[i][1],
		    evkv_bytes(&value, 1));
	}
	/* Each is deleted alone. */
	for (i = 0; i < count; i++) {
		check_status(do_delete(c, collision_pairs[i][0],
				 collision_pairs[i][1])
				 ->status,
		    EVKV_OK);
		must_miss(c, collision_pairs[i][0], collision_pairs[i][1]);
	}
	must_list_nothing(c, EVKV_OP_COLLECTIONS, L(""), L(""), L(""));
}

CASE(values_hold_any_byte_and_many_of_them)
{
	static const size_t sizes[] = { 1, 2, 255, 256, 4095, 4096, 65536,
		1000000 };
	struct evkv_slice value;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (sizes[i] > c->can->max_value ||
		    (conformance_has(c, EVKV_CONFORMANCE_SMALL) &&
			sizes[i] > 4096))
			break;
		value = conformance_bytes(c, sizes[i], (unsigned)i);
		must_put(c, L("c"), L("k"), value, 0);
		must_get(c, L("c"), L("k"), value);
	}
}
