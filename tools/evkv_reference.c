/*
 * evkv_reference - docs/reference.md, from the tables of stores and wrappers.
 *
 *     evkv_reference > docs/reference.md
 *
 * Knows the stores and wrappers of the core library and of those that it was
 * built with.
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "evkv/evkv.h"
#include "evkv/registry.h"
#ifdef HAVE_DISK
#include "evkv/stores/disk.h"
#endif
#ifdef HAVE_FILETREE
#include "evkv/stores/filetree.h"
#endif
#ifdef HAVE_JSONFILE
#include "evkv/stores/jsonfile.h"
#endif
#ifdef HAVE_LOG
#include "evkv/stores/log.h"
#endif
#ifdef HAVE_MONGODB
#include "evkv/stores/mongodb.h"
#endif
#ifdef HAVE_ELASTICSEARCH
#include "evkv/stores/elasticsearch.h"
#endif
#ifdef HAVE_REDIS
#include "evkv/stores/redis.h"
#endif
#ifdef HAVE_MEMCACHED
#include "evkv/stores/memcached.h"
#endif
#ifdef HAVE_COMPRESSION
#include "evkv/wrappers/compression.h"
#endif
#ifdef HAVE_ENCRYPTION
#include "evkv/wrappers/encryption.h"
#endif

static const char head[] =
    "# Reference: stores, wrappers and their options\n"
    "\n"
    "This page is written by `evkv_reference` (tools/) from the tables in the "
    "code. It names what\n"
    "`evkv_open()` reads: URLs ([urls.md](urls.md)) and chains "
    "([chains.md](chains.md)). The options structs\n"
    "of the constructors have the same options.\n";

struct unit {
	const char *suffix;
	int64_t factor;
};

static const struct unit sizes[] = { { "g", 1 << 30 }, { "m", 1 << 20 },
	{ "k", 1 << 10 }, { "", 1 } };
static const struct unit durations[] = { { "h", 3600000 }, { "m", 60000 },
	{ "s", 1000 }, { "ms", 1 } };
static const struct unit numbers[] = { { "", 1 } };

static const char *type_of(const struct evkv_url_option *row)
{
	switch (row->type) {
	case EVKV_URL_BOOL: return "yes or no";
	case EVKV_URL_INT: return "number";
	case EVKV_URL_SIZE: return "size";
	case EVKV_URL_DURATION: return "duration";
	case EVKV_URL_CHOICE: return "choice";
	case EVKV_URL_BYTES: return "bytes";
	default: return "text";
	}
}

static const struct unit *units_of(const struct evkv_url_option *row)
{
	if (row->type == EVKV_URL_SIZE)
		return sizes;
	return row->type == EVKV_URL_DURATION ? durations : numbers;
}

static void print_number(int64_t number, const struct unit *unit)
{
	while (unit->factor > 1 &&
	    (number < unit->factor || number % unit->factor != 0))
		unit++;
	printf("%lld%s", (long long)(number / unit->factor),
	    number < 0 ? "" : unit->suffix);
}

/* What it may be: words, or bounds beyond those of every number. */
static void print_bounds(const struct evkv_url_option *row)
{
	const char *c;

	if (row->type == EVKV_URL_CHOICE) {
		for (c = row->choices; *c != '\0'; c++)
			printf("%s", *c == '|' ? ", " : (char[]){ *c, '\0' });
		return;
	}
	if (row->type == EVKV_URL_DURATION && row->max == EVKV_TTL_MAX)
		printf("at most 100 years");
	else if (row->max != 0 && row->max < INT64_MAX) {
		print_number(row->min, units_of(row));
		printf(" to ");
		print_number(row->max, units_of(row));
	} else if (row->min != 0) {
		printf("at least ");
		print_number(row->min, units_of(row));
	}
}

static void print_option(const struct evkv_type *type,
    const struct evkv_url_option *row)
{
	printf("| `%s` | %s | ", row->name, type_of(row));
	if ((row->flags & EVKV_OPTION_REQUIRED) != 0)
		printf("required");
	else
		printf("%s", row->standard != NULL ? row->standard : "none");
	printf(" | ");
	print_bounds(row);
	printf(" | %s", row->summary != NULL ? row->summary : "");
	if (type->argument != NULL && strcmp(type->argument, row->name) == 0)
		printf("; its name may be left out");
	if ((row->flags & EVKV_OPTION_SECRET) != 0)
		printf("; described as `***`");
	printf(" |\n");
}

static bool is_wrapper(const struct evkv_type *type)
{
	return type->wrapper != NULL || type->inner_max > 0;
}

static void print_also(const struct evkv_type *type)
{
	const char *end = is_wrapper(type) ? "" : ":", *name = type->also;
	const char *before = "Also ";
	int size;

	for (; name != NULL && *name != '\0';
	     name += size + (name[size] != 0)) {
		size = (int)strcspn(name, " ");
		printf("%s`%.*s%s`", before, size, name, end);
		before = ", ";
	}
	if (before[0] == ',')
		printf(".\n");
}

static void print_type(const struct evkv_type *type)
{
	size_t i;

	printf("\n### %s%s\n\n", type->name, is_wrapper(type) ? "" : ":");
	printf("%c%s.\n", toupper((unsigned char)type->summary[0]),
	    type->summary + 1);
	print_also(type);
	if (type->inner_max > 1 && type->inner_min == type->inner_max)
		printf("Takes %u stores", type->inner_max);
	else if (type->inner_max > 1)
		printf("Takes %u to %u stores", type->inner_min,
		    type->inner_max);
	if (type->inner_max > 1)
		printf("; those after the first stand in its parentheses.\n");
	if (type->option_count == 0) {
		printf("\nNo options.\n");
		return;
	}
	printf("\n| option | type | default | bounds | |\n"
	       "|---|---|---|---|---|\n");
	for (i = 0; i < type->option_count; i++)
		print_option(type, &type->options[i]);
}

static int by_name(const void *a, const void *b)
{
	const struct evkv_type *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

#define TYPES_MAX 64

static void print_types(struct evkv_loop *loop, bool wrappers)
{
	const struct evkv_type *types[TYPES_MAX], *type;
	size_t count = 0, i;

	printf("\n## %s\n", wrappers ? "Wrappers" : "Stores");
	for (i = 0; (type = evkv_loop_type(loop, i)) != NULL; i++) {
		if (is_wrapper(type) == wrappers && count < TYPES_MAX)
			types[count++] = type;
	}
	qsort(types, count, sizeof(types[0]), by_name);
	for (i = 0; i < count; i++)
		print_type(types[i]);
}

int main(void)
{
	struct event_base *base = event_base_new();
	struct evkv_loop *loop = evkv_loop_new(base);

	if (loop == NULL)
		return EXIT_FAILURE;
	evkv_store_unref(evkv_open(loop, "null:", NULL));
#ifdef HAVE_DISK
	evkv_disk_register(loop);
#endif
#ifdef HAVE_FILETREE
	evkv_filetree_register(loop);
#endif
#ifdef HAVE_JSONFILE
	evkv_jsonfile_register(loop);
#endif
#ifdef HAVE_LOG
	evkv_log_register(loop);
#endif
#ifdef HAVE_ELASTICSEARCH
	evkv_elasticsearch_register(loop);
#endif
#ifdef HAVE_REDIS
	evkv_redis_register(loop);
#endif
#ifdef HAVE_MEMCACHED
	evkv_memcached_register(loop);
#endif
#ifdef HAVE_MONGODB
	evkv_mongodb_register(loop);
#endif
#ifdef HAVE_COMPRESSION
	evkv_compression_register(loop);
#endif
#ifdef HAVE_ENCRYPTION
	evkv_encryption_register(loop);
#endif
	printf("%s", head);
	print_types(loop, false);
	print_types(loop, true);
	evkv_loop_free(loop);
	event_base_free(base);
	return EXIT_SUCCESS;
}
