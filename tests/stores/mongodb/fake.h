/*
 * tests/stores/mongodb/fake.h - a loop, a server that speaks MongoDB's protocol
 * as it is told to, and a mongodb store on it.
 *
 * The clock is the system's. The fake keeps no entries: it answers a find of
 * "c:k7" with the value "v-k7"; keys that begin with "no" are missing; writes
 * succeed.
 */
#ifndef TESTS_STORES_MONGODB_FAKE_H
#define TESTS_STORES_MONGODB_FAKE_H

#include "evkv/stores/mongodb.h"
#include "lib/opmsg.h"
#include "lib/peer.h"
#include "lib/rig.h"
#include "lib/test.h"

#define FAKE_OPS 200

struct fake {
	struct rig rig;
	struct peer *peer;
	char uri[128];
	struct evkv_mongodb_options options; /* of the next fake_store() */
	struct evkv_store *store;
	struct answer answers[FAKE_OPS];
	char log[4096]; /* all that was logged */

	/* The next command that is no handshake is answered so; then NULL. */
	void (*say)(struct fake *fake, struct opdoc *out);
	bool say_always; /* not only the next */
	/* For a `say` that wants the command after it answered, too. */
	void (*then)(struct fake *fake, struct opdoc *out);
	int code; /* say_error(), say_write_error(), ... */
	const char *words;
	/* What becomes of the answers to commands, handshakes apart. */
	bool garbage;  /* their documents are damaged */
	size_t flip;   /* the byte at this place is another; 0 = none */
	bool cut;      /* the connection is cut instead */
	size_t cut_at; /* after so many bytes of the answer */
	bool stall;    /* there is none */
	bool hold;     /* it waits for fake_release() */
	struct peer_conn *held_conn;
	unsigned char held[4096];
	size_t held_size;

	/* What came, handshakes apart. */
	unsigned commands, finds, updates, indexes;
	int32_t documents; /* of the last command */
	int64_t written;   /* of all */
	size_t largest;    /* body of a command, in bytes */
	char last[32];     /* the last command */
	int64_t max_time;  /* of the last that had it */
	int64_t number;    /* txnNumber of the last; 0 = it had none */
	bool replica; /* set: it is the primary of a replica set, not alone */
	struct opdoc out;
};

void fake_begin(struct fake *fake);
/* The store, by the options; lanes and no_create_index are 1 unless set. */
void fake_store(struct fake *fake);
void fake_open(struct fake *fake);
void fake_close(struct fake *fake);

/* Say what was held, of the last command. */
void fake_release(struct fake *fake);

/* Submit number i: a get or a put of the key `k<i>` of the collection c. */
void fake_get(struct fake *fake, unsigned i);
void fake_put(struct fake *fake, unsigned i);
/*
 * When a get has been answered, the puts 1 to 4, together, which `say` answers;
 * finds count from them on. All five are waited for.
 */
void fake_put_four(struct fake *fake,
    void (*say)(struct fake *fake, struct opdoc *out));
/* The first `count` have been answered. */
void fake_wait(struct fake *fake, unsigned count);
/* Do one, and give its answer. */
struct answer *fake_do(struct fake *fake, enum evkv_kind kind,
    enum evkv_condition condition, int64_t timeout_ms);

/*
 * For `say`: a failed command; a write error of its first write; a
 * write concern that was not satisfied.
 */
void say_error(struct fake *fake, struct opdoc *out);
void say_write_error(struct fake *fake, struct opdoc *out);
void say_concern_error(struct fake *fake, struct opdoc *out);

#endif
