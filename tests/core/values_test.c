/*
 * tests/core/values_test.c - the blocks of values that a loop uses again.
 */
#include "base/value.h"
#include "faults.h"
#include "rig.h"
#include "scripted.h"
#include "test.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct values {
	struct rig rig;
	struct evkv_loop *loop;
	struct scripted *script;
	struct evkv_store *store;
	struct evkv_value *kept; /* the answer's, where `keep` is set */
	bool keep;
};

static void values_open(struct values *v, enum evkv_scramble scramble)
{
	*v = (struct values){ .keep = false };
	rig_open(&v->rig);
	v->loop = evkv_loop_new_with(v->rig.base,
	    &(struct evkv_loop_options){ .seed = 5, .scramble = scramble },
	    NULL);
	v->script = scripted_new();
	v->store = scripted_store(v->script, v->loop, NULL);
	check(v->store != NULL);
}

static void values_close(struct values *v)
{
	evkv_store_unref(v->store);
	evkv_loop_free(v->loop);
	rig_close(&v->rig);
	evkv_value_unref(v->kept);
	scripted_free(v->script);
	check_int(faults_outstanding(), 0);
}

static void values_keep(struct answer *answer, const struct evkv_result *result,
    void *arg)
{
	struct values *v = arg;

	(void)answer;
	if (v->keep)
		v->kept = evkv_value_ref(evkv_result_entry(result, 0)->value);
}

/* One get with that value; how many allocations answering it took. */
static size_t values_get(struct values *v, struct evkv_slice value)
{
	struct answer answer = { .then = values_keep, .arg = v };
	size_t count;

	evkv_get(v->store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb, &answer);
	faults_reset();
	scripted_complete_value(v->script, 0, value, 0);
	count = faults_count();
	rig_turn(&v->rig);
	check_int(answer.calls, 1);
	check(evkv_slice_equal(answer.entries[0].bytes, value));
	answer_free(&answer);
	return count;
}

EVKV_TEST(values, the_block_of_a_value_is_used_again)
{
	struct values v;

	values_open(&v, EVKV_SCRAMBLE_OFF);
	check_int(values_get(&v, EVKV_LIT("sixteen bytes...")), 1);
	check_int(values_get(&v, EVKV_LIT("sixteen, another")), 0);
	check_int(values_get(&v, EVKV_LIT("seventeen bytes..")), 1);
	check_int(values_get(&v, EVKV_LIT("ten bytes.")), 0);
	check_int(values_get(&v, EVKV_LIT("")), 1);
	values_close(&v);
}

EVKV_TEST(values, a_value_that_is_kept_stays_as_it_is)
{
	struct values v;

	values_open(&v, EVKV_SCRAMBLE_OFF);
	v.keep = true;
	check_int(values_get(&v, EVKV_LIT("kept")), 1);
	v.keep = false;
	check_int(values_get(&v, EVKV_LIT("next")), 1);
	check_slice(evkv_value_bytes(v.kept), "kept");
	values_close(&v);
}

/* More than is kept: the rest goes back. */
EVKV_TEST(values, not_all_blocks_are_kept)
{
	enum { COUNT = 400 };
	struct answer answers[COUNT];
	char bytes[400];
	struct values v;
	size_t before, i;

	memset(bytes, 'x', sizeof(bytes));
	values_open(&v, EVKV_SCRAMBLE_OFF);
	for (i = 0; i < COUNT; i++) {
		answers[i] = (struct answer)ANSWER_INIT;
		evkv_get(v.store, EVKV_LIT("c"), EVKV_LIT("k"), answer_cb,
		    &answers[i]);
	}
	before = faults_outstanding();
	for (i = 0; i < COUNT; i++)
		scripted_complete_value(v.script, 0,
		    evkv_bytes(bytes, sizeof(bytes)), 0);
	check(faults_outstanding() >= before + COUNT);
	rig_turn(&v.rig);
	check(faults_outstanding() < before + COUNT / 2);
	for (i = 0; i < COUNT; i++) {
		check_int(answers[i].calls, 1);
		answer_free(&answers[i]);
	}
	values_close(&v);
}

/* Where inputs are scrambled, values are freed, so that tools see misuse. */
EVKV_TEST(values, a_scrambling_loop_keeps_no_blocks)
{
	struct values v;

	values_open(&v, EVKV_SCRAMBLE_ON);
	check_int(values_get(&v, EVKV_LIT("one")), 1);
	check_int(values_get(&v, EVKV_LIT("two")), 1);
	values_close(&v);
}

/*
 * The owner of a store's entry changes on the thread of its loop: others, who
 * have the entry in an answer of theirs, must not look at it.
 */
EVKV_TEST(values, the_owner_of_an_entry_is_not_looked_at)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct value_spares spares = { .bytes = 0 };
	struct evkv_value *value;
	char *pages;

	pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(pages != MAP_FAILED);
	value = (struct evkv_value *)(void *)(pages + page -
	    sizeof(value->owner));
	value->size = 1;
	value->offset = sizeof(*value) + 8;
	atomic_init(&value->refs, 2);
	check_int(mprotect(pages, page, PROT_NONE), 0);
	evkv__value_unref_spare(&spares, value);
	check_int(atomic_load(&value->refs), 1);
	check_int(munmap(pages, 2 * page), 0);
}
