/**
 * @file
 * A strict reader and writer of JSON (RFC 8259), for authors.
 *
 *     evkv_json_reader_init(&reader, NULL);
 *     evkv_json_feed(&reader, bytes, true);
 *     while (evkv_json_next(&reader, &token) < EVKV_JSON_MORE)
 *         my_token(&token);
 *     evkv_json_reader_clear(&reader);
 *
 * The reader takes a document in pieces of any size and gives its tokens one by
 * one. It keeps the text of each number, so that none loses a digit. What is
 * not JSON to the letter is an error: invalid UTF-8, lone surrogates, depth
 * over the bound, NaN, anything after the end. Names that stand twice in an
 * object are for the caller to find. Any thread, one at a time.
 */
#ifndef EVKV_JSON_H
#define EVKV_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evkv/export.h"
#include "evkv/slice.h"

EVKV_BEGIN_DECLS

/** The deepest nesting that any reader takes. */
#define EVKV_JSON_DEPTH_MAX 64
/** Room for the text of any number that the writer writes, in bytes. */
#define EVKV_JSON_NUMBER_MAX 48

/** What evkv_json_next() gives. */
enum evkv_json_kind {
	EVKV_JSON_OBJECT,     /**< "{" */
	EVKV_JSON_OBJECT_END, /**< "}" */
	EVKV_JSON_ARRAY,      /**< "[" */
	EVKV_JSON_ARRAY_END,  /**< "]" */
	EVKV_JSON_NAME,       /**< a member's name, with its colon read */
	EVKV_JSON_STRING,     /**< a string */
	EVKV_JSON_NUMBER,     /**< a number */
	EVKV_JSON_TRUE,       /**< true */
	EVKV_JSON_FALSE,      /**< false */
	EVKV_JSON_NULL,       /**< null */
	EVKV_JSON_PART,       /**< a part of a string; see `parts` */
	EVKV_JSON_MORE,       /**< no token: all that was fed is read */
	EVKV_JSON_END,        /**< no token: the document is complete */
	EVKV_JSON_ERROR,      /**< no token: see evkv_json_reader.why */
};

/** A token; its text lives until the next call on the reader. */
struct evkv_json_token {
	/** what it is */
	enum evkv_json_kind kind;
	/** NAME, STRING, PART: `text` has escapes; see evkv_json_unescape() */
	bool escaped;
	/** as it stands in the document; strings and names without the quotes
	 */
	struct evkv_slice text;
	/** where it begins, in bytes from the document's start */
	uint64_t offset;
};

/** What a reader takes; zero in a field is its default. */
struct evkv_json_limits {
	/** nested objects and arrays; 0 = 32, at most 64 */
	unsigned max_depth;
	/** the longest string or number, in bytes; 0 = no bound */
	size_t max_token;
	/**
	 * Give a string (no name) of which only a beginning was fed in parts,
	 * instead of keeping that until its end has come: some EVKV_JSON_PART,
	 * and EVKV_JSON_STRING with the rest, which may be empty. Each part
	 * stands for whole characters. `max_token` then bounds no string.
	 */
	bool parts;
};

/** A reader. All fields are its own; `why` and `offset` may be read. */
struct evkv_json_reader {
	/** ERROR: what is wrong, in static storage */
	const char *why;
	/** ERROR: where, in bytes from the document's start */
	uint64_t offset;
	/** the rest is the reader's */
	struct evkv_json_limits limits;
	/** what was fed and is not read yet */
	struct evkv_slice input;
	/** whether nothing follows it */
	bool last;
	/** what the grammar takes next */
	int expects;
	/** how deep it is */
	unsigned depth;
	/** a bit for each level: an object */
	uint64_t objects;
	/** the bytes read before `input` */
	uint64_t before;
	/** a token whose end has not been fed yet */
	char *held;
	/** how many bytes of it there are */
	size_t held_size;
	/** how many there is room for */
	size_t held_room;
	/** the token that is being read */
	struct evkv_json_token token;
	/** it is unfinished */
	bool inside;
	/** its last byte was a backslash */
	bool backslash;
	/** the first bytes of `held` that were given as a part */
	size_t given;
};

/**
 * Begin a document.
 * @param reader  filled in
 * @param limits  copied; NULL = the defaults
 */
EVKV_API void evkv_json_reader_init(struct evkv_json_reader *reader,
    const struct evkv_json_limits *limits);

/** Free what a reader holds; it may be initialised again. */
EVKV_API void evkv_json_reader_clear(struct evkv_json_reader *reader);

/**
 * Feed the next piece, when all before it has been read (EVKV_JSON_MORE).
 * @param reader  the reader
 * @param bytes   must live until they have been read
 * @param last    nothing follows
 */
EVKV_API void evkv_json_feed(struct evkv_json_reader *reader,
    struct evkv_slice bytes, bool last);

/**
 * The next token.
 * @param reader  the reader
 * @param token   filled in, unless MORE, END or ERROR is returned
 * @return its kind; after END and ERROR always the same again
 */
EVKV_API enum evkv_json_kind evkv_json_next(struct evkv_json_reader *reader,
    struct evkv_json_token *token);

/**
 * The bytes that a NAME's, STRING's or PART's text stands for.
 * @param token  a NAME, a STRING or a PART
 * @param out    room for token->text.size bytes; may be the text itself
 * @return how many bytes these are
 */
EVKV_API size_t evkv_json_unescape(const struct evkv_json_token *token,
    char *out);

/**
 * The value of a number's text, exactly. 1.0 and 1e3 are no integers.
 * @return false where it is none, or does not fit
 */
EVKV_API bool evkv_json_int(struct evkv_slice text, int64_t *number);
/** As evkv_json_int(), unsigned. */
EVKV_API bool evkv_json_uint(struct evkv_slice text, uint64_t *number);
/** The nearest double; false where it would be infinite. */
EVKV_API bool evkv_json_double(struct evkv_slice text, double *number);

/** Whether bytes are valid UTF-8. */
EVKV_API bool evkv_utf8_check(struct evkv_slice bytes);

/**
 * A writer: text in one piece, which grows. Zero it to begin. Commas and colons
 * come by themselves; the order of calls is the caller's affair.
 */
struct evkv_json_writer {
	/** the text so far; NULL at first */
	char *data;
	/** its size in bytes */
	size_t size;
	/** out of memory, or what was written is not JSON: invalid UTF-8,
	 * NaN, infinity; then the text is useless */
	bool failed;
	/** the writer's: room for the text, and whether a comma comes next */
	size_t room;
	/** the writer's */
	bool comma;
};

/** Free the text; the writer is as at the beginning. */
EVKV_API void evkv_json_writer_clear(struct evkv_json_writer *writer);
/** Begin an object. */
EVKV_API void evkv_json_put_object(struct evkv_json_writer *writer);
/** End an object. */
EVKV_API void evkv_json_put_object_end(struct evkv_json_writer *writer);
/** Begin an array. */
EVKV_API void evkv_json_put_array(struct evkv_json_writer *writer);
/** End an array. */
EVKV_API void evkv_json_put_array_end(struct evkv_json_writer *writer);
/** A member's name; its value follows. */
EVKV_API void evkv_json_put_name(struct evkv_json_writer *writer,
    struct evkv_slice name);
/** A string. */
EVKV_API void evkv_json_put_string(struct evkv_json_writer *writer,
    struct evkv_slice string);
/** An integer. */
EVKV_API void evkv_json_put_int(struct evkv_json_writer *writer,
    int64_t number);
/** An integer. */
EVKV_API void evkv_json_put_uint(struct evkv_json_writer *writer,
    uint64_t number);
/** A double, in the shortest text that reads back equal. */
EVKV_API void evkv_json_put_double(struct evkv_json_writer *writer,
    double number);
/** true or false. */
EVKV_API void evkv_json_put_bool(struct evkv_json_writer *writer, bool value);
/** null. */
EVKV_API void evkv_json_put_null(struct evkv_json_writer *writer);
/** A value that is JSON text already; not checked. */
EVKV_API void evkv_json_put_raw(struct evkv_json_writer *writer,
    struct evkv_slice text);
/** A string that holds bytes in base64. */
EVKV_API void evkv_json_put_base64(struct evkv_json_writer *writer,
    struct evkv_slice bytes);
/** A line end after a document: another one may follow (NDJSON). */
EVKV_API void evkv_json_put_line(struct evkv_json_writer *writer);

EVKV_END_DECLS

#endif
