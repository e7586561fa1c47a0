/*
 * support/options.h - options structs by the table of a type.
 */
#ifndef EVKV_SUPPORT_OPTIONS_H
#define EVKV_SUPPORT_OPTIONS_H

#include "evkv/registry.h"

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

#endif
