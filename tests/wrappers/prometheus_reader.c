#include "prometheus_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#define LINES_MAX 4096

struct reader {
	char family[128], type[32];
	char families[64][128];
	size_t family_count;
	const char *lines[LINES_MAX]; /* up to the number */
	size_t sizes[LINES_MAX];
	size_t line_count;
	double bucket; /* the last one's */
	double infinity;
};

static const char *read_name(const char *at)
{
	const char *start = at;

	while ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
	    *at == '_' || (at > start && *at >= '0' && *at <= '9'))
		at++;
	if (at == start)
		fail_test("no name at: %.40s", at);
	return at;
}

/* name="value", with \\ \" \n alone as escapes. */
static const char *read_label(const char *at)
{
	at = read_name(at);
	check(at[0] == '=' && at[1] == '"');
	for (at += 2; *at != '"'; at++) {
		check(*at != '\0' && *at != '\n');
		if (*at == '\\') {
			at++;
			check(*at == '\\' || *at == '"' || *at == 'n');
		}
	}
	return at + 1;
}

static void begin_family(struct reader *reader, const char *line)
{
	char name[128], type[32];
	size_t i;

	if (strncmp(line, "# HELP ", 7) == 0) {
		check_int(sscanf(line, "# HELP %127s", name), 1);
		for (i = 0; i < reader->family_count; i++)
			check(strcmp(reader->families[i], name) != 0);
		check(reader->family_count < 64);
		strcpy(reader->families[reader->family_count++], name);
		strcpy(reader->family, name);
		reader->type[0] = '\0';
		return;
	}
	check_int(sscanf(line, "# TYPE %127s %31s", name, type), 2);
	check_str(name, reader->family);
	check(reader->type[0] == '\0');
	check(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
	    strcmp(type, "histogram") == 0);
	strcpy(reader->type, type);
}

static bool ends_with(const char *start, const char *end, const char *suffix)
{
	size_t size = strlen(suffix);

	return (size_t)(end - start) >= size &&
	    memcmp(end - size, suffix, size) == 0;
}

static void check_belongs(struct reader *reader, const char *start,
    const char *end)
{
	size_t size = strlen(reader->family);
	bool histogram = strcmp(reader->type, "histogram") == 0;

	check(reader->type[0] != '\0');
	check((size_t)(end - start) >= size &&
	    memcmp(start, reader->family, size) == 0);
	if (!histogram)
		check_int(end - start, size);
	else
		check(ends_with(start, end, "_bucket") ||
		    ends_with(start, end, "_sum") ||
		    ends_with(start, end, "_count"));
	if (strcmp(reader->type, "counter") == 0)
		check(ends_with(start, end, "_total"));
}

static void check_histogram(struct reader *reader, const char *start,
    const char *end, double number)
{
	if (ends_with(start, end, "_bucket")) {
		check(number >= reader->bucket);
		reader->bucket = number;
		if (strstr(start, "le=\"+Inf\"") != NULL)
			reader->infinity = number;
	} else {
		reader->bucket = 0;
	}
	if (ends_with(start, end, "_count"))
		check(number == reader->infinity);
}

static void check_new(struct reader *reader, const char *start, size_t size)
{
	size_t i;

	for (i = 0; i < reader->line_count; i++)
		check(reader->sizes[i] != size ||
		    memcmp(reader->lines[i], start, size) != 0);
	check(reader->line_count < LINES_MAX);
	reader->lines[reader->line_count] = start;
	reader->sizes[reader->line_count++] = size;
}

static void read_sample(struct reader *reader, const char *line)
{
	const char *at = read_name(line), *name_end = at;
	double number;
	char *end;

	check_belongs(reader, line, name_end);
	check(*at == '{');
	do {
		at = read_label(at + 1);
	} while (*at == ',');
	check(at[0] == '}' && at[1] == ' ');
	check_new(reader, line, (size_t)(at - line));
	number = strtod(at + 2, &end);
	check(end > at + 2 && *end == '\0');
	check(number >= 0);
	if (strcmp(reader->type, "histogram") == 0)
		check_histogram(reader, line, name_end, number);
}

void prometheus_check(const char *text)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	char *copy = strdup(text), *line, *next;

	check(*text == '\0' || text[strlen(text) - 1] == '\n');
	for (line = copy; *line != '\0'; line = next) {
		next = strchr(line, '\n');
		*next++ = '\0';
		if (*line == '#')
			begin_family(reader, line);
		else
			read_sample(reader, line);
	}
	free(copy);
	free(reader);
}

double prometheus_number(const char *text, const char *series)
{
	size_t size = strlen(series);
	const char *at;

	for (at = text; at != NULL; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, series, size) == 0 && at[size] == ' ')
			return strtod(at + size, NULL);
	}
	return -1;
}
