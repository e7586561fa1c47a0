/*
 * tests/stores/memcached/fake.h - a loop, a server that speaks the meta
 * protocol as it is told to, and a memcached store on it.
 *
 * The clock is injected. The fake keeps no entries: an mg of `k7` is answered
 * with `v-k7`, names that begin with `no` are missing, writes succeed.
 */
#ifndef TESTS_STORES_MEMCACHED_FAKE_H
#define TESTS_STORES_MEMCACHED_FAKE_H

#include "evkv/stores/memcached.h"
#include "lib/peer.h"
#include "lib/rig.h"
#include "lib/test.h"

#define FAKE_OPS 20

struct fake {
	struct rig rig;
	struct peer *peer;
	struct evkv_memcached_server where;
	struct evkv_memcached_options options; /* of the next fake_store() */
	struct evkv_store *store;
	struct answer answers[FAKE_OPS];

	/* What is said instead; NULL = what a server would say. */
	const char *to_login, *to_version, *to_stats;
	const char *to_all;    /* to everything that is not of a handshake */
	const char *to_next;   /* to the next of those, before to_all */
	const char *to_change; /* to what has a C */
	const char *number;    /* the value of `number`; "5" at first */
	unsigned commands;     /* that came, without handshakes */
	unsigned sets;         /* of those: ms */
	unsigned changes;      /* ms with C that are answered EX, from now on */
	bool legacy;           /* misses bear no opaque, as before 1.6.10 */
};

/* The loop and the server; options are those of a store on it. */
void fake_begin(struct fake *fake);
/* The store, by the options; waits for nothing. */
void fake_store(struct fake *fake);
/* Both, and the connection is ready. */
void fake_open(struct fake *fake);
void fake_until_ready(struct fake *fake);
/* Close the store and free everything; no answer came twice. */
void fake_close(struct fake *fake);

/* Submit number i of the ops: a get or a put of the key `k<i>`. */
void fake_get(struct fake *fake, unsigned i);
void fake_put(struct fake *fake, unsigned i);
void fake_wait(struct fake *fake, unsigned count);
/* That op went well; a get, which has an even number, with its value. */
void fake_check_done(const struct fake *fake, unsigned i);
/* Turn until a get works again. */
void fake_check_recovered(struct fake *fake);

#endif
