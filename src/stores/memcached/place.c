/*
 * Which server has a key. libmemcached computes it, on a handle that is never
 * connected, so that entries are where other clients look for them.
 *
 * Servers that are ejected are left out by making the ring again without them,
 * as libmemcached does; with all of them out it is as if none were. A ring of a
 * hundred servers takes some milliseconds, one of ten a tenth of that.
 */
#include <libmemcached/memcached.h>

#include "place.h"

#include <string.h>

#include "evkv/driver.h"

struct memcached_place {
	const struct evkv_memcached_options *options; /* the store's */
	memcached_st *ring;
	size_t count;    /* of the servers in the ring */
	uint16_t *which; /* of all servers, the i-th in the ring */
	bool *ejected;   /* of all servers */
};

/* ---- The ring --------------------------------------------------------- */

static bool place_distribute(memcached_st *ring,
    enum evkv_memcached_distribution distribution)
{
	if (distribution == EVKV_MEMCACHED_KETAMA_WEIGHTED)
		return memcached_behavior_set(ring,
			   MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED,
			   1) == MEMCACHED_SUCCESS;
	return distribution == EVKV_MEMCACHED_MODULA ||
	    memcached_behavior_set(ring, MEMCACHED_BEHAVIOR_KETAMA, 1) ==
	    MEMCACHED_SUCCESS;
}

/* NULL = no memory. */
static memcached_st *place_ring(const struct memcached_place *place,
    const uint16_t *which, size_t count)
{
	memcached_st *ring = memcached_create(NULL);
	memcached_return_t added = MEMCACHED_SUCCESS;

	if (ring == NULL)
		return NULL;
	/* The distribution comes last: each change would compute it anew. */
	for (size_t i = 0; i < count && added == MEMCACHED_SUCCESS; i++) {
		const struct evkv_memcached_server
		    *server = &place->options->servers[which[i]];

		added = memcached_server_add_with_weight(ring, server->host,
		    (in_port_t)server->port, (uint32_t)server->weight);
	}
	if (added == MEMCACHED_SUCCESS &&
	    place_distribute(ring, place->options->distribution))
		return ring;
	memcached_free(ring);
	return NULL;
}

/* The ring of those that are not ejected; without memory it stays as it is. */
static bool place_make(struct memcached_place *place)
{
	uint16_t which[EVKV_MEMCACHED_SERVERS_MAX];
	size_t servers = place->options->server_count, count = 0;
	memcached_st *ring;

	for (size_t i = 0; i < servers; i++) {
		if (!place->ejected[i])
			which[count++] = (uint16_t)i;
	}
	for (size_t i = 0; count == 0 && i < servers; i++)
		which[i] = (uint16_t)i;
	if (count == 0)
		count = servers;
	ring = place_ring(place, which, count);
	if (ring == NULL)
		return false;
	if (place->ring != NULL)
		memcached_free(place->ring);
	place->ring = ring;
	place->count = count;
	memcpy(place->which, which, count * sizeof(which[0]));
	return true;
}

/* ---- Outside ---------------------------------------------------------- */

struct memcached_place *evkv__memcached_place_new(
    const struct evkv_memcached_options *options, struct evkv_error *error)
{
	size_t count = options->server_count;
	struct memcached_place *place = evkv_calloc(1,
	    sizeof(*place) +
		count * (sizeof(*place->which) + sizeof(*place->ejected)));

	if (place != NULL) {
		place->options = options;
		place->which = (uint16_t *)(place + 1);
		place->ejected = (bool *)(place->which + count);
		if (place_make(place))
			return place;
		evkv_free(place);
	}
	evkv_error_set(error, EVKV_NOMEM, "memcached: out of memory");
	return NULL;
}

void evkv__memcached_place_free(struct memcached_place *place)
{
	if (place == NULL)
		return;
	memcached_free(place->ring);
	evkv_free(place);
}

size_t evkv__memcached_place_of(struct memcached_place *place, const char *name,
    size_t size)
{
	return place->which[memcached_generate_hash(place->ring, name, size)];
}

void evkv__memcached_place_eject(struct memcached_place *place, size_t server,
    bool ejected)
{
	if (place->ejected[server] == ejected)
		return;
	place->ejected[server] = ejected;
	(void)place_make(place);
}
