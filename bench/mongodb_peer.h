/*
 * bench/mongodb_peer.h - a process that speaks MongoDB's protocol and answers
 * at once: every document that is looked up is there, every write is done.
 */
#ifndef BENCH_MONGODB_PEER_H
#define BENCH_MONGODB_PEER_H

#include <sys/types.h>

struct mongodb_peer {
	pid_t pid; /* 0 = there is none */
	char uri[64];
	volatile unsigned long *commands; /* that came, in memory it shares */
};

/* Works, or ends the program. Before any thread is started. */
void mongodb_peer_start(struct mongodb_peer *peer);
void mongodb_peer_stop(struct mongodb_peer *peer);

#endif
