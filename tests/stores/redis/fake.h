/*
 * tests/stores/redis/fake.h - a loop, a server that speaks RESP2 as it is told
 * to, and a redis store on it.
 *
 * The clock is injected. The fake keeps no entries: a GET of `k7` is answered
 * with `v-k7`, keys that begin with `no` are missing, writes succeed.
 */
#ifndef TESTS_STORES_REDIS_FAKE_H
#define TESTS_STORES_REDIS_FAKE_H

#include "evkv/stores/redis.h"
#include "lib/peer.h"
#include "lib/rig.h"
#include "lib/test.h"

#define FAKE_OPS 20
#define FAKE_WORDS 600

struct fake {
	struct rig rig;
	struct peer *peer;
	struct evkv_redis_options options; /* of the next fake_store() */
	struct evkv_store *store;
	struct answer answers[FAKE_OPS];
	char log[4096]; /* all that was logged */

	/* What is said instead; NULL = what a server would say. */
	const char *to_auth, *to_select, *to_ping;
	const char *to_all; /* to everything that is not of a handshake */
	unsigned errors;    /* if not 0: to_all only so often */
	/* To the next commands, one by one, up to a NULL; before all these. */
	const char *const *script;
	/* To the next SCAN, and to the one after it; the cursors that came. */
	const char *to_scan, *to_next_scan;
	char cursors[64];
	unsigned commands; /* that came, without handshakes */
	size_t most_words; /* of one of them */
	unsigned sets;
	bool ready;       /* the last PING of a handshake was answered well */
	unsigned greeted; /* number of the connection that had its handshake */
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
