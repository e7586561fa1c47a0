/*
 * adapters/typed/time.c - points in time as text (RFC 3339, in UTC, with
 * milliseconds), by the Gregorian calendar.
 */
#include <stdio.h>

#include "adapters/typed/schema.h"

#define DAY_MS INT64_C(86400000)

/* Days from 1970-01-01 to a date; years begin in March here. */
static int64_t days_from(int64_t year, unsigned month, unsigned day)
{
	int64_t era, day_of_era;
	unsigned year_of_era, day_of_year;

	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	year_of_era = (unsigned)(year - era * 400);
	day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 +
	    day - 1;
	day_of_era = (int64_t)year_of_era * 365 + year_of_era / 4 -
	    year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

static unsigned month_days(int64_t year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31,
		30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

/* The years 0000 to 9999, which the text has room for. */
bool evkv__typed_time_fits(int64_t ms)
{
	return ms >= days_from(0, 1, 1) * DAY_MS &&
	    ms < days_from(10000, 1, 1) * DAY_MS;
}

void evkv__typed_time_write(int64_t ms, char text[TYPED_TIME_MAX])
{
	int64_t days = ms / DAY_MS - (ms % DAY_MS < 0), year;
	unsigned left = (unsigned)(ms - days * DAY_MS), month = 1;

	year = 1970 + days / 366; /* never too late */
	if (days < 0)
		year = 1970 + days / 365 - 1;
	while (days_from(year + 1, 1, 1) <= days)
		year++;
	days -= days_from(year, 1, 1);
	while (days >= month_days(year, month))
		days -= month_days(year, month++);
	snprintf(text, TYPED_TIME_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned)year % 10000, month % 100, (unsigned)(days + 1) % 100,
	    left / 3600000 % 100, left / 60000 % 60, left / 1000 % 60,
	    left % 1000);
}

/* `count` digits at *at, which moves on. */
static bool digits_read(const char **at, int count, unsigned *number)
{
	*number = 0;
	for (; count > 0; count--, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		*number = *number * 10 + (unsigned)(**at - '0');
	}
	return true;
}

/* A fraction of any length, of which milliseconds count. */
static const char *fraction_read(const char *at, unsigned *ms)
{
	unsigned weight = 100;

	*ms = 0;
	if (*at != '.')
		return at;
	at++;
	if (*at < '0' || *at > '9')
		return NULL;
	for (; *at >= '0' && *at <= '9'; at++) {
		*ms += (unsigned)(*at - '0') * weight;
		weight /= 10;
	}
	return at;
}

/* "Z" or an offset, in minutes east. */
static bool zone_read(const char *at, int *minutes)
{
	unsigned hours = 0, rest = 0;
	int sign = *at == '-' ? -1 : 1;

	*minutes = 0;
	if (at[0] == 'Z')
		return at[1] == '\0';
	if (*at != '+' && *at != '-')
		return false;
	at++;
	if (!digits_read(&at, 2, &hours) || *at++ != ':' ||
	    !digits_read(&at, 2, &rest) || *at != '\0' || hours > 23 ||
	    rest > 59)
		return false;
	*minutes = sign * (int)(hours * 60 + rest);
	return true;
}

bool evkv__typed_time_read(struct evkv_slice text, int64_t *ms)
{
	unsigned year, month, day, hour, minute, second, part;
	char copy[64];
	const char *at = copy;
	int zone;

	if (text.size >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	if (!digits_read(&at, 4, &year) || *at++ != '-' ||
	    !digits_read(&at, 2, &month) || *at++ != '-' ||
	    !digits_read(&at, 2, &day) || *at++ != 'T' ||
	    !digits_read(&at, 2, &hour) || *at++ != ':' ||
	    !digits_read(&at, 2, &minute) || *at++ != ':' ||
	    !digits_read(&at, 2, &second))
		return false;
	at = fraction_read(at, &part);
	if (at == NULL || !zone_read(at, &zone) || month < 1 || month > 12 ||
	    day < 1 || day > month_days(year, month) || hour > 23 ||
	    minute > 59 || second > 59)
		return false;
	*ms = days_from(year, month, day) * DAY_MS +
	    (((int64_t)hour * 60 + minute - zone) * 60 + second) * 1000 + part;
	return true;
}
