/*
 * The URL parser and the reading of options on any bytes. What it takes must
 * have no NUL inside and a port in range; what it refuses must say so in one
 * line.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct options {
	bool flag;
	int number;
	size_t size;
	int64_t pause_ms;
	const char *text;
	int mode;
};

#define ROW(name_, type_, field_, ...)                                         \
	{                                                                      \
		.name = (name_), .type = EVKV_URL_##type_,                     \
		.offset = offsetof(struct options, field_), __VA_ARGS__        \
	}

static const struct evkv_url_option table[] = {
	ROW("b", BOOL, flag, .min = 0),
	ROW("i", INT, number, .min = -9, .max = 9),
	ROW("s", SIZE, size, .min = 0),
	ROW("d", DURATION, pause_ms, .min = 0),
	ROW("t", STRING, text, .min = 0),
	ROW("c", CHOICE, mode, .choices = "full|os|none"),
};

static void check_error(const struct evkv_error *error)
{
	const char *c;

	if (error->status != EVKV_INVALID || error->message[0] == '\0')
		abort();
	for (c = error->message; *c != '\0'; c++) {
		if (*c == '\n' || *c == '\r')
			abort();
	}
}

static void check_url(const struct evkv_url *url)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	struct options options;

	size_t i;

	if (url->scheme[0] == '\0' || url->port < 0 || url->port > 65535)
		abort();
	for (i = 0; i < url->host_count; i++) {
		if (url->hosts[i].port < 0 || url->hosts[i].port > 65535 ||
		    url->hosts[i].weight < 0 || url->hosts[i].weight > 65535 ||
		    (url->hosts[i].host[0] == '\0' && url->host_count > 1))
			abort();
	}
	if (url->password[0] != '\0' && !url->has_password)
		abort();
	memset(&options, 0, sizeof(options));
	if (!evkv_url_options(url, table, sizeof(table) / sizeof(table[0]),
		&options, &error))
		check_error(&error);
	else if (options.number < -9 || options.number > 9 ||
	    options.pause_ms < 0 || options.mode < 0 || options.mode > 2)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct evkv_error error = EVKV_ERROR_INIT;
	char *text = malloc(size + 1);
	struct evkv_url *url;

	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	url = evkv__url_parse(text, &error);
	if (url == NULL)
		check_error(&error);
	else
		check_url(url);
	evkv__url_free(url);
	free(text);
	return 0;
}
