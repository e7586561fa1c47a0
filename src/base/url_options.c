/*
 * The options of a URL into an options struct, by a table.
 *
 * Every error names the option, shows the beginning of a value that is
 * wrong, and says what is allowed. The value of an option of type STRING is
 * never shown: it takes anything, and may be a secret.
 */
#include "base/url.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define URL_OPTIONS_QUOTE 40 /* the longest bad value that is shown */

struct url_options_unit {
	const char *suffix;
	int64_t factor;
};

/* How a kind of number is written, and the most that its type holds. */
struct url_options_form {
	const char *name;
	int64_t most;
	struct url_options_unit units[5];
};

static const struct url_options_form url_options_int = {
	"a number",
	INT_MAX,
	{ { "", 1 } },
};

static const struct url_options_form url_options_size = {
	"a size (a number, optionally with k, m or g)",
	SIZE_MAX < INT64_MAX ? (int64_t)SIZE_MAX : INT64_MAX,
	{ { "", 1 }, { "k", 1 << 10 }, { "m", 1 << 20 }, { "g", 1 << 30 } },
};

static const struct url_options_form url_options_duration = {
	"a duration (a number with ms, s, m or h; alone: milliseconds)",
	INT64_MAX,
	{ { "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
	    { "h", 3600000 } },
};

/* Alternately a word for no and a word for yes. */
static const char *const url_options_bools[] = {
	"0",
	"1",
	"false",
	"true",
	"no",
	"yes",
	"off",
	"on",
};

#define URL_OPTIONS_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * Whether a bad value may be shown: with other bytes than those of numbers and
 * words it may have run on into what was to be another part of the URL, perhaps
 * a password.
 */
static bool url_options_shown(const char *value)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789+-._ ";

	return strlen(value) <= URL_OPTIONS_QUOTE &&
	    value[strspn(value, word)] == '\0';
}

/* An option's value is wrong: say so, and what is allowed; false. */
static bool url_options_bad(const struct evkv_url_pair *pair,
    const char *allowed, struct evkv_error *error)
{
	bool shown = url_options_shown(pair->value);

	evkv_error_set(error, EVKV_INVALID, "URL: option %s: %s%s%s is not %s",
	    pair->name, shown ? "'" : "", shown ? pair->value : "its value",
	    shown ? "'" : "", allowed);
	return false;
}

/* Digits and a unit, with a '-' before them where the minimum is below 0. */
static bool url_options_number(const char *text,
    const struct url_options_form *form, int64_t min, int64_t *number)
{
	bool negative = min < 0 && *text == '-';
	int64_t value = 0;
	size_t i = 0;

	text += negative;
	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (value > (INT64_MAX - (*text - '0')) / 10)
			return false;
		value = value * 10 + (*text - '0');
	}
	while (i < URL_OPTIONS_COUNT(form->units) &&
	    (form->units[i].suffix == NULL ||
		strcmp(form->units[i].suffix, text) != 0))
		i++;
	if (i == URL_OPTIONS_COUNT(form->units) ||
	    value > INT64_MAX / form->units[i].factor)
		return false;
	value *= form->units[i].factor;
	*number = negative ? -value : value;
	return true;
}

static bool url_options_bounded(const struct evkv_url_pair *pair,
    const struct evkv_url_option *row, const struct url_options_form *form,
    int64_t *number, struct evkv_error *error)
{
	int64_t min = row->min, max = row->max;
	char allowed[160];

	if ((max == 0 && min >= 0) || max > form->most)
		max = form->most;
	if (url_options_number(pair->value, form, min, number) &&
	    *number >= min && *number <= max)
		return true;
	if (max == INT64_MAX)
		snprintf(allowed, sizeof(allowed),
		    "%s, at least %lld and below 2^63", form->name,
		    (long long)min);
	else
		snprintf(allowed, sizeof(allowed), "%s from %lld to %lld",
		    form->name, (long long)min, (long long)max);
	return url_options_bad(pair, allowed, error);
}

static bool url_options_bool(const struct evkv_url_pair *pair, bool *answer,
    struct evkv_error *error)
{
	size_t i;

	for (i = 0; i < URL_OPTIONS_COUNT(url_options_bools); i++) {
		if (strcmp(pair->value, url_options_bools[i]) == 0) {
			*answer = i & 1;
			return true;
		}
	}
	return url_options_bad(pair,
	    "one of 0, 1, true, false, yes, no, on, off", error);
}

/* The index of the value in "one|two|three". */
static bool url_options_choice(const struct evkv_url_pair *pair,
    const char *choices, int *index, struct evkv_error *error)
{
	size_t size = strlen(pair->value), length;
	const char *choice = choices;
	char allowed[160];

	for (*index = 0;; (*index)++) {
		length = strcspn(choice, "|");
		if (length == size && memcmp(choice, pair->value, size) == 0)
			return true;
		if (choice[length] == '\0')
			break;
		choice += length + 1;
	}
	snprintf(allowed, sizeof(allowed), "one of %s", choices);
	return url_options_bad(pair, allowed, error);
}

bool evkv__url_option_write(const struct evkv_url_pair *pair,
    const struct evkv_url_option *row, void *options, struct evkv_error *error)
{
	void *field = (char *)options + row->offset;
	int64_t number;

	switch (row->type) {
	case EVKV_URL_BOOL: return url_options_bool(pair, field, error);
	case EVKV_URL_CHOICE:
		return url_options_choice(pair, row->choices, field, error);
	case EVKV_URL_STRING: *(const char **)field = pair->value; return true;
	case EVKV_URL_BYTES:
		*(struct evkv_slice *)field = evkv_str(pair->value);
		return true;
	case EVKV_URL_INT:
		if (!url_options_bounded(pair, row, &url_options_int, &number,
			error))
			return false;
		*(int *)field = (int)number;
		return true;
	case EVKV_URL_SIZE:
		if (!url_options_bounded(pair, row, &url_options_size, &number,
			error))
			return false;
		*(size_t *)field = (size_t)number;
		return true;
	case EVKV_URL_DURATION:
		return url_options_bounded(pair, row, &url_options_duration,
		    field, error);
	}
	return false;
}

bool evkv__list_add(char *list, size_t size, const char *name, const char *end)
{
	const size_t rest = sizeof(", ...");
	size_t used = strlen(list);
	const char *comma = used > 0 ? ", " : "";

	if (used + strlen(comma) + strlen(name) + strlen(end) + rest <= size) {
		snprintf(list + used, size - used, "%s%s%s", comma, name, end);
		return true;
	}
	snprintf(list + used, size - used, "%s...", comma);
	return false;
}

/* ---- What was meant ------------------------------------------------------ */

#define NEAREST_MAX 40 /* bytes of a name that are compared */

/*
 * How many bytes must be added, dropped or changed to make one name of the
 * other; a row of the usual table at a time.
 */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strnlen(b, NEAREST_MAX), i, j;
	unsigned row[NEAREST_MAX + 1], before, cost;

	for (j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (i = 0; i < NEAREST_MAX && a[i] != '\0'; i++) {
		before = row[0]++;
		for (j = 0; j < n; j++) {
			cost = before + (a[i] != b[j]);
			before = row[j + 1];
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (before + 1 < cost)
				cost = before + 1;
			row[j + 1] = cost;
		}
	}
	return row[n];
}

/* The nearest first, so that what is cut off is not the one that was meant. */
void evkv__list_nearest(char *list, size_t size, const char *wanted,
    const char *(*name)(const void *from, size_t i), const void *from,
    const char *end)
{
	unsigned least;
	size_t i;

	list[0] = '\0';
	for (least = 0; least <= NEAREST_MAX; least++) {
		for (i = 0; name(from, i) != NULL; i++) {
			if (distance(wanted, name(from, i)) == least &&
			    !evkv__list_add(list, size, name(from, i), end))
				return;
		}
	}
}

struct option_names {
	const struct evkv_url_option *table;
	size_t count;
};

static const char *option_name(const void *from, size_t i)
{
	const struct option_names *names = from;

	return i < names->count ? names->table[i].name : NULL;
}

void evkv__url_options_list(char *list, size_t size, const char *wanted,
    const struct evkv_url_option *table, size_t count)
{
	const struct option_names names = { table, count };

	evkv__list_nearest(list, size, wanted, option_name, &names, "");
	if (list[0] == '\0')
		snprintf(list, size, "none");
}

bool evkv__url_option_is(const struct evkv_url_option *row, const char *name)
{
	return strcmp(row->name, name) == 0 ||
	    (row->field != NULL && strcmp(row->field, name) == 0);
}

/* ---- The whole table ----------------------------------------------------- */

static bool given_before(const struct evkv_url *url, size_t i,
    const struct evkv_url_option *row)
{
	size_t j;

	for (j = 0; j < i; j++) {
		if (evkv__url_option_is(row, url->options[j].name))
			return true;
	}
	return false;
}

bool evkv__url_options_prefixed(const struct evkv_url *url, const char *prefix,
    const struct evkv_url_option *table, size_t table_count, void *options,
    struct evkv_error *error)
{
	const struct evkv_url_pair *pair;
	char names[120];
	size_t i, j;

	for (i = 0; i < url->option_count; i++) {
		pair = &url->options[i];
		if (strncmp(pair->name, prefix, strlen(prefix)) != 0)
			continue;
		for (j = 0; j < table_count; j++)
			if (evkv__url_option_is(&table[j], pair->name))
				break;
		if (j == table_count) {
			evkv__url_options_list(names, sizeof(names), pair->name,
			    table, table_count);
			evkv_error_set(error, EVKV_INVALID,
			    "URL: %s has no option %.40s; it has %s",
			    url->scheme, pair->name, names);
			return false;
		}
		if (given_before(url, i, &table[j])) {
			evkv_error_set(error, EVKV_INVALID,
			    "URL: option %.40s is given twice", pair->name);
			return false;
		}
		if (!evkv__url_option_write(pair, &table[j], options, error))
			return false;
	}
	return true;
}

bool evkv_url_options(const struct evkv_url *url,
    const struct evkv_url_option *table, size_t table_count, void *options,
    struct evkv_error *error)
{
	return evkv__url_options_prefixed(url, "", table, table_count, options,
	    error);
}

bool evkv_url_allow(const struct evkv_url *url, uint32_t parts,
    struct evkv_error *error)
{
	const char *part = NULL;

	if ((parts & EVKV_URL_USER) == 0 &&
	    (url->user[0] != '\0' || url->has_password))
		part = "user name or password";
	else if ((parts & (EVKV_URL_HOST | EVKV_URL_HOSTS)) == 0 &&
	    url->host_count > 0)
		part = "host or port";
	else if ((parts & EVKV_URL_HOSTS) == 0 &&
	    (url->host_count > 1 ||
		(url->host_count == 1 && url->hosts[0].weight != 0)))
		part = "list of hosts, nor the weight of one";
	else if ((parts & EVKV_URL_PATH) == 0 && url->path[0] != '\0')
		part = "path";
	if (part == NULL)
		return true;
	evkv_error_set(error, EVKV_INVALID, "URL: %s takes no %s", url->scheme,
	    part);
	return false;
}
