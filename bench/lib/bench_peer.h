/*
 * bench/lib/bench_peer.h - a server in a process of its own that does nothing
 * but answer, so that what is measured is the client.
 */
#ifndef BENCH_LIB_BENCH_PEER_H
#define BENCH_LIB_BENCH_PEER_H

#include <sys/types.h>

#include "evkv/slice.h"

struct bench_peer {
	pid_t pid;                        /* 0 = there is none */
	int port;                         /* of 127.0.0.1 */
	volatile unsigned long *requests; /* that came, in memory it shares */
};

/*
 * The size of the first request in these bytes, 0 = it is not whole yet; and
 * its answer, which stays until the next call.
 */
typedef size_t bench_peer_answer(const char *bytes, size_t size,
    struct evkv_slice *answer);

/*
 * Works, or ends the program. Before any thread is started. Where there are two
 * processors the peer has the second, and the caller the first.
 */
void bench_peer_start(struct bench_peer *peer, bench_peer_answer *answer);
void bench_peer_stop(struct bench_peer *peer);

#endif
