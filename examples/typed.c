/*
 * typed.c - structs as values: a table describes them once, the store keeps
 * JSON, and a value that does not fit says where and why.
 *
 *     typed
 *
 *     $ typed
 *     stored as {"id":7,"name":"Ada","age":36,"plan":"paid","tags":["math",...]}
 *     user 7 is Ada, 2 tags
 *     CORRUPT: ... id: byte 6: expected an integer of 64 bits, found string "seven"
 */
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "evkv/adapters/typed.h"
#include "evkv/evkv.h"

enum plan { PLAN_FREE, PLAN_PAID };

struct user {
	int64_t id;
	const char *name;
	bool has_age;
	uint8_t age;
	int plan;
	const char **tags;
	size_t tag_count;
};

static const struct evkv_field_name plans[] = { { "free", PLAN_FREE },
	{ "paid", PLAN_PAID }, { NULL, 0 } };

static const struct evkv_field user_fields[] = {
	{ EVKV_FIELD(struct user, id, INT), .flags = EVKV_FIELD_REQUIRED },
	{ EVKV_FIELD(struct user, name, STRING), .max_length = 80 },
	{ EVKV_FIELD(struct user, age, UINT), .max_uint = 150,
	    .present = EVKV_MEMBER(struct user, has_age) },
	{ EVKV_FIELD(struct user, plan, ENUM), .names = plans },
	{ EVKV_FIELD_LIST(struct user, tags, tag_count, STRING) },
};
static const struct evkv_schema user_schema = EVKV_SCHEMA(struct user,
    user_fields);

static void on_get(const struct evkv_typed_result *result, void *arg)
{
	const struct user *user = evkv_typed_result_entry(result, 0)->object;

	(void)arg;
	if (user != NULL)
		printf("user %d is %s, %zu tags\n", (int)user->id, user->name,
		    user->tag_count);
	else
		printf("%s: %s\n", evkv_status_name(result->status),
		    result->message);
}

static void on_raw(const struct evkv_result *result, void *arg)
{
	struct evkv_slice bytes = evkv_result_entry(result, 0)->bytes;

	(void)arg;
	printf("stored as %.*s\n", (int)bytes.size, (const char *)bytes.data);
}

int main(void)
{
	const char *tags[] = { "math", "poetry" };
	const struct user ada = { .id = 7,
		.name = "Ada",
		.has_age = true,
		.age = 36,
		.plan = PLAN_PAID,
		.tags = tags,
		.tag_count = 2 };
	const struct evkv_slice users = EVKV_LIT("users"),
				seven = EVKV_LIT("7");
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);
	struct evkv_error error = EVKV_ERROR_INIT;
	struct evkv_store *store = evkv_open(loop, "memory:", &error);
	struct evkv_typed *typed = evkv_typed_new(evkv_store_ref(store),
	    &user_schema, NULL, &error);

	if (typed == NULL) {
		fprintf(stderr, "%s\n", error.message);
		return EXIT_FAILURE;
	}
	evkv_typed_put(typed, users, seven, &ada, 0, NULL, NULL);
	evkv_get(store, users, seven, on_raw, NULL);
	evkv_typed_get(typed, users, seven, on_get, NULL);
	/* Another program has written something else. */
	evkv_put(store, users, seven, EVKV_LIT("{\"id\":\"seven\"}"), 0, NULL,
	    NULL);
	evkv_typed_get(typed, users, seven, on_get, NULL);
	event_base_dispatch(base);

	evkv_typed_free(typed);
	evkv_store_unref(store);
	evkv_loop_free(loop);
	event_base_free(base);
	return EXIT_SUCCESS;
}
