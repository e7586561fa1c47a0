/*
 * tests/stores/log/damage_kit.h - a log of three files, and copies of it that
 * are damaged.
 */
#ifndef TESTS_STORES_LOG_DAMAGE_KIT_H
#define TESTS_STORES_LOG_DAMAGE_KIT_H

#include "direct.h"

struct damage {
	struct direct direct; /* the log itself, which is open */
	struct direct_config config;
	char folder[200];
	char whole[220]; /* where it is */
	char path[220];  /* where the copy is */
};

/* Three files: puts; some again, and deletes; nothing but one more. */
void damage_begin(struct damage *d);
/* Likewise with another durability than full. */
void damage_begin_at(struct damage *d, enum log_durability durability);
void damage_end(struct damage *d);
/* All but its reserve. */
void damage_copy(const char *from, const char *to);

/* A file of the copy, from and to `damage_room`. */
#define DAMAGE_ROOM (1 << 20)
extern unsigned char damage_room[DAMAGE_ROOM];
size_t damage_read(const struct damage *d, const char *name);
void damage_write(const struct damage *d, const char *name, size_t size);
void damage_remove(const struct damage *d, const char *name);
void damage_write_file(const char *path, const unsigned char *bytes,
    size_t size);
bool damage_is_there(const char *folder, const char *name);

/* Open the copy: the status. */
enum evkv_status damage_open(struct damage *d, struct direct *direct,
    struct file_failure *failure);
/* No value but the right one; returns how many entries are not there. */
unsigned damage_check(struct direct *direct, const char *what);
/* The name of key `i`. */
void damage_key(unsigned i, char text[32]);

/* Run evkv_log_check with these arguments, up to NULL: its exit status. */
int damage_tool(const char *one, const char *two, const char *three);

#endif
