/*
 * tests/pipeline/names.h - a name server for the pipeline.
 *
 * A program that links this finds its name servers here and not in
 * /etc/resolv.conf: evdns_base_resolv_conf_parse() is replaced.
 */
#ifndef TESTS_PIPELINE_NAMES_H
#define TESTS_PIPELINE_NAMES_H

#include <stdbool.h>

struct event_base;

struct names {
	bool silent;    /* answers nothing */
	bool unknown;   /* answers: no such name */
	unsigned count; /* of the addresses in the answer */
	const char *addresses[4];
	bool ipv6;      /* answers ::1 to the question for AAAA */
	bool only_a;    /* ignores the question for AAAA */
	unsigned asked; /* questions for A records so far */
};

/* Serve names from now on, on a port of the loopback; NULL: none. */
void names_serve(struct event_base *base, struct names *names);

#endif
