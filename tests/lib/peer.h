/*
 * tests/lib/peer.h - a server on the test's own loop that misbehaves as told.
 *
 *     struct peer *peer = peer_open(rig.base, &(struct peer_options){
 *         .respond = my_respond });
 *     peer->plan.cut_out = 17;     // break off in the middle of a reply
 *     ... connect to 127.0.0.1:peer->port ...
 *     peer_close(peer);
 *
 * `respond` speaks the protocol; the plan says what goes wrong with what it
 * says. Nothing here waits or depends on time: things happen in the turns of
 * the loop. One connection is served at a time as the newest; older ones live
 * on until they are cut.
 */
#ifndef TESTS_LIB_PEER_H
#define TESTS_LIB_PEER_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct peer;
struct peer_conn;

#define PEER_NEVER ((size_t)-1)

/* May be changed at any time; counts are those of each connection. */
struct peer_plan {
	bool silent;    /* reads, answers nothing */
	bool deaf;      /* does not even read */
	bool hold;      /* keeps answers back until it is false again */
	bool reset;     /* cuts by RST instead of FIN */
	size_t piece;   /* bytes sent per turn; 0 = all */
	size_t cut_in;  /* cut after so many bytes were taken; PEER_NEVER */
	size_t cut_out; /* cut after so many bytes were sent; PEER_NEVER */
	const char *greeting; /* said first, without being asked; or NULL */
};

struct peer_options {
	/* a unix socket instead of a port of 127.0.0.1 */
	const char *unix_path;
	bool ipv6; /* ::1 instead of 127.0.0.1 */
	/*
	 * TLS: PEM files; ca_file: clients need a certificate of that
	 * authority.
	 */
	const char *cert_file, *key_file, *ca_file;
	int receive_buffer; /* SO_RCVBUF in bytes; 0 = the system's */
	/* Take commands from the bytes at data; how many are done with. */
	size_t (*respond)(struct peer_conn *conn, const char *data, size_t size,
	    void *arg);
	void *arg;
};

struct peer {
	struct peer_plan plan;
	int port;
	unsigned accepted;        /* connections so far */
	unsigned alive;           /* connections now */
	unsigned cuts;            /* connections that the peer has ended */
	struct peer_conn *newest; /* NULL when it is gone */
	/* The rest is the peer's own. */
	struct event_base *base;
	struct peer_options options;
	int fd;
	struct event *accept_event;
	void *context; /* SSL_CTX */
	struct peer_conn *conns;
};

/* Listens from now on. Fails the test or works. */
struct peer *peer_open(struct event_base *base,
    const struct peer_options *options);
/* Cut everything and free it. NULL is ignored. */
void peer_close(struct peer *peer);

/* Other files for TLS, from the next connection on. */
void peer_secure(struct peer *peer, const char *cert_file, const char *key_file,
    const char *ca_file);

/* Refuse connections, and accept them again, at the same address. */
void peer_refuse(struct peer *peer);
void peer_accept(struct peer *peer);

/* Say something; goes the way of the plan. */
void peer_say(struct peer_conn *conn, const void *data, size_t size);
/* Say what is held back or left, as the plan allows now. */
void peer_release(struct peer *peer);
/* Read what there is, `size` bytes at most, on the newest, deaf or not. */
void peer_gulp(struct peer *peer, size_t size);
/* End a connection (by the plan: FIN or RST), or all of them. */
void peer_cut(struct peer_conn *conn);
void peer_cut_all(struct peer *peer);

/* Bytes taken and sent on a connection so far. */
size_t peer_taken(const struct peer_conn *conn);
size_t peer_sent(const struct peer_conn *conn);

#endif
