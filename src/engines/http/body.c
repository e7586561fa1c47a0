/*
 * engines/http/body.c - bodies: those of answers as they come in, in chunks,
 * and gzip both ways.
 *
 * An answer is unpacked when it is read, piece by piece, so that a small one
 * that unpacks to much holds the loop for no longer than others do.
 */
#include "engines/http/http.h"

#include <zlib.h>

#define CHUNK_FIRST 16384
#define CHUNK_NEXT 65536
#define GZIP_BITS (15 + 16) /* zlib's way to say gzip */

struct http_inflate {
	z_stream stream;
	bool ended;
	char piece[EVKV_HTTP_PIECE_MAX];
};

static voidpf gzip_alloc(voidpf arg, uInt count, uInt size)
{
	(void)arg;
	return evkv_calloc(count, size);
}

static void gzip_free(voidpf arg, voidpf memory)
{
	(void)arg;
	evkv_free(memory);
}

struct http_body *evkv__http_body_new(size_t max)
{
	struct http_body *body = evkv_calloc(1, sizeof(*body));

	if (body != NULL)
		body->max = max;
	return body;
}

static void body_drop_first(struct http_body *body)
{
	struct http_chunk *chunk = body->first;

	body->first = chunk->next;
	if (body->first == NULL)
		body->last = NULL;
	evkv_free(chunk);
}

void evkv__http_body_free(struct http_body *body)
{
	if (body == NULL)
		return;
	while (body->first != NULL)
		body_drop_first(body);
	if (body->inflate != NULL)
		(void)inflateEnd(&body->inflate->stream);
	evkv_free(body->inflate);
	evkv_free(body);
}

static struct http_chunk *body_chunk(struct http_body *body, size_t size)
{
	size_t room = body->last == NULL ? CHUNK_FIRST : CHUNK_NEXT;
	struct http_chunk *chunk;

	if (room < size)
		room = size;
	chunk = evkv_malloc(sizeof(*chunk) + room);
	if (chunk == NULL)
		return NULL;
	*chunk = (struct http_chunk){ .room = room };
	if (body->last != NULL)
		body->last->next = chunk;
	else
		body->first = chunk;
	body->last = chunk;
	return chunk;
}

enum http_room evkv__http_body_add(struct http_body *body, const char *data,
    size_t size)
{
	struct http_chunk *chunk = body->last;
	size_t fits;

	if (size > body->max - body->received)
		return HTTP_ROOM_FULL;
	body->received += size;
	while (size > 0) {
		if (chunk == NULL || chunk->size == chunk->room)
			chunk = body_chunk(body, size);
		if (chunk == NULL)
			return HTTP_ROOM_NOMEM;
		fits = chunk->room - chunk->size;
		if (fits > size)
			fits = size;
		memcpy(chunk->data + chunk->size, data, fits);
		chunk->size += fits;
		data += fits;
		size -= fits;
	}
	return HTTP_ROOM;
}

bool evkv__http_body_packed(struct http_body *body)
{
	struct http_inflate *packed = evkv_calloc(1, sizeof(*packed));

	if (packed == NULL)
		return false;
	packed->stream.zalloc = gzip_alloc;
	packed->stream.zfree = gzip_free;
	if (inflateInit2(&packed->stream, GZIP_BITS) != Z_OK) {
		evkv_free(packed);
		return false;
	}
	body->inflate = packed;
	return true;
}

/* ---- Reading ------------------------------------------------------------- */

/* Where to go on; the piece given last is done with. */
static struct http_chunk *body_current(struct http_body *body)
{
	while (body->first != NULL && body->first->at == body->first->size)
		body_drop_first(body);
	return body->first;
}

static enum evkv_http_found body_plain(struct http_body *body,
    struct evkv_slice *piece)
{
	struct http_chunk *chunk = body_current(body);
	size_t size;

	if (chunk == NULL)
		return EVKV_HTTP_BODY_END;
	size = chunk->size - chunk->at;
	if (size > EVKV_HTTP_PIECE_MAX)
		size = EVKV_HTTP_PIECE_MAX;
	*piece = evkv_bytes(chunk->data + chunk->at, size);
	chunk->at += size;
	return EVKV_HTTP_PIECE;
}

/* One step: as much as the piece has room for, of one chunk. */
static int body_inflate_step(struct http_body *body)
{
	struct http_inflate *packed = body->inflate;
	struct http_chunk *chunk = body_current(body);
	int result;

	if (chunk == NULL)
		return Z_DATA_ERROR; /* cut off */
	packed->stream.next_in = (Bytef *)(chunk->data + chunk->at);
	packed->stream.avail_in = (uInt)(chunk->size - chunk->at);
	result = inflate(&packed->stream, Z_NO_FLUSH);
	chunk->at = chunk->size - packed->stream.avail_in;
	return result;
}

static enum evkv_http_found body_unpack(struct http_body *body,
    struct evkv_slice *piece)
{
	struct http_inflate *packed = body->inflate;
	int result = Z_OK;

	if (packed->ended)
		return body_current(body) == NULL ? EVKV_HTTP_BODY_END
						  : EVKV_HTTP_BODY_DAMAGED;
	packed->stream.next_out = (Bytef *)packed->piece;
	packed->stream.avail_out = sizeof(packed->piece);
	while (result == Z_OK && packed->stream.avail_out > 0)
		result = body_inflate_step(body);
	packed->ended = result == Z_STREAM_END;
	if (result == Z_MEM_ERROR)
		return EVKV_HTTP_BODY_NOMEM;
	if (result != Z_OK && result != Z_STREAM_END)
		return EVKV_HTTP_BODY_DAMAGED;
	*piece = evkv_bytes(packed->piece,
	    sizeof(packed->piece) - packed->stream.avail_out);
	if (piece->size == 0)
		return body_unpack(body, piece);
	if (piece->size > body->max - body->given)
		return EVKV_HTTP_BODY_DAMAGED;
	body->given += piece->size;
	return EVKV_HTTP_PIECE;
}

enum evkv_http_found evkv_http_read(struct evkv_http_request *request,
    struct evkv_slice *piece)
{
	struct http_body *body = request->answer;

	*piece = evkv_bytes(NULL, 0);
	if (body == NULL)
		return EVKV_HTTP_BODY_END;
	return body->inflate != NULL ? body_unpack(body, piece)
				     : body_plain(body, piece);
}

void evkv_http_release(struct evkv_http_request *request)
{
	evkv__http_body_free(request->answer);
	request->answer = NULL;
}

/* ---- Requests ------------------------------------------------------------ */

char *evkv__http_pack(struct evkv_slice body, size_t *size)
{
	z_stream stream = { .zalloc = gzip_alloc, .zfree = gzip_free };
	char *packed = NULL;
	size_t room;

	if (deflateInit2(&stream, 1, Z_DEFLATED, GZIP_BITS, 8,
		Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	room = deflateBound(&stream, (uLong)body.size);
	packed = evkv_malloc(room);
	if (packed != NULL) {
		stream.next_in = (Bytef *)(uintptr_t)body.data;
		stream.avail_in = (uInt)body.size;
		stream.next_out = (Bytef *)packed;
		stream.avail_out = (uInt)room;
		(void)deflate(&stream, Z_FINISH);
		*size = room - stream.avail_out;
	}
	(void)deflateEnd(&stream);
	return packed;
}
