/*
 * tests/lib/script_server.h - real servers that a script of scripts/servers
 * runs, which fetches and builds what no package has.
 *
 *     struct script_server server;
 *
 *     script_server_start(&server, &(struct script_server_options){
 *         .script = "mongodb", .kind = "java" });
 *     ... 127.0.0.1:server.port ...
 *     script_server_stop(&server);
 *
 * Where the script says that something is not installed the test is skipped
 * with its words, but with CI=true in the environment it fails. The server dies
 * with the thread that started it, and is only ever signalled by its pid. To
 * fetch and build takes minutes: tests/EvkvTest.cmake has a test that does it,
 * evkv_add_server(), on which others depend.
 */
#ifndef TESTS_LIB_SCRIPT_SERVER_H
#define TESTS_LIB_SCRIPT_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct script_server_options {
	const char *script; /* in scripts/servers */
	const char *kind;   /* its first argument */
	/* More, after the port and the folder, ended by NULL; NULL = none. */
	const char *const *arguments;
	const char *folder; /* an existing one, which stays; NULL = a new one */
};

struct script_server {
	pid_t pid; /* 0 = not running */
	int port;
	char folder[128]; /* removed by script_server_stop(), if it was new */
	bool own_folder;
	char problem[400]; /* why the last call failed */
	bool lacking;      /* because something is not installed */
	char *arguments[32];
};

/* Start it and wait until its port is open. Skips, fails the test or works. */
void script_server_start(struct script_server *server,
    const struct script_server_options *options);
/* As script_server_start(). false: server->problem says why. */
bool script_server_try(struct script_server *server,
    const struct script_server_options *options);

/* SIGSTOP and SIGCONT: connections stay open and nothing is answered. */
void script_server_pause(struct script_server *server);
void script_server_resume(struct script_server *server);

/* kill -9, and wait for its end. */
void script_server_kill(struct script_server *server);
/* SIGTERM, and wait for its end. */
void script_server_terminate(struct script_server *server);
/* Start one that has ended again, on the same port; waits. */
bool script_server_restart(struct script_server *server);
/* End it and remove its folder. */
void script_server_stop(struct script_server *server);

/*
 * One server for all cases of a program, which Criterion runs in processes of
 * their own: started before main(), found through the environment.
 *
 *     SCRIPT_SERVER_SHARED("mongodb", "java")
 *     int port = script_server_shared();
 */
#define SCRIPT_SERVER_SHARED(script_, kind_)                                   \
	__attribute__((constructor)) static void script_server_want(void)      \
	{                                                                      \
		script_server_share(&(struct script_server_options){           \
		    .script = (script_), .kind = (kind_) });                   \
	}
void script_server_share(const struct script_server_options *options);
/* Its port. Skips or fails the test as script_server_start() does. */
int script_server_shared(void);

#endif
