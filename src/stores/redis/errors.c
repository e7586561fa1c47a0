/*
 * What a server's error replies mean. The words of the server always come with
 * the result; where they need one, an explanation of ours goes before them.
 */
#include <stdio.h>

#include "store.h"

struct errors_rule {
	const char *code;
	enum evkv_status status;
	enum evkv_cause cause;
	bool reconnect;
	const char *ours; /* before the server's words; NULL = nothing */
};

#define ERRORS_CLUSTER "cluster mode is not supported yet"

static const struct errors_rule errors_rules[] = {
	{ "OOM", EVKV_NOSPACE, EVKV_CAUSE_SERVER, false, NULL },
	{ "READONLY", EVKV_REFUSED, EVKV_CAUSE_SERVER, true, NULL },
	{ "MISCONF", EVKV_REFUSED, EVKV_CAUSE_SERVER, false, NULL },
	{ "NOREPLICAS", EVKV_REFUSED, EVKV_CAUSE_SERVER, false, NULL },
	{ "LOADING", EVKV_UNAVAILABLE, EVKV_CAUSE_SERVER, false, NULL },
	{ "MASTERDOWN", EVKV_UNAVAILABLE, EVKV_CAUSE_SERVER, false, NULL },
	{ "NOAUTH", EVKV_REFUSED, EVKV_CAUSE_AUTH, false, NULL },
	{ "WRONGPASS", EVKV_REFUSED, EVKV_CAUSE_AUTH, false, NULL },
	{ "NOPERM", EVKV_REFUSED, EVKV_CAUSE_AUTH, false, NULL },
	{ "DENIED", EVKV_REFUSED, EVKV_CAUSE_AUTH, false, NULL },
	{ "MOVED", EVKV_UNSUPPORTED, EVKV_CAUSE_SERVER, false, ERRORS_CLUSTER },
	{ "ASK", EVKV_UNSUPPORTED, EVKV_CAUSE_SERVER, false, ERRORS_CLUSTER },
	{ "CROSSSLOT", EVKV_UNSUPPORTED, EVKV_CAUSE_SERVER, false,
	    ERRORS_CLUSTER },
	{ "TRYAGAIN", EVKV_UNSUPPORTED, EVKV_CAUSE_SERVER, false,
	    ERRORS_CLUSTER },
	{ "CLUSTERDOWN", EVKV_UNSUPPORTED, EVKV_CAUSE_SERVER, false,
	    ERRORS_CLUSTER },
	/* Not our BUSY: a client's script holds the server. */
	{ "BUSY", EVKV_SERVER, EVKV_CAUSE_SERVER, false, NULL },
	/* Within a script, NOPERM has no code of its own. */
	{ "ERR The user executing the script can't run", EVKV_REFUSED,
	    EVKV_CAUSE_AUTH, false, NULL },
	{ "ERR ACL failure in script:", EVKV_REFUSED, EVKV_CAUSE_AUTH, false,
	    NULL },
	{ "ERR max number of clients reached", EVKV_UNAVAILABLE,
	    EVKV_CAUSE_SERVER, false, NULL },
};

static const struct errors_rule errors_other = { "", EVKV_SERVER,
	EVKV_CAUSE_SERVER, false, NULL };

/* Whether an error's text begins with a code, as a whole word. */
bool evkv__redis_error_is(struct evkv_slice words, const char *code)
{
	size_t size = strlen(code);

	if (words.size < size || memcmp(words.data, code, size) != 0)
		return false;
	return words.size == size || ((const char *)words.data)[size] == ' ';
}

/* The words as one printable line. */
static void errors_print(struct redis_error *error, const char *ours,
    struct evkv_slice words)
{
	const char *text = words.data;
	size_t at = 0;

	if (ours != NULL)
		at = (size_t)snprintf(error->message, sizeof(error->message),
		    "%s: ", ours);
	for (size_t i = 0; i < words.size && at + 1 < sizeof(error->message);
	     i++)
		error->message[at++] = text[i] < ' ' && text[i] >= 0 ? '?'
								     : text[i];
	error->message[at] = '\0';
}

void evkv__redis_error_read(struct evkv_slice words, struct redis_error *error)
{
	const struct errors_rule *rule = &errors_other;

	for (size_t i = 0; i < sizeof(errors_rules) / sizeof(errors_rules[0]);
	     i++) {
		if (evkv__redis_error_is(words, errors_rules[i].code)) {
			rule = &errors_rules[i];
			break;
		}
	}
	error->status = rule->status;
	error->cause = rule->cause;
	error->reconnect = rule->reconnect;
	errors_print(error, rule->ours, words);
}
