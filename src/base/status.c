/*
 * The names and texts of statuses and causes, from the tables of the header.
 */
#include "evkv/status.h"

struct status_row {
	const char *name;
	const char *text;
};

#define EVKV_X(name, text) { #name, text },
static const struct status_row status_rows[] = { EVKV_STATUS_TABLE(EVKV_X) };
static const struct status_row status_causes[] = { EVKV_CAUSE_TABLE(EVKV_X) };
#undef EVKV_X

static const struct status_row status_none = { "?", "?" };

/* An enum may hold any number: what is in no table has a row of its own. */
static const struct status_row *status_row(const struct status_row *rows,
    int count, int number)
{
	return number >= 0 && number < count ? &rows[number] : &status_none;
}

const char *evkv_status_name(enum evkv_status status)
{
	return status_row(status_rows, EVKV_STATUS_COUNT, (int)status)->name;
}

const char *evkv_status_text(enum evkv_status status)
{
	return status_row(status_rows, EVKV_STATUS_COUNT, (int)status)->text;
}

const char *evkv_cause_name(enum evkv_cause cause)
{
	return status_row(status_causes, EVKV_CAUSE_COUNT, (int)cause)->name;
}

const char *evkv_cause_text(enum evkv_cause cause)
{
	return status_row(status_causes, EVKV_CAUSE_COUNT, (int)cause)->text;
}
