/*
 * The kinds of operations, from the table of the header.
 */
#include "core/kind.h"

#define EVKV_X(NAME, name, classes) name,
static const char *const kind_names[] = { EVKV_KIND_TABLE(EVKV_X) };
#undef EVKV_X

/* A set of kinds is one uint32_t. */
_Static_assert(EVKV_KIND_COUNT < 32, "kinds fit into a set of kinds");

const struct evkv_request evkv__request_none = { .kind = EVKV_OP_GET };

uint32_t evkv_kind_classes(enum evkv_kind kind)
{
	return evkv__kind_classes(kind);
}

/* An enum may hold any number. */
const char *evkv_kind_name(enum evkv_kind kind)
{
	return (unsigned)kind < EVKV_KIND_COUNT ? kind_names[kind] : "?";
}
