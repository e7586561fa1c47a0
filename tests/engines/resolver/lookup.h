/*
 * tests/engines/resolver/lookup.h - a loop, a name server at 127.0.0.1, and
 * lookups whose addresses are text. Included once by a test.
 */
#ifndef TESTS_ENGINES_RESOLVER_LOOKUP_H
#define TESTS_ENGINES_RESOLVER_LOOKUP_H

#include "dns.h"
#include "evkv/resolver.h"
#include "rig.h"
#include "test.h"

struct bed {
	struct rig rig;
	struct dns dns;
	struct dns_server server;
	int events;                 /* on the base, while nothing is asked */
	struct evkv_lookup *lookup; /* the last one */
	/* What its callback was told. */
	unsigned calls;
	bool inside; /* it was called before evkv_lookup_start() was over */
	enum evkv_status status;
	size_t count;
	char text[900], message[256];
};

void bed_open(struct bed *b, const struct dns_record *records);
void bed_close(struct bed *b);
/* Nothing that lookups have left keeps the loop busy: no socket, no timer. */
void settle(struct bed *b);
void bed_told(const struct evkv_lookup_result *result, void *arg);

/* Begin a lookup with port 6379; and wait for its end. */
void begin(struct bed *b, const char *name, int64_t limit_ms);
void look_within(struct bed *b, const char *name, int64_t limit_ms);
#define look(bed_, name_) look_within((bed_), (name_), 5000)

#define check_found(bed_, name_, text_)                                        \
	do {                                                                   \
		look((bed_), (name_));                                         \
		check_str((bed_)->message, "");                                \
		check_str((bed_)->text, (text_));                              \
	} while (0)
#define check_fails(bed_, name_, words_)                                       \
	do {                                                                   \
		look((bed_), (name_));                                         \
		check_status((bed_)->status, EVKV_UNAVAILABLE);                \
		check_int((bed_)->count, 0);                                   \
		check_contains((bed_)->message, (words_));                     \
	} while (0)

#endif
