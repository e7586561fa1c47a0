/*
 * support/options.h - options structs by the table of a type.
 */
#ifndef EVKV_SUPPORT_OPTIONS_H
#define EVKV_SUPPORT_OPTIONS_H

#include <stddef.h>

#include "evkv/registry.h"

/* The row of a table for a field of an options struct. */
#define OPTION_ROW(struct_, name_, field_, type_, min_, max_, summary_,        \
    standard_)                                                                 \
	{                                                                      \
		.name = (name_), .field = #field_, .type = (type_),            \
		.offset = offsetof(struct_, field_), .min = (min_),            \
		.max = (max_), .summary = (summary_), .standard = (standard_)  \
	}

/* Bytes for copies of all the strings of an options struct. */
size_t evkv__options_strings_size(const struct evkv_type *type,
    const void *options);
/*
 * Copy the strings into `memory` of that size, and let the struct point there.
 */
void evkv__options_strings_copy(const struct evkv_type *type, void *options,
    char *memory);

/* Whether an option is at its default, zero. */
bool evkv__option_is_zero(const struct evkv_url_option *row,
    const void *options);
/* Number of an INT, SIZE, DURATION, CHOICE or BOOL. */
int64_t evkv__option_number(const struct evkv_url_option *row,
    const void *options);
/* The bytes of a STRING or BYTES. */
struct evkv_slice evkv__option_bytes(const struct evkv_url_option *row,
    const void *options);

/*
 * The options of a wrapper over `inner`: read, and checked by the type's table.
 * false: refused, and the inner store is released. Without one nothing is
 * checked, so that the error says why it is missing.
 */
bool evkv__wrapper_options(const struct evkv_type *type,
    struct evkv_store *inner, void *options, const void *given, size_t size,
    struct evkv_error *error);
/* Whether the EVKV_STATUS_BIT()s of an option `statuses` are failures. */
bool evkv__option_statuses(const struct evkv_type *type, uint32_t statuses,
    struct evkv_error *error);

#endif
