/*
 * base/match.h - what a test may know of the matcher.
 */
#ifndef EVKV_BASE_MATCH_H
#define EVKV_BASE_MATCH_H

#include <stddef.h>

#ifdef EVKV_DEBUG
/* Bytes of patterns and names that this thread has looked at. */
extern _Thread_local size_t evkv__match_reads;
#endif

#endif
