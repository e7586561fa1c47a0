/**
 * @file
 * A store of one loop, used from the loops of other threads.
 *
 *     // on the store's loop, or before it runs
 *     evkv_store_ref(store);
 *     // on the other loop's thread
 *     mine = evkv_bridge_new(loop, store, &error);
 *
 * The bridge is an ordinary store on its loop: it has the store's capabilities
 * (but for EVKV_STORE_IN_PROCESS), its state and the order of its keys. What is
 * submitted in one turn goes over together, and so do the answers; values are
 * handed over, not copied. So several loops share one cached stack, one set of
 * connections, one directory.
 *
 * Share whole stacks. A cache alone, shared under several primaries, would be
 * filled by one loop after another loop's write.
 */
#ifndef EVKV_ADAPTERS_BRIDGE_H
#define EVKV_ADAPTERS_BRIDGE_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

/**
 * A store on `loop` that stands for a store of another loop. On the thread of
 * `loop`. The other loop may be running.
 *
 * The other loop must run; while it serves a bridge, its
 * event_base_dispatch() stays alive. When it is freed first, what is under way
 * ends with CLOSED or UNKNOWN_OUTCOME, and so does everything later. The other
 * loop must not be freed while this call runs.
 *
 * @param loop   the loop that uses the store
 * @param store  the store of the other loop, of which one reference is
 *               consumed, also on failure; NULL is passed through
 * @param error  filled where NULL is returned: INVALID (the store is of this
 *               loop, its loop was freed, or `loop` is NULL) or NOMEM; may be NULL
 */
EVKV_API struct evkv_store *evkv_bridge_new(struct evkv_loop *loop,
    struct evkv_store *store, struct evkv_error *error);

EVKV_END_DECLS

#endif
