/*
 * tests/conformance/suite.c - what the functions of a suite call.
 */
#include <stdarg.h>
#include <stdio.h>

#include "conformance.h"
#include "lib/delay.h"

struct evkv_store *evkv_conformance_delay(struct evkv_conformance *c,
    struct evkv_store *inner, struct evkv_error *error)
{
	static const uint32_t flags[] = {
		[CONFORMANCE_DELAYED] = DELAY_WAITS,
		[CONFORMANCE_REPEATED] = DELAY_WAITS | DELAY_REFUSES,
		[CONFORMANCE_REFUSED] = DELAY_WAITS | DELAY_REFUSES_ALL,
	};

	c->delay_used = true;
	if (c->mode == CONFORMANCE_PLAIN)
		return inner;
	return delay_new_with(inner, flags[c->mode], error);
}

void *evkv_conformance_data(const struct evkv_conformance *c)
{
	return c->data;
}

void evkv_conformance_set_data(struct evkv_conformance *c, void *data)
{
	c->data = data;
}

void *evkv_conformance_arg(const struct evkv_conformance *c)
{
	return c->suite->arg;
}

bool evkv_conformance_sweeping(const struct evkv_conformance *c)
{
	return c->sweeping;
}

void *evkv_conformance_alloc(struct evkv_conformance *c, size_t size)
{
	return conformance_alloc(c, size);
}

void evkv_conformance_skip(struct evkv_conformance *c, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	skip_test("%s: %s", c->suite->name, text);
}

void evkv_conformance_fail(struct evkv_conformance *c, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fail_test("%s: %s", c->suite->name, text);
}
