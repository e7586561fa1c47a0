/*
 * tests/stores/log/log_files.h - looks into the files of a log that is closed,
 * without a store.
 */
#ifndef TESTS_STORES_LOG_LOG_FILES_H
#define TESTS_STORES_LOG_LOG_FILES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the log at `path` opens, with its index files and without any, to the
 * same entries. One that is not there is sound.
 */
bool log_files_sound(const char *path, char *wrong, size_t size);

#endif
