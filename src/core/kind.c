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

bool evkv_worth_retry(enum evkv_status status, enum evkv_kind kind)
{
	const uint32_t harmless = EVKV_STATUS_BIT(EVKV_BUSY) |
	    EVKV_STATUS_BIT(EVKV_LOCKED) | EVKV_STATUS_BIT(EVKV_TIMEOUT) |
	    EVKV_STATUS_BIT(EVKV_UNAVAILABLE);
	const uint32_t passing = EVKV_STATUS_BIT(EVKV_SERVER) |
	    EVKV_STATUS_BIT(EVKV_IO) | EVKV_STATUS_BIT(EVKV_NOMEM);
	uint32_t worth = harmless;

	if ((unsigned)status >= EVKV_STATUS_COUNT ||
	    (unsigned)kind >= EVKV_KIND_COUNT)
		return false;
	if ((evkv__kind_classes(kind) & EVKV_CLASS_WRITES) == 0)
		worth |= passing;
	return (worth & EVKV_STATUS_BIT(status)) != 0;
}
