/*
 * engines/executor/port.h - what lanes and ports have between them.
 */
#ifndef EVKV_ENGINES_EXECUTOR_PORT_H
#define EVKV_ENGINES_EXECUTOR_PORT_H

#include "engines/executor/executor.h"

struct executor_port *evkv__port_get(struct evkv_loop *loop,
    struct evkv_executor *executor);
/* Call done() for `count` jobs; the lane may be gone afterwards. */
void evkv__lane_deliver(struct evkv_lane *lane, struct evkv_job *jobs,
    size_t count);

#endif
