/*
 * tests/engines/pipeline/chaos_test.c - a random server, random ops, random
 * ends of them, by seed: every callback comes once and tells the truth.
 *
 * Each put has a key of its own, with rising numbers, so that the server sees
 * what was done, how often and in which order. EVKV_CHAOS_SEEDS=n runs n seeds
 * instead of the usual few, EVKV_CHAOS_FROM=m from the mth on.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificates.h"
#include "pick.h"
#include "engines/pipeline/pipeline.h"
#include "scene.h"

#define OPS 6000
#define SEEDS 12

struct op {
	bool is_put;
	unsigned number;
	evkv_ticket ticket;
	unsigned calls;
	enum evkv_status status;
	bool right; /* a get: it was its own value */
};

struct chaos {
	struct scene s;
	uint64_t random;
	struct op *ops;
	unsigned submitted, done, puts;
	char *value;
};

static unsigned pick(struct chaos *c, unsigned below)
{
	return pick_below(&c->random, below);
}

static bool one_in(struct chaos *c, unsigned n)
{
	return pick(c, n) == 0;
}

/* ---- Ops --------------------------------------------------------------- */

static void on_done(const struct evkv_result *result, void *arg)
{
	struct op *op = arg;
	char expected[16];

	op->calls++;
	op->status = result->status;
	if (op->is_put || result->status != EVKV_OK)
		return;
	snprintf(expected, sizeof(expected), "k%u.", op->number);
	op->right = evkv_slice_equal(evkv_result_entry(result, 0)->bytes,
	    evkv_str(expected));
}

static void submit(struct chaos *c)
{
	struct op *op = &c->ops[c->submitted];
	struct evkv_slice key, value;
	struct evkv_request request = {
		.collection = EVKV_LIT("c"),
		.count = 1,
		.keys = &key,
		.timeout_ms = one_in(c, 3) ? 1 + (int)pick(c, 3000) : -1,
	};
	char name[16];

	op->is_put = one_in(c, 2);
	op->number = op->is_put ? c->puts++ : pick(c, LINE_KEYS);
	snprintf(name, sizeof(name), "k%u", op->number);
	key = evkv_str(name);
	request.kind = EVKV_OP_GET;
	if (op->is_put) {
		request.kind = EVKV_OP_PUT;
		value = evkv_bytes(c->value,
		    one_in(c, 20) ? pick(c, 300000) : pick(c, 300));
		request.values = &value;
	}
	op->ticket = evkv_submit(c->s.store, &request, on_done, op);
	check(op->ticket != 0);
	c->submitted++;
}

/* ---- The world --------------------------------------------------------- */

static void heal(struct chaos *c)
{
	struct peer_plan well = {
		.cut_in = PEER_NEVER,
		.cut_out = PEER_NEVER,
	};

	/* Replies that were swallowed must not be missed by those to come. */
	if (c->s.peer->plan.silent)
		peer_cut_all(c->s.peer);
	c->s.peer->plan = well;
	c->s.server.answer = NULL;
	c->s.server.auth_error = NULL;
	if (c->s.peer->accept_event == NULL)
		peer_accept(c->s.peer);
	peer_release(c->s.peer);
}

/* With a socket that is full soon. */
static void deafen(struct chaos *c)
{
	int size = 32768;

	c->s.peer->plan.deaf = true;
	if (c->s.pipeline->net.fd >= 0)
		(void)setsockopt(c->s.pipeline->net.fd, SOL_SOCKET, SO_SNDBUF,
		    &size, sizeof(size));
}

static void worsen(struct chaos *c)
{
	struct peer_plan *plan = &c->s.peer->plan;
	struct peer_conn *conn = c->s.peer->newest;
	size_t sent = conn != NULL ? peer_sent(conn) : 0;
	size_t taken = conn != NULL ? peer_taken(conn) : 0;

	switch (pick(c, 12)) {
	case 0: deafen(c); break;
	case 1: plan->hold = true; break;
	case 2: plan->silent = true; break;
	case 3: plan->piece = 1 + pick(c, 7); break;
	case 4: plan->cut_out = sent + pick(c, 300); break;
	case 5: plan->cut_in = taken + pick(c, 20000); break;
	case 6: plan->reset = true; break;
	case 7: peer_cut_all(c->s.peer); break;
	case 8: peer_refuse(c->s.peer); break;
	case 9: c->s.server.answer = "?garbage\n"; break;
	case 10: c->s.server.auth_error = "!no"; break;
	case 11:
		if (conn != NULL)
			peer_gulp(c->s.peer, pick(c, 100000));
		break;
	default: break;
	}
}

static void step(struct chaos *c)
{
	unsigned count;

	for (count = pick(c, 20); count > 0 && c->submitted < OPS; count--)
		submit(c);
	if (c->submitted > 0 && one_in(c, 3))
		evkv_cancel(c->s.rig.loop,
		    c->ops[c->submitted - 1 -
			 pick(c, c->submitted < 200 ? c->submitted : 200)]
			.ticket);
	rig_turn(&c->s.rig);
	if (one_in(c, 4))
		rig_advance(&c->s.rig, pick(c, one_in(c, 10) ? 20000 : 300));
	if (one_in(c, 6))
		worsen(c);
	if (one_in(c, 12))
		heal(c);
}

/* ---- The truth --------------------------------------------------------- */

static void check_op(struct chaos *c, const struct op *op)
{
	unsigned times = op->is_put ? c->s.server.put[op->number] : 0;

	check_int(op->calls, 1);
	switch (op->status) {
	case EVKV_OK:
		if (op->is_put)
			check_int(times, 1);
		else
			check(op->right);
		break;
	case EVKV_UNKNOWN_OUTCOME:
		check(op->is_put);
		check_between(times, 0, 1);
		break;
	case EVKV_CORRUPT: check(!op->is_put); break;
	case EVKV_TIMEOUT:
	case EVKV_CANCELED:
	case EVKV_UNAVAILABLE:
	case EVKV_REFUSED:
	case EVKV_BUSY: check_int(times, 0); break;
	default:
		fail_test("k%u ended with %s", op->number,
		    evkv_status_name(op->status));
	}
}

/*
 * Those that were answered were done in their order. A write of unknown outcome
 * may be done at any later time: the server reads it when it reads again, from
 * a connection that was given up long ago.
 */
static void check_order(const struct chaos *c)
{
	unsigned last = 0, i;

	for (i = 0; i < OPS; i++) {
		if (!c->ops[i].is_put || c->ops[i].status != EVKV_OK)
			continue;
		check(c->s.server.when[c->ops[i].number] > last);
		last = c->s.server.when[c->ops[i].number];
	}
}

/* A run in which nothing went well, or nothing ill, proves nothing. */
static void check_tally(const struct chaos *c)
{
	unsigned tally[EVKV_STATUS_COUNT] = { 0 }, i;

	for (i = 0; i < OPS; i++)
		tally[c->ops[i].status]++;
	check(tally[EVKV_OK] > OPS / 20);
	check(tally[EVKV_UNAVAILABLE] > 0 || tally[EVKV_REFUSED] > 0);
	check(tally[EVKV_TIMEOUT] + tally[EVKV_CANCELED] > 0);
}

static bool all_done(const struct chaos *c)
{
	unsigned i;

	for (i = 0; i < c->submitted; i++) {
		if (c->ops[i].calls == 0)
			return false;
	}
	return true;
}

static void settle(struct chaos *c)
{
	unsigned i;

	for (i = 0; i < 200 && !all_done(c); i++) {
		heal(c);
		rig_turn_waiting(&c->s.rig);
		rig_turn(&c->s.rig);
		rig_advance(&c->s.rig, 500);
	}
	check(all_done(c));
}

static unsigned descriptors(void)
{
	unsigned count = 0;
	int fd;

	for (fd = 0; fd < 512; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

static void run_seed(uint64_t seed, const char *folder)
{
	char cert[128], key[128], ca[128];
	struct evkv_pipeline_counters counters;
	struct peer_options options = { .receive_buffer = 8192 };
	unsigned before = descriptors();
	struct chaos c;
	unsigned i;

	memset(&c, 0, sizeof(c));
	c.random = seed * UINT64_C(0x9e3779b97f4a7c15);
	c.ops = calloc(OPS, sizeof(*c.ops));
	c.value = calloc(1, 300000);
	check(c.ops != NULL && c.value != NULL);
	memset(c.value, 'x', 300000);
	snprintf(cert, sizeof(cert), "%s/server.pem", folder);
	snprintf(key, sizeof(key), "%s/server.key", folder);
	snprintf(ca, sizeof(ca), "%s/ca.pem", folder);
	if (seed % 3 == 0) {
		options.cert_file = cert;
		options.key_file = key;
	}
	scene_begin_with(&c.s, &options);
	if (seed % 3 == 0)
		c.s.options.pipeline.tls = evkv_tls_new(
		    &(struct evkv_tls_options){ .ca_file = ca }, NULL);
	c.s.options.password = seed % 2 == 0 ? "p" : NULL;
	c.s.options.pipeline.lazy = seed % 5 == 0;
	c.s.options.pipeline.fail_fast = seed % 4 == 0;
	c.s.options.pipeline.max_output_bytes = seed % 2 == 0 ? 4096 : 0;
	c.s.options.pipeline.max_offline_slots = seed % 7 == 0 ? 20 : 0;
	scene_store(&c.s);
	evkv_tls_unref(c.s.options.pipeline.tls);
	while (c.submitted < OPS)
		step(&c);
	settle(&c);
	for (i = 0; i < OPS; i++)
		check_op(&c, &c.ops[i]);
	check_order(&c);
	check_tally(&c);
	/* Replies to the dead may be on their way. */
	for (i = 0; i < 500 && scene_counters(&c.s).outstanding > 0; i++) {
		heal(&c);
		rig_turn_waiting(&c.s.rig);
		rig_advance(&c.s.rig, 100);
	}
	counters = scene_counters(&c.s);
	check_int(counters.outstanding, 0);
	check_int(counters.tombstones, 0);
	check_int(counters.waiting, 0);
	check_int(counters.output_bytes, 0);
	scene_close(&c.s);
	check_int(descriptors(), before);
	free(c.ops);
	free(c.value);
}

EVKV_TEST(pipeline_chaos, every_callback_tells_the_truth)
{
	static const char *const files[] = { "ca.pem", "server.pem",
		"server.key", "client.pem", "client.key", "expired.pem",
		"other.pem", "foreign-ca.pem" };
	const char *wish = getenv("EVKV_CHAOS_SEEDS");
	unsigned long seeds = wish != NULL ? strtoul(wish, NULL, 10) : SEEDS;
	char folder[] = "/tmp/evkv-chaos-XXXXXX", path[128];
	const char *from = getenv("EVKV_CHAOS_FROM");
	unsigned long seed = from != NULL ? strtoul(from, NULL, 10) : 1;
	size_t i;

	check(mkdtemp(folder) != NULL);
	check(certificates_write(folder));
	for (; seed <= seeds; seed++) {
		fprintf(stderr, "seed %lu\n", seed);
		run_seed(seed, folder);
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		(void)unlink(path);
	}
	check(rmdir(folder) == 0);
}
