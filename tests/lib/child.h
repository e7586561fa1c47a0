/*
 * tests/lib/child.h - programs that a test starts, and ports for them.
 */
#ifndef TESTS_LIB_CHILD_H
#define TESTS_LIB_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * A port of 127.0.0.1 that nobody listens on; 0 = none was found. It is below
 * the range from which the kernel picks those of outgoing connections, so it
 * stays free between a server's end and its restart. Until this process ends
 * no other test gets it: a server that starts slowly finds it free, and who
 * asks whether the port is open does not meet the server of another test.
 */
int child_free_port(void);

/* Keep the port from other tests. false = one of them has it */
bool child_claim_port(int port);

/*
 * Run a program, found in PATH, that dies with the thread that started it.
 * `log` is the file that its output is appended to; NULL = nowhere.
 * @return its pid; 0 = errno says why not
 */
pid_t child_spawn(char **arguments, const char *log);

/* kill -9, and wait for its end; *pid becomes 0. Of 0 nothing is done. */
void child_kill(pid_t *pid);

/* SIGSTOP, and wait until all its threads stand still. Of 0 nothing is done. */
void child_pause(pid_t pid);
void child_resume(pid_t pid);

/* The last line of a log, or that there is none. */
void child_last_words(const char *log, char *line, size_t size);

/* Make a folder of its own in the temporary one. false = errno says why not */
bool child_make_folder(char *folder, size_t size);
void child_remove_folder(const char *folder);

#endif
