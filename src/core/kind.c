/*
 * The kinds of operations, from the table of the header.
 */
#include "evkv/request.h"

struct kind_row {
	const char *name;
	uint32_t classes;
};

#define EVKV_X(NAME, name, classes) { name, (uint32_t)(classes) },
static const struct kind_row kind_rows[] = { EVKV_KIND_TABLE(EVKV_X) };
#undef EVKV_X

static const struct kind_row kind_none = { "?", 0 };

/* A set of kinds is one uint32_t, in which EVKV_KINDS_ALL must not overflow. */
_Static_assert(EVKV_KIND_COUNT < 32, "kinds fit into a set of kinds");

/* An enum may hold any number: what is no kind has a row of its own. */
static const struct kind_row *kind_row(enum evkv_kind kind)
{
	int number = (int)kind;

	return number >= 0 && number < EVKV_KIND_COUNT ? &kind_rows[number]
						       : &kind_none;
}

uint32_t evkv_kind_classes(enum evkv_kind kind)
{
	return kind_row(kind)->classes;
}

const char *evkv_kind_name(enum evkv_kind kind)
{
	return kind_row(kind)->name;
}
