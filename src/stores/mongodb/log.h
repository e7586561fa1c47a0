/*
 * stores/mongodb/log.h - where libmongoc's log goes.
 */
#ifndef EVKV_STORES_MONGODB_LOG_H
#define EVKV_STORES_MONGODB_LOG_H

#include "evkv/task.h"

struct mongodb_log;

/*
 * From now on libmongoc's log may go to this loop. The secrets are borrowed
 * until evkv__mongodb_log_end(). NULL = no memory.
 */
struct mongodb_log *evkv__mongodb_log_begin(struct evkv_loop *loop,
    const char *secret, const char *plain_secret, struct evkv_task *ended);

/*
 * No more. true: it can be freed. false: a post is under way; when it has run
 * `ended` is queued.
 */
bool evkv__mongodb_log_end(struct mongodb_log *log);
void evkv__mongodb_log_free(struct mongodb_log *log);

#endif
