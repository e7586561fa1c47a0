/*
 * stores/jsonfile/store.h - the store: a file, and the entries that it holds.
 */
#ifndef EVKV_STORES_JSONFILE_STORE_H
#define EVKV_STORES_JSONFILE_STORE_H

#include "engines/serial/serial.h"
#include "evkv/stores/jsonfile.h"
#include "stores/jsonfile/file.h"
#include "stores/jsonfile/table.h"

struct jsonfile {
	struct serial_store serial; /* first */

	/* The worker's. */
	struct json_file file;
	struct jsonfile_table table; /* what the file holds */
	struct file_failure wrong;   /* status not OK: it can't be read */
	bool loaded;                 /* these two are of the file's stamp */
	bool changed;                /* the table is ahead of the file */
};

/* work.c */
bool evkv__jsonfile_open(void *self, struct file_failure *failure);
void evkv__jsonfile_run(void *self, struct serial_job *first);
void evkv__jsonfile_close(void *self, struct file_failure *failure);
/* entries.c: do a job on the table. */
void evkv__jsonfile_do(struct jsonfile *json, struct serial_job *job);

#endif
