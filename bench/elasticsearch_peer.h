/*
 * bench/elasticsearch_peer.h - what a search node says that does nothing but
 * answer: every document that is looked up is there, every write is done.
 */
#ifndef BENCH_ELASTICSEARCH_PEER_H
#define BENCH_ELASTICSEARCH_PEER_H

#include "bench_peer.h"

/* The value of documents whose collection is this; of others 100 bytes. */
#define PEER_LARGE "large"
#define PEER_LARGE_SIZE 10000

bench_peer_answer elasticsearch_peer_answer;

#endif
