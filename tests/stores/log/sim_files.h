/*
 * tests/stores/log/sim_files.h - what a power cut would leave of a folder.
 *
 * The calls that change files are interposed. They work as always, and what
 * they have changed is written down: what fsync() has made durable, and what is
 * only on its way. A cut, before the nth call, makes a copy of the folder in
 * which any subset of what was on its way is lost, and writes are torn.
 *
 * One thread; one folder, whose descriptors are told apart from all others.
 */
#ifndef TESTS_STORES_LOG_SIM_FILES_H
#define TESTS_STORES_LOG_SIM_FILES_H

#include <stdbool.h>
#include <stdint.h>

/* Begin with a folder that exists and is empty. */
void sim_begin(const char *folder, uint64_t seed);
void sim_end(void);
/* Before the nth call from now on, copy what would be left to `folder`. */
void sim_cut_at(unsigned n, const char *folder);
bool sim_was_cut(void);
/* Let the nth call from now on fail; writes and syncs. */
void sim_fail_at(unsigned n, int sys_error);
bool sim_has_failed(void);
uint64_t sim_random(uint64_t below);

#endif
