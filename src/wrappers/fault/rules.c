/*
 * wrappers/fault/rules.c - which rule fires.
 */
#include <string.h>

#include "wrappers/fault/fault.h"

#define DELAY_MS 10
#define TURNS 8

/* By Sebastiano Vigna: good bits from any seed. */
static uint64_t fault_random(struct fault *fault)
{
	uint64_t z = fault->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

int64_t evkv__fault_between(struct fault *fault, int64_t low, int64_t high)
{
	uint64_t width = (uint64_t)(high - low) + 1;

	return low + (int64_t)(fault_random(fault) % width);
}

static bool rule_fires(struct fault *fault, struct rule *rule)
{
	const struct evkv_fault_rule *asked = &rule->asked;

	rule->seen++;
	if (asked->limit != 0 && rule->fired == asked->limit)
		return false;
	if (asked->nth != 0)
		return rule->seen == asked->nth;
	return asked->permille == 0 ||
	    evkv__fault_between(fault, 0, 999) < asked->permille;
}

const struct evkv_fault_rule *evkv__fault_draw(struct fault *fault,
    enum evkv_kind kind)
{
	struct rule *rule;
	size_t i;

	for (i = 0; i < fault->rule_count; i++) {
		rule = &fault->rules[i];
		if (rule->asked.kinds != 0 &&
		    (rule->asked.kinds & EVKV_KIND_BIT(kind)) == 0)
			continue;
		if (!rule_fires(fault, rule))
			continue;
		rule->fired++;
		return &rule->asked;
	}
	return NULL;
}

static bool rule_ok(const struct evkv_fault_rule *rule)
{
	int status = (int)rule->status, cause = (int)rule->cause;

	return (unsigned)rule->action < EVKV_FAULT_COUNT &&
	    rule->permille <= 1000 && (rule->nth == 0 || rule->permille == 0) &&
	    (status == EVKV_OK ||
		(status < EVKV_STATUS_COUNT && evkv_failed(rule->status))) &&
	    cause >= 0 && cause < EVKV_CAUSE_COUNT && rule->delay_min_ms >= 0 &&
	    rule->delay_min_ms <= EVKV_TTL_MAX &&
	    rule->delay_max_ms <= EVKV_TTL_MAX &&
	    (rule->delay_max_ms == 0 ||
		rule->delay_max_ms >= rule->delay_min_ms);
}

static void rule_fill(struct evkv_fault_rule *rule)
{
	if (rule->status == EVKV_OK)
		rule->status = EVKV_UNAVAILABLE;
	if (rule->cause == EVKV_CAUSE_NONE)
		rule->cause = EVKV_CAUSE_RESET;
	if (rule->delay_max_ms == 0)
		rule->delay_max_ms = rule->delay_min_ms;
	if (rule->turns == 0)
		rule->turns = TURNS;
}

/* Rules are few and seldom added: the array grows by one. */
static int rule_add(struct fault *fault, const struct evkv_fault_rule *asked)
{
	struct rule *rules;

	if (!rule_ok(asked))
		return -1;
	rules = evkv_calloc(fault->rule_count + 1, sizeof(*rules));
	if (rules == NULL)
		return -1;
	if (fault->rule_count > 0)
		memcpy(rules, fault->rules, fault->rule_count * sizeof(*rules));
	evkv_free(fault->rules);
	fault->rules = rules;
	rules[fault->rule_count].asked = *asked;
	rule_fill(&rules[fault->rule_count].asked);
	return (int)fault->rule_count++;
}

bool evkv__fault_options(struct fault *fault,
    const struct evkv_fault_options *options)
{
	const struct {
		enum evkv_fault_action action;
		unsigned permille;
	} rows[] = {
		{ EVKV_FAULT_FAIL, options->fail_permille },
		{ EVKV_FAULT_LOSE, options->lose_permille },
		{ EVKV_FAULT_DROP, options->drop_permille },
		{ EVKV_FAULT_REORDER, options->reorder_permille },
		{ EVKV_FAULT_DELAY, options->delay_permille },
	};
	struct evkv_fault_rule rule = { .action = EVKV_FAULT_FAIL };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rule.action = rows[i].action;
		rule.permille = rows[i].permille;
		rule.delay_max_ms = options->delay_ms != 0 ? options->delay_ms
							   : DELAY_MS;
		if (rule.permille > 0 && rule_add(fault, &rule) < 0)
			return false;
	}
	return true;
}

int evkv_fault_add_sized(struct evkv_store *store,
    const struct evkv_fault_rule *given, size_t size)
{
	struct fault *fault = evkv__fault_self(store);
	struct evkv_fault_rule rule;

	if (fault == NULL || given == NULL ||
	    !evkv_options_read(&rule, sizeof(rule), given, size, NULL))
		return -1;
	return rule_add(fault, &rule);
}

uint64_t evkv_fault_fired(const struct evkv_store *store, int rule)
{
	const struct fault *fault = evkv__fault_self(store);

	if (fault == NULL || rule < 0 || (size_t)rule >= fault->rule_count)
		return 0;
	return fault->rules[rule].fired;
}

void evkv_fault_clear(struct evkv_store *store)
{
	struct fault *fault = evkv__fault_self(store);

	if (fault == NULL)
		return;
	evkv_free(fault->rules);
	fault->rules = NULL;
	fault->rule_count = 0;
}
