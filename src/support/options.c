/*
 * support/options.c - options structs by the table of a type.
 */
#include "support/options.h"

#include <limits.h>
#include <string.h>

#include "evkv/driver.h"

static const void *field_of(const struct evkv_url_option *row,
    const void *options)
{
	return (const char *)options + row->offset;
}

static bool is_text(const struct evkv_url_option *row)
{
	return row->type == EVKV_URL_STRING || row->type == EVKV_URL_BYTES;
}

struct evkv_slice evkv__option_bytes(const struct evkv_url_option *row,
    const void *options)
{
	const void *field = field_of(row, options);

	if (row->type == EVKV_URL_STRING)
		return evkv_str(*(const char *const *)field);
	return *(const struct evkv_slice *)field;
}

int64_t evkv__option_number(const struct evkv_url_option *row,
    const void *options)
{
	const void *field = field_of(row, options);
	size_t size;

	switch (row->type) {
	case EVKV_URL_BOOL: return *(const bool *)field;
	case EVKV_URL_INT:
	case EVKV_URL_CHOICE: return *(const int *)field;
	case EVKV_URL_SIZE:
		size = *(const size_t *)field;
		return size > INT64_MAX ? INT64_MAX : (int64_t)size;
	case EVKV_URL_DURATION: return *(const int64_t *)field;
	default: return 0;
	}
}

bool evkv__option_is_zero(const struct evkv_url_option *row,
    const void *options)
{
	if (!is_text(row))
		return evkv__option_number(row, options) == 0;
	/* An empty string is one: a password may be. */
	if (row->type == EVKV_URL_STRING)
		return *(const char *const *)field_of(row, options) == NULL;
	return evkv__option_bytes(row, options).data == NULL;
}

/* ---- Copies -------------------------------------------------------------- */

size_t evkv__options_strings_size(const struct evkv_type *type,
    const void *options)
{
	size_t size = 0, i;

	for (i = 0; i < type->option_count; i++) {
		if (is_text(&type->options[i]))
			size += evkv__option_bytes(&type->options[i], options)
				    .size +
			    1;
	}
	return size;
}

void evkv__options_strings_copy(const struct evkv_type *type, void *options,
    char *memory)
{
	const struct evkv_url_option *row;
	struct evkv_slice bytes;
	void *field;
	size_t i;

	for (i = 0; i < type->option_count; i++) {
		row = &type->options[i];
		if (!is_text(row) || evkv__option_is_zero(row, options))
			continue;
		bytes = evkv__option_bytes(row, options);
		if (bytes.size > 0)
			memcpy(memory, bytes.data, bytes.size);
		memory[bytes.size] = '\0';
		field = (char *)options + row->offset;
		if (row->type == EVKV_URL_STRING)
			*(const char **)field = memory;
		else
			*(struct evkv_slice *)field = evkv_bytes(memory,
			    bytes.size);
		memory += bytes.size + 1;
	}
}

/* ---- Bounds -------------------------------------------------------------- */

/* As url_options.c has them: both 0 = not negative. */
static void bounds_of(const struct evkv_url_option *row, int64_t *min,
    int64_t *max)
{
	const char *c;

	*min = row->min;
	*max = row->max;
	if (row->type == EVKV_URL_CHOICE) {
		*min = *max = 0;
		for (c = row->choices; *c != '\0'; c++)
			*max += *c == '|';
	} else if (*max == 0 && *min >= 0) {
		*max = row->type == EVKV_URL_INT ? INT_MAX : INT64_MAX;
	}
}

/* As C code knows it. */
static const char *field_name(const struct evkv_url_option *row)
{
	return row->field != NULL ? row->field : row->name;
}

static bool out_of_bounds(const struct evkv_type *type,
    const struct evkv_url_option *row, int64_t number, struct evkv_error *error)
{
	const char *name = field_name(row);
	const char *unit = row->type == EVKV_URL_DURATION ? " in milliseconds"
	    : row->type == EVKV_URL_SIZE                  ? " or 0"
							  : "";
	int64_t min, max;
	bounds_of(row, &min, &max);
	if (max == INT64_MAX)
		evkv_error_set(error, EVKV_INVALID,
		    "%s: %s is %lld; it must be at least %lld%s", type->name,
		    name, (long long)number, (long long)min, unit);
	else
		evkv_error_set(error, EVKV_INVALID,
		    "%s: %s is %lld; it must be %lld to %lld%s", type->name,
		    name, (long long)number, (long long)min, (long long)max,
		    unit);
	return false;
}

static bool missing(const struct evkv_type *type,
    const struct evkv_url_option *row, struct evkv_error *error)
{
	evkv_error_set(error, EVKV_INVALID, "%s: %s must be given", type->name,
	    field_name(row));
	return false;
}

/* Bytes that are given by their size alone. */
static bool is_hollow(const struct evkv_url_option *row, const void *options)
{
	struct evkv_slice bytes;

	if (row->type != EVKV_URL_BYTES)
		return false;
	bytes = evkv__option_bytes(row, options);
	return bytes.data == NULL && bytes.size > 0;
}

static bool hollow(const struct evkv_type *type,
    const struct evkv_url_option *row, struct evkv_error *error)
{
	evkv_error_set(error, EVKV_INVALID, "%s: %s is NULL but has a size",
	    type->name, field_name(row));
	return false;
}

bool evkv_type_check(const struct evkv_type *type, const void *options,
    struct evkv_error *error)
{
	const struct evkv_url_option *row;
	int64_t number, min, max;
	size_t i;

	for (i = 0; i < type->option_count; i++) {
		row = &type->options[i];
		if (is_hollow(row, options))
			return hollow(type, row, error);
		if (evkv__option_is_zero(row, options)) {
			if ((row->flags & EVKV_OPTION_REQUIRED) != 0)
				return missing(type, row, error);
			continue;
		}
		if (is_text(row) || row->type == EVKV_URL_BOOL)
			continue;
		number = evkv__option_number(row, options);
		bounds_of(row, &min, &max);
		if (number < min || number > max)
			return out_of_bounds(type, row, number, error);
	}
	return true;
}

bool evkv__wrapper_options(const struct evkv_type *type,
    struct evkv_store *inner, void *options, const void *given, size_t size,
    struct evkv_error *error)
{
	if (evkv_options_read(options, type->options_size, given, size,
		error) &&
	    (inner == NULL || evkv_type_check(type, options, error)))
		return true;
	evkv_store_unref(inner);
	return false;
}

bool evkv__option_statuses(const struct evkv_type *type, uint32_t statuses,
    struct evkv_error *error)
{
	const uint32_t answers = EVKV_STATUS_BIT(EVKV_CONFLICT + 1) - 1;

	if ((statuses & answers) == 0 &&
	    statuses < EVKV_STATUS_BIT(EVKV_STATUS_COUNT))
		return true;
	evkv_error_set(error, EVKV_INVALID,
	    "%s: statuses names one that is no failure", type->name);
	return false;
}
