/*
 * engines/files/cell.h - what became of one key, as a worker tells it to the
 * loop.
 */
#ifndef EVKV_ENGINES_FILES_CELL_H
#define EVKV_ENGINES_FILES_CELL_H

#include "evkv/driver.h"

struct file_cell {
	enum evkv_status status;
	int64_t expires_ms; /* by the wall clock; 0 = never */
	int64_t number;
	struct evkv_version version;
	struct evkv_value *value; /* the cell's own */
};

/*
 * One cell into entry `i`. `now_ms` is the wall clock: remaining TTLs are
 * worked out here, so that nothing is answered that has expired on its way
 * back.
 */
void evkv__file_cell_answer(struct evkv_op *op,
    const struct evkv_request *request, size_t i, struct file_cell *cell,
    int64_t now_ms);

#endif
