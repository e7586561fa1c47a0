/*
 * tests/lib/files.h - small looks at directories and files. They fail the test
 * or work.
 */
#ifndef TESTS_LIB_FILES_H
#define TESTS_LIB_FILES_H

/*
 * How many entries a directory has, beside `.` and `..`. In /proc/self/fd these
 * are our descriptors, with the one that counts them.
 */
int files_count(const char *path);
/*
 * This process comes to have that many threads of a name. A thread bears it
 * soon after its start, and one that was joined is to be seen in
 * /proc/self/task for a moment more.
 */
void files_await_threads(const char *name, int count);
/* Likewise, of an executor's. */
void files_await_workers(int count);

/* Write the text into a file of that folder, instead of what there was. */
void files_write(const char *folder, const char *name, const char *text);

#endif
