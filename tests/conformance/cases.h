/*
 * tests/conformance/cases.h - the list of all cases; see conformance.h.
 *
 * A new case is written as CASE(name) { ... } in one of the files beside this
 * one, and named here with the kinds that it needs and its flags. Every program
 * of the suite then runs it.
 */
#ifndef TESTS_CONFORMANCE_CASES_H
#define TESTS_CONFORMANCE_CASES_H

#include "conformance.h"

#define CASE(name_) void conformance_case_##name_(struct evkv_conformance *c)

#define K_(name_) EVKV_KIND_BIT(EVKV_OP_##name_)
#define K_BASIC (K_(GET) | K_(PUT))
#define K_TTL (K_BASIC | K_(TTL))
#define K_DELETE (K_BASIC | K_(DELETE))
#define K_EXPIRY (K_TTL | K_(EXISTS))
#define K_KEYS (K_BASIC | K_(KEYS))
#define K_NAMES (K_BASIC | K_(COLLECTIONS))

/* X(name, kinds, flags) */
#define CONFORMANCE_BASICS(X)                                                  \
	X(get_of_a_missing_key_is_not_found, K_(GET), 0)                       \
	X(put_then_get, K_BASIC, CASE_STORES)                                  \
	X(put_succeeds_though_nothing_is_kept, K_BASIC, 0)                     \
	X(put_replaces_the_value, K_BASIC, CASE_STORES)                        \
	X(an_empty_value_is_a_value, K_BASIC | K_(EXISTS), CASE_STORES)        \
	X(get_many_answers_in_order_with_duplicates, K_BASIC, CASE_STORES)     \
	X(zero_keys_are_ok, 0, 0)                                              \
	X(a_batch_of_one_is_ok_where_a_single_is_not_found, K_(GET), 0)        \
	X(put_many_sets_each, K_BASIC, CASE_STORES)                            \
	X(put_many_takes_a_ttl_for_each, K_TTL, CASE_STORES)                   \
	X(put_takes_counted_values, K_BASIC, 0)                                \
	X(put_if_absent, K_TTL | K_DELETE, CASE_STORES)                        \
	X(put_if_present, K_TTL, CASE_STORES)                                  \
	X(conditions_hold_for_each_of_a_batch, K_BASIC, CASE_STORES)           \
	X(delete_removes, K_DELETE, CASE_STORES)                               \
	X(delete_many_counts_what_existed, K_DELETE, CASE_STORES)              \
	X(exists_tells_without_the_value, K_BASIC | K_(EXISTS), CASE_STORES)   \
	X(touch_sets_and_removes_a_ttl, K_TTL | K_(TOUCH), CASE_STORES)        \
	X(touch_of_a_missing_key_makes_nothing, K_(TOUCH) | K_(GET), 0)        \
	X(touch_many_takes_a_ttl_for_each, K_TTL | K_(TOUCH), CASE_STORES)     \
	X(ttl_gives_value_and_what_remains, K_TTL, CASE_STORES)                \
	X(clear_empties_one_collection, K_BASIC | K_(CLEAR), CASE_STORES)      \
	X(clear_by_prefix_and_pattern, K_KEYS | K_(CLEAR), CASE_STORES)        \
	X(clear_all_empties_everything, K_NAMES | K_(CLEAR_ALL), CASE_STORES)  \
	X(clear_all_by_prefix_and_pattern_of_collections,                      \
	    K_NAMES | K_(CLEAR_ALL), CASE_STORES)                              \
	X(purge_removes_only_what_has_expired, K_EXPIRY | K_(PURGE_EXPIRED),   \
	    CASE_STORES | CASE_WAITS)                                          \
	X(what_an_empty_store_answers_to_kinds_that_remove,                    \
	    K_(CLEAR) | K_(CLEAR_ALL) | K_(PURGE_EXPIRED), 0)                  \
	X(ping_sync_and_compact_are_ok, K_BASIC, 0)

#define CONFORMANCE_NAMES(X)                                                   \
	X(keys_hold_any_byte, K_BASIC, CASE_STORES)                            \
	X(collections_hold_any_byte, K_BASIC, CASE_STORES)                     \
	X(names_with_odd_bytes_come_back_from_enumeration, K_KEYS | K_NAMES,   \
	    CASE_STORES)                                                       \
	X(the_longest_key_works_and_a_longer_one_fails, K_BASIC, 0)            \
	X(long_keys_that_differ_at_either_end_differ, K_BASIC, CASE_STORES)    \
	X(the_longest_collection_works, K_NAMES, CASE_STORES)                  \
	X(the_empty_collection_is_an_ordinary_one,                             \
	    K_NAMES | K_KEYS | K_(CLEAR), CASE_STORES)                         \
	X(no_two_pairs_meet, K_DELETE | K_NAMES, CASE_STORES)                  \
	X(values_hold_any_byte_and_many_of_them, K_BASIC, CASE_STORES)

#define CONFORMANCE_TTL(X)                                                     \
	X(an_expired_entry_is_absent_for_every_kind,                           \
	    K_EXPIRY | K_DELETE | K_KEYS | K_NAMES | K_(TOUCH),                \
	    CASE_STORES | CASE_WAITS)                                          \
	X(what_has_expired_is_not_counted,                                     \
	    K_EXPIRY | K_(CLEAR) | K_(CLEAR_ALL), CASE_STORES | CASE_WAITS)    \
	X(an_entry_lives_until_its_ttl_has_passed, K_TTL,                      \
	    CASE_STORES | CASE_WAITS)                                          \
	X(the_shortest_ttl_is_neither_at_once_nor_forever, K_EXPIRY,           \
	    CASE_STORES | CASE_WAITS)                                          \
	X(the_longest_ttl_works, K_TTL | K_(TOUCH), CASE_STORES)               \
	X(a_put_without_ttl_removes_the_old_one, K_TTL,                        \
	    CASE_STORES | CASE_WAITS)                                          \
	X(a_put_with_ttl_replaces_the_old_one, K_EXPIRY,                       \
	    CASE_STORES | CASE_WAITS)                                          \
	X(touch_prolongs_and_shortens, K_EXPIRY | K_(TOUCH),                   \
	    CASE_STORES | CASE_WAITS)                                          \
	X(a_conditional_put_that_does_nothing_leaves_the_ttl, K_TTL,           \
	    CASE_STORES)                                                       \
	X(a_ttl_is_never_given_as_zero_for_what_expires, K_TTL, CASE_STORES)

#define CONFORMANCE_ENUMERATION(X)                                             \
	X(keys_of_nothing, K_(KEYS) | K_(COLLECTIONS), 0)                      \
	X(keys_are_those_of_one_collection, K_KEYS | K_DELETE, CASE_STORES)    \
	X(collections_are_those_with_entries, K_NAMES | K_DELETE | K_(CLEAR),  \
	    CASE_STORES)                                                       \
	X(keys_match_prefix_and_pattern, K_KEYS, CASE_STORES)                  \
	X(collections_match_prefix_and_pattern, K_NAMES, CASE_STORES)          \
	X(keys_are_complete_at_any_page_size, K_KEYS, CASE_STORES)             \
	X(collections_are_complete_at_any_page_size, K_NAMES, CASE_STORES)     \
	X(keys_are_complete_while_others_are_written, K_KEYS | K_DELETE,       \
	    CASE_STORES)                                                       \
	X(deleting_what_each_page_names_empties_the_collection,                \
	    K_KEYS | K_DELETE, CASE_STORES)                                    \
	X(a_cursor_fits_only_its_own_query, K_KEYS | K_NAMES, CASE_STORES)     \
	X(a_cursor_that_is_not_ours_is_invalid, K_KEYS, CASE_STORES)           \
	X(a_cursor_that_was_cut_or_altered_does_no_harm, K_KEYS, CASE_STORES)

#define CONFORMANCE_INVALID(X)                                                 \
	X(bad_input_is_invalid_and_names_the_argument, 0, 0)                   \
	X(bad_input_changes_nothing, K_TTL, CASE_STORES)                       \
	X(bad_counted_values_are_invalid, K_BASIC, 0)                          \
	X(a_null_request_is_invalid, 0, 0)                                     \
	X(a_null_store_gives_no_ticket, 0, 0)                                  \
	X(requests_of_other_sizes, K_(PING) | K_(EXISTS), 0)                   \
	X(the_store_tells_of_itself, 0, 0)

#define CONFORMANCE_CLAIMS(X)                                                  \
	X(each_kind_is_done_or_unsupported, 0, 0)                              \
	X(each_condition_is_kept_or_unsupported, K_DELETE, CASE_STORES)        \
	X(versions_are_told_or_unsupported, K_BASIC, CASE_STORES)              \
	X(a_fresh_read_tells_what_was_put, K_BASIC, CASE_STORES)               \
	X(what_is_for_caches_alone_leaves_the_store_alone, K_BASIC,            \
	    CASE_STORES)                                                       \
	X(a_single_call_has_one_entry_whatever_becomes_of_it, 0, 0)

#define CONFORMANCE_VERSIONS(X)                                                \
	X(a_version_comes_where_it_is_asked_for, K_TTL,                        \
	    CASE_STORES | CASE_VERSIONS)                                       \
	X(a_version_of_what_is_missing_is_none, K_BASIC,                       \
	    CASE_STORES | CASE_VERSIONS)                                       \
	X(a_version_changes_with_the_entry, K_DELETE,                          \
	    CASE_STORES | CASE_VERSIONS)                                       \
	X(a_touch_changes_a_version_that_counts, K_BASIC | K_(TOUCH),          \
	    CASE_STORES | CASE_VERSIONS)                                       \
	X(an_incr_tells_the_new_version, K_BASIC | K_(INCR),                   \
	    CASE_STORES | CASE_VERSIONS)                                       \
	X(put_if_version, K_TTL | K_DELETE,                                    \
	    CASE_STORES | CASE_VERSIONS | CASE_PUT_VERSION)                    \
	X(delete_if_version, K_DELETE,                                         \
	    CASE_STORES | CASE_VERSIONS | CASE_DELETE_VERSION)                 \
	X(touch_if_version, K_TTL | K_DELETE | K_(TOUCH),                      \
	    CASE_STORES | CASE_VERSIONS | CASE_TOUCH_VERSION)                  \
	X(versions_hold_for_each_of_a_batch, K_BASIC,                          \
	    CASE_STORES | CASE_VERSIONS | CASE_PUT_VERSION)                    \
	X(of_two_changes_of_one_version_one_is_done, K_BASIC,                  \
	    CASE_STORES | CASE_VERSIONS | CASE_PUT_VERSION)                    \
	X(what_has_expired_has_no_version, K_EXPIRY,                           \
	    CASE_STORES | CASE_WAITS | CASE_VERSIONS | CASE_PUT_VERSION)

#define CONFORMANCE_NUMBERS(X)                                                 \
	X(incr_makes_an_entry_and_adds_to_it, K_TTL | K_(INCR), CASE_STORES)   \
	X(incr_gives_a_ttl_to_what_it_makes_alone, K_TTL | K_(INCR),           \
	    CASE_STORES)                                                       \
	X(incr_many_counts_one_by_one, K_BASIC | K_(INCR), CASE_STORES)        \
	X(incr_of_what_is_no_number_is_invalid, K_TTL | K_(INCR), CASE_STORES) \
	X(incr_over_either_end_is_invalid, K_BASIC | K_(INCR), CASE_STORES)    \
	X(one_bad_number_of_a_batch_fails_alone, K_BASIC | K_(INCR),           \
	    CASE_STORES)                                                       \
	X(incr_counts_everything_that_is_under_way, K_BASIC | K_(INCR),        \
	    CASE_STORES)                                                       \
	X(incr_begins_anew_after_the_expiry, K_EXPIRY | K_(INCR),              \
	    CASE_STORES | CASE_WAITS)                                          \
	X(take_gets_and_deletes, K_BASIC | K_(TAKE), CASE_STORES)              \
	X(take_many_takes_each_once, K_BASIC | K_(TAKE), CASE_STORES)          \
	X(of_two_takes_one_gets_it, K_BASIC | K_(TAKE), CASE_STORES)           \
	X(take_of_what_has_expired_is_not_found, K_EXPIRY | K_(TAKE),          \
	    CASE_STORES | CASE_WAITS)

#define CONFORMANCE_PROMISES(X)                                                \
	X(no_callback_inside_the_call, K_BASIC, 0)                             \
	X(an_inline_callback_comes_once, K_BASIC, 0)                           \
	X(every_call_is_answered_once, K_BASIC, 0)                             \
	X(the_callback_may_be_null, K_BASIC, CASE_STORES)                      \
	X(inputs_are_the_callers_again, K_BASIC, CASE_STORES)                  \
	X(a_kept_value_survives_its_entry, K_DELETE, CASE_STORES)              \
	X(a_kept_value_survives_the_store, K_BASIC, CASE_STORES)               \
	X(operations_on_one_key_take_effect_in_order, K_DELETE, CASE_STORES)   \
	X(batches_keep_the_order_of_each_key, K_BASIC, CASE_STORES)            \
	X(clear_and_clear_all_cover_what_was_told,                             \
	    K_BASIC | K_(CLEAR) | K_(CLEAR_ALL), CASE_STORES)                  \
	X(cancel_ends_an_operation_once, K_BASIC, 0)                           \
	X(cancel_from_a_callback, K_BASIC, 0)                                  \
	X(cancel_of_what_has_ended_is_harmless, K_BASIC, 0)                    \
	X(a_deadline_ends_an_operation_once, K_BASIC, 0)                       \
	X(too_much_pending_is_busy, K_BASIC, 0)                                \
	X(too_many_bytes_pending_are_busy, K_BASIC, 0)                         \
	X(submitting_from_callbacks, K_BASIC, 0)                               \
	X(many_at_once, K_BASIC, 0)                                            \
	X(close_drains_then_tells, K_BASIC, 0)                                 \
	X(close_without_draining, K_BASIC, 0)                                  \
	X(a_closed_store_answers_closed, K_BASIC, 0)                           \
	X(close_twice, K_BASIC, 0)                                             \
	X(close_and_unref_from_a_callback, K_BASIC, 0)                         \
	X(unref_ends_what_is_pending, K_BASIC, 0)                              \
	X(a_second_reference_keeps_the_store, K_BASIC, 0)                      \
	X(freeing_the_loop_ends_everything, K_BASIC, 0)                        \
	X(freeing_the_loop_with_a_closing_store, K_BASIC, 0)                   \
	X(what_persists_is_there_when_opened_again, K_TTL, CASE_STORES)

#define CONFORMANCE_CASES(X)                                                   \
	CONFORMANCE_BASICS(X)                                                  \
	CONFORMANCE_NAMES(X)                                                   \
	CONFORMANCE_TTL(X)                                                     \
	CONFORMANCE_ENUMERATION(X)                                             \
	CONFORMANCE_INVALID(X)                                                 \
	CONFORMANCE_CLAIMS(X)                                                  \
	CONFORMANCE_VERSIONS(X)                                                \
	CONFORMANCE_NUMBERS(X)                                                 \
	CONFORMANCE_PROMISES(X)

#define CASE_DECLARE_(name_, kinds_, flags_) CASE(name_);
CONFORMANCE_CASES(CASE_DECLARE_)

#endif
