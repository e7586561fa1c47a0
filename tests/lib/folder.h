/*
 * tests/lib/folder.h - temporary folders.
 */
#ifndef TESTS_LIB_FOLDER_H
#define TESTS_LIB_FOLDER_H

#include <stddef.h>

/* Make one under $TMPDIR or /tmp. Fails the test or works. */
void folder_make(char *path, size_t size);
/* Remove it with all that is in it. */
void folder_remove(const char *path);

#endif
