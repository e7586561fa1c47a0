/*
 * core/kind.h - the classes of a kind, at hand for every operation.
 */
#ifndef EVKV_CORE_KIND_H
#define EVKV_CORE_KIND_H

#include "evkv/request.h"

/* As evkv_kind_classes(), inline. */
static inline uint32_t evkv__kind_classes(enum evkv_kind kind)
{
#define EVKV_X(NAME, name, classes) (uint32_t)(classes),
	static const uint32_t table[] = { EVKV_KIND_TABLE(EVKV_X) };
#undef EVKV_X

	return (unsigned)kind < EVKV_KIND_COUNT ? table[kind] : 0;
}

/* An empty request, to begin with; not in sight of the code that copies it. */
extern const struct evkv_request evkv__request_none;

#endif
