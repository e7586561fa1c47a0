/*
 * The names and texts of statuses and causes, from the tables of the header,
 * and the names of states and levels.
 */
#include <errno.h>

#include "evkv/status.h"
#include "evkv/store.h"

struct status_row {
	const char *name;
	const char *text;
};

#define EVKV_X(name, text) { #name, text },
static const struct status_row status_rows[] = { EVKV_STATUS_TABLE(EVKV_X) };
static const struct status_row status_causes[] = { EVKV_CAUSE_TABLE(EVKV_X) };
#undef EVKV_X

static const struct status_row status_none = { "?", "?" };

/* An enum may hold any number: one that is in no table has this row. */
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

/* ---- What others call it -------------------------------------------------- */

struct status_code {
	int http;
	int sys_error;
};

static const struct status_code status_codes[EVKV_STATUS_COUNT] = {
	[EVKV_OK] = { 200, 0 },
	[EVKV_NOT_FOUND] = { 404, ENOENT },
	[EVKV_EXISTS] = { 409, EEXIST },
	[EVKV_CONFLICT] = { 412, ESTALE },
	[EVKV_INVALID] = { 400, EINVAL },
	[EVKV_UNSUPPORTED] = { 501, ENOTSUP },
	[EVKV_BUSY] = { 503, EAGAIN },
	[EVKV_TIMEOUT] = { 504, ETIMEDOUT },
	[EVKV_CANCELED] = { 503, ECANCELED },
	[EVKV_CLOSED] = { 503, ESHUTDOWN },
	[EVKV_UNAVAILABLE] = { 503, EHOSTUNREACH },
	[EVKV_UNKNOWN_OUTCOME] = { 500, EINPROGRESS },
	[EVKV_REFUSED] = { 500, EACCES },
	[EVKV_TOO_LARGE] = { 413, EFBIG },
	[EVKV_NOSPACE] = { 507, ENOSPC },
	[EVKV_SERVER] = { 502, EPROTO },
	[EVKV_CORRUPT] = { 500, EBADMSG },
	[EVKV_IO] = { 500, EIO },
	[EVKV_NOMEM] = { 503, ENOMEM },
	[EVKV_MISSING] = { 404, ENOENT },
	[EVKV_LOCKED] = { 503, EBUSY },
};

static const struct status_code *status_code(enum evkv_status status)
{
	static const struct status_code none = { 500, EIO };

	return (unsigned)status < EVKV_STATUS_COUNT ? &status_codes[status]
						    : &none;
}

int evkv_status_http(enum evkv_status status)
{
	return status_code(status)->http;
}

int evkv_status_errno(enum evkv_status status)
{
	return status_code(status)->sys_error;
}

/* ---- States and levels ---------------------------------------------------- */

static const char *name_of(const char *const *names, unsigned count, int number)
{
	return (unsigned)number < count ? names[number] : "?";
}

const char *evkv_state_name(enum evkv_state state)
{
	static const char *const names[] = {
		[EVKV_STATE_CONNECTING] = "CONNECTING",
		[EVKV_STATE_READY] = "READY",
		[EVKV_STATE_DOWN] = "DOWN",
		[EVKV_STATE_CLOSED] = "CLOSED",
	};

	return name_of(names, sizeof(names) / sizeof(names[0]), (int)state);
}

const char *evkv_log_level_name(enum evkv_log_level level)
{
	static const char *const names[] = {
		[EVKV_LOG_DEBUG] = "DEBUG",
		[EVKV_LOG_INFO] = "INFO",
		[EVKV_LOG_WARNING] = "WARNING",
		[EVKV_LOG_ERROR] = "ERROR",
	};

	return name_of(names, sizeof(names) / sizeof(names[0]), (int)level);
}
