/*
 * bench/mongodb_peer.h - what a server of MongoDB's says that does nothing but
 * answer: every document that is looked up is there, every write is done.
 */
#ifndef BENCH_MONGODB_PEER_H
#define BENCH_MONGODB_PEER_H

#include "bench_peer.h"

bench_peer_answer mongodb_peer_answer;

#endif
