/**
 * @file
 * Failures on demand, for tests.
 *
 *     store = evkv_fault_new(store, &(struct evkv_fault_options){ .seed = 7 },
 *         &error);
 *     evkv_fault_add(store, &(struct evkv_fault_rule){
 *         .action = EVKV_FAULT_FAIL, .kinds = EVKV_KIND_BIT(EVKV_OP_PUT),
 *         .nth = 3, .status = EVKV_UNAVAILABLE });
 *
 * Each operation is compared with the rules, in the order in which they were
 * added, until one fires. Where none does, it passes as it is. Random choices
 * come from the seed and depend only on the operations before, and delays run
 * by the loop's clock. So with an injected clock a test runs the same way each
 * time.
 *
 * Whatever the rules do, the promises of docs/contract.md hold: operations on
 * one key keep their order, and a write whose answer is lost is
 * UNKNOWN_OUTCOME.
 *
 * All calls may be made in a callback.
 */
#ifndef EVKV_WRAPPERS_FAULT_H
#define EVKV_WRAPPERS_FAULT_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/** What happens to an operation. */
enum evkv_fault_action {
	/** answered with the rule's status; the inner store never sees it */
	EVKV_FAULT_FAIL,
	/**
	 * takes effect, then its answer is lost: UNKNOWN_OUTCOME for what
	 * writes, the rule's status for the rest
	 */
	EVKV_FAULT_LOSE,
	/** waits for a time, then passes */
	EVKV_FAULT_DELAY,
	/** takes effect at once, and is answered after a time */
	EVKV_FAULT_DELAY_AFTER,
	/** never passes: ends by its deadline, a cancel or a close */
	EVKV_FAULT_DROP,
	/** takes effect and is never answered; ends as with DROP */
	EVKV_FAULT_MUTE,
	/** waits for some turns of the loop: others overtake it */
	EVKV_FAULT_REORDER,
	/** how many there are */
	EVKV_FAULT_COUNT
};

/** When something is done, and what. Zero in a field is its default. */
struct evkv_fault_rule {
	/** EVKV_FAULT_* */
	enum evkv_fault_action action;
	/** EVKV_KIND_BIT() of the kinds that it is for; 0 = all */
	uint32_t kinds;
	/** it fires for the nth operation compared with it, from 1; 0 = see
	 * permille */
	uint64_t nth;
	/** the chance to fire, 1 to 1000 of 1000; 0 = always. Not with nth. */
	unsigned permille;
	/** the most times that it fires; 0 = no bound */
	uint64_t limit;
	/**
	 * FAIL, LOSE: the status, a failure; 0 = UNAVAILABLE. UNKNOWN_OUTCOME
	 * is for FAIL; what only reads gets UNAVAILABLE instead.
	 */
	enum evkv_status status;
	/** FAIL, LOSE: the cause; 0 = RESET */
	enum evkv_cause cause;
	/** DELAY, DELAY_AFTER: the shortest time, in milliseconds */
	int64_t delay_min_ms;
	/** and the longest; 0 = delay_min_ms */
	int64_t delay_max_ms;
	/**
	 * REORDER: the most turns, of which a random number is waited; 0 = 8
	 */
	unsigned turns;
};

/** Options. Zero in a field is its default. */
struct evkv_fault_options {
	/** the seed of random choices; 0 = from the loop's random numbers */
	size_t seed;
	/** the chance to FAIL with UNAVAILABLE, 0 to 1000 of 1000 */
	unsigned fail_permille;
	/** the chance to LOSE */
	unsigned lose_permille;
	/** the chance to DROP */
	unsigned drop_permille;
	/** the chance to REORDER, by at most 8 turns */
	unsigned reorder_permille;
	/** the chance to DELAY */
	unsigned delay_permille;
	/** the longest such delay, in milliseconds, up to 100 years; 0 = 10 */
	int64_t delay_ms;
};

/** evkv_fault_new() with the size of the caller's options. */
EVKV_API struct evkv_store *evkv_fault_new_sized(struct evkv_store *inner,
    const struct evkv_fault_options *options, size_t size,
    struct evkv_error *error);

/**
 * Put faults between a store and its users. Transparent: every kind, condition
 * and flag goes through.
 * @param inner    the store; consumed, also on failure; NULL is passed through
 * @param options  each chance that is not 0 becomes a rule, in their order;
 *                 NULL = no rule
 * @param error    filled where NULL is returned: INVALID (a number out of
 *                 bounds) or NOMEM
 */
static inline struct evkv_store *evkv_fault_new(struct evkv_store *inner,
    const struct evkv_fault_options *options, struct evkv_error *error)
{
	return evkv_fault_new_sized(inner, options, sizeof(*options), error);
}

/** evkv_fault_add() with the size of the caller's rule. */
EVKV_API int evkv_fault_add_sized(struct evkv_store *store,
    const struct evkv_fault_rule *rule, size_t size);

/**
 * Add a rule after the others.
 * @param store  a fault store
 * @param rule   copied
 * @return its number, for evkv_fault_fired(); -1 where `store` is none of this
 *         kind, a number is out of bounds, a status is no failure, or out of
 *         memory
 */
static inline int evkv_fault_add(struct evkv_store *store,
    const struct evkv_fault_rule *rule)
{
	return evkv_fault_add_sized(store, rule, sizeof(*rule));
}

/** How often a rule has fired; 0 where there is no such rule or store. */
EVKV_API uint64_t evkv_fault_fired(const struct evkv_store *store, int rule);

/** Operations that are held now. */
EVKV_API size_t evkv_fault_held(const struct evkv_store *store);

/** Remove all rules: from now on operations pass. What is held stays so. */
EVKV_API void evkv_fault_clear(struct evkv_store *store);

/**
 * Let everything pass that is held, what was dropped included, in the order of
 * submission, in a later turn.
 */
EVKV_API void evkv_fault_release(struct evkv_store *store);

EVKV_END_DECLS

#endif
