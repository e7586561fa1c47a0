/**
 * @file
 * Structs as values: a table describes a C struct once, and a store keeps it as
 * a JSON object that any language reads.
 *
 *     struct user {
 *         int64_t id;
 *         const char *name;
 *         bool has_age;
 *         uint8_t age;
 *     };
 *
 *     static const struct evkv_field user_fields[] = {
 *         { EVKV_FIELD(struct user, id, INT), .flags = EVKV_FIELD_REQUIRED },
 *         { EVKV_FIELD(struct user, name, STRING), .max_length = 80 },
 *         { EVKV_FIELD(struct user, age, UINT), .max_uint = 150,
 *             .present = EVKV_MEMBER(struct user, has_age) },
 *     };
 *     static const struct evkv_schema user_schema =
 *         EVKV_SCHEMA(struct user, user_fields);
 *
 *     typed = evkv_typed_new(store, &user_schema, NULL, &error);
 *     evkv_typed_put(typed, EVKV_LIT("users"), EVKV_LIT("7"), &user, 0,
 *         on_put, NULL);
 *
 * Values are checked both ways. An error names the path, where it stands, what
 * was found and what was expected: `items[3].price: byte 120: expected a number
 * of at least 0, found "x"`. Integers are exact to 64 bits. Members stand in
 * the order of the table; a member that is not in the table is ignored, refused
 * or kept, as the schema says.
 */
#ifndef EVKV_ADAPTERS_TYPED_H
#define EVKV_ADAPTERS_TYPED_H

#include "evkv/store.h"

EVKV_BEGIN_DECLS

struct evkv_json_writer;
struct evkv_schema;
struct evkv_typed;

/* ---- Tables ------------------------------------------------------------- */

/** What a member is in C, and in JSON. */
enum evkv_field_kind {
	/** bool: true or false */
	EVKV_FIELD_KIND_BOOL = 1,
	/** a signed integer of 1, 2, 4 or 8 bytes: a number */
	EVKV_FIELD_KIND_INT,
	/** an unsigned integer of 1, 2, 4 or 8 bytes: a number */
	EVKV_FIELD_KIND_UINT,
	/** float or double: a number */
	EVKV_FIELD_KIND_DOUBLE,
	/** const char *, NUL-terminated: a string; NULL is an absent member */
	EVKV_FIELD_KIND_STRING,
	/** char [N], NUL-terminated: a string of at most N - 1 bytes */
	EVKV_FIELD_KIND_CHARS,
	/** struct evkv_slice of UTF-8: a string */
	EVKV_FIELD_KIND_TEXT,
	/** struct evkv_slice of any bytes: a string of base64 */
	EVKV_FIELD_KIND_BYTES,
	/** int, one of `names`: a string */
	EVKV_FIELD_KIND_ENUM,
	/** int64_t, ms since 1970-01-01 UTC: "2026-11-28T05:00:00.000Z" */
	EVKV_FIELD_KIND_TIME,
	/** struct evkv_slice: a value that is JSON text, kept as it stands */
	EVKV_FIELD_KIND_JSON,
	/** a struct that `schema` describes, or a pointer to one */
	EVKV_FIELD_KIND_STRUCT,
	/**
	 * a union: an object, of which `variants` names the schema by the value
	 * of the ENUM member `tag`
	 */
	EVKV_FIELD_KIND_UNION,
	/** whatever `encode` and `decode` make of it */
	EVKV_FIELD_KIND_CUSTOM,
};

/** Flags of a member. */
enum {
	/**
	 * it must be in the object; without it an absent member is its default
	 */
	EVKV_FIELD_REQUIRED = 1 << 0,
	/** no error and no log shows its value */
	EVKV_FIELD_SECRET = 1 << 1,
	/** STRUCT: the member is a pointer, NULL where it is absent */
	EVKV_FIELD_POINTER = 1 << 2,
};

/** A name of an enum's value; a table of them ends with a NULL name. */
struct evkv_field_name {
	/** the name in JSON */
	const char *name;
	/** the value in C */
	int value;
};

/** What a union holds for a value of its tag; a table ends with NULL. */
struct evkv_field_variant {
	/** describes the struct in the union; NULL ends the table */
	const struct evkv_schema *schema;
	/** the value of the tag */
	int tag;
};

/** An error while a struct is encoded or decoded. */
struct evkv_typed_error {
	/** the path and what is wrong, in one line, never with a secret */
	char message[256];
	/** decoding: where, in bytes from the value's start */
	uint64_t offset;
};

/** Memory that lives as long as a decoded struct, for CUSTOM fields. */
struct evkv_arena;
/** Memory from an arena, aligned as by malloc(); NULL = out of memory. */
EVKV_API void *evkv_arena_alloc(struct evkv_arena *arena, size_t size);

/** One member of a struct. Zero in a field is its default. */
struct evkv_field {
	/** the name in JSON */
	const char *name;
	/** EVKV_FIELD_KIND_* */
	enum evkv_field_kind kind;
	/** EVKV_FIELD_REQUIRED and others */
	uint32_t flags;
	/** where the member is, in bytes */
	size_t offset;
	/** sizeof the member, of one element where it is an array */
	size_t width;
	/** an array of fixed length: how many elements it has room for */
	size_t room;
	/**
	 * EVKV_MEMBER() of the size_t that counts the elements; without `room`
	 * the member is a pointer to them
	 */
	size_t counted;
	/** EVKV_MEMBER() of a bool that tells whether the member is there */
	size_t present;
	/** points to the value of an absent member; NULL = all zero */
	const void *fallback;
	/**
	 * INT and TIME: the least; this and max_int 0 = all that fits. Where
	 * one of the two is given, so is the other: INT64_MAX is no bound
	 */
	int64_t min_int;
	/** INT and TIME: the most; this and min_int 0 = all that fits */
	int64_t max_int;
	/** UINT: the least */
	uint64_t min_uint;
	/** UINT: the most; 0 = all that fits */
	uint64_t max_uint;
	/**
	 * DOUBLE: the least; this and max_double 0 = no bounds. Where one of
	 * the two is given, so is the other: DBL_MAX is no bound
	 */
	double min_double;
	/** DOUBLE: the most; this and min_double 0 = no bounds */
	double max_double;
	/** the least length: strings, BYTES in bytes, arrays in elements */
	size_t min_length;
	/** the greatest length; 0 = no bound */
	size_t max_length;
	/** ENUM: the names */
	const struct evkv_field_name *names;
	/** STRUCT: the inner table */
	const struct evkv_schema *schema;
	/** UNION: the tables by tag */
	const struct evkv_field_variant *variants;
	/** UNION: EVKV_MEMBER() of the tag, an int */
	size_t tag;
	/** says what is wrong with a member, in static storage, or NULL */
	const char *(*validate)(const void *member);
	/** CUSTOM: writes one value; false with the error's message filled */
	bool (*encode)(const void *member, struct evkv_json_writer *writer,
	    struct evkv_typed_error *error);
	/** CUSTOM: reads one value, which is valid JSON text */
	bool (*decode)(struct evkv_slice text, struct evkv_arena *arena,
	    void *member, struct evkv_typed_error *error);
};

/** What becomes of members that the table does not have. */
enum evkv_unknown_fields {
	EVKV_UNKNOWN_IGNORE, /**< they are skipped */
	EVKV_UNKNOWN_REFUSE, /**< the value is CORRUPT */
	EVKV_UNKNOWN_KEEP,   /**< kept as text, see evkv_schema.kept */
};

/** A struct: its table. EVKV_SCHEMA() fills in the first four. */
struct evkv_schema {
	/** sizeof(struct evkv_schema) */
	size_t size;
	/** sizeof(struct evkv_field) */
	size_t field_size;
	/** sizeof the C struct */
	size_t object_size;
	/** how many fields there are */
	size_t count;
	/** the fields */
	const struct evkv_field *fields;
	/** what becomes of unknown members */
	enum evkv_unknown_fields unknown;
	/**
	 * KEEP: EVKV_MEMBER() of a struct evkv_slice that takes the unknown
	 * members, as `"a":1,"b":2`; they are written behind the others
	 */
	size_t kept;
	/** the model's version, stored as the member "_version"; 0 = not */
	uint32_t version;
	/** says what is wrong with a struct, in static storage, or NULL */
	const char *(*validate)(const void *object);
};

/** The place of a member, for the fields that name another one. */
#define EVKV_MEMBER(type, member) (offsetof(type, member) + 1)
/** A field of one value: EVKV_FIELD(struct user, id, INT). */
#define EVKV_FIELD(type, member_, kind_)                                       \
	.name = #member_, .kind = EVKV_FIELD_KIND_##kind_,                     \
	.offset = offsetof(type, member_),                                     \
	.width = sizeof(((type *)0)->member_)
/** A field that is an array of fixed length; `counted` tells how much of it is
 * in use, else all is. */
#define EVKV_FIELD_ARRAY(type, member_, kind_)                                 \
	.name = #member_, .kind = EVKV_FIELD_KIND_##kind_,                     \
	.offset = offsetof(type, member_),                                     \
	.width = sizeof(((type *)0)->member_[0]),                              \
	.room = sizeof(((type *)0)->member_) / sizeof(((type *)0)->member_[0])
/** A field that is a pointer to elements, which a size_t member counts. */
#define EVKV_FIELD_LIST(type, member_, count_, kind_)                          \
	.name = #member_, .kind = EVKV_FIELD_KIND_##kind_,                     \
	.offset = offsetof(type, member_),                                     \
	.width = sizeof(((type *)0)->member_[0]),                              \
	.counted = EVKV_MEMBER(type, count_)
/** A schema of all fields of an array. */
#define EVKV_SCHEMA(type, fields_)                                             \
	{                                                                      \
		.size = sizeof(struct evkv_schema),                            \
		.field_size = sizeof(struct evkv_field),                       \
		.object_size = sizeof(type),                                   \
		.count = sizeof(fields_) / sizeof((fields_)[0]),               \
		.fields = (fields_)                                            \
	}

/* ---- Encoding and decoding alone ----------------------------------------- */

/**
 * Write a struct as JSON.
 * @param schema  its table
 * @param object  the struct
 * @param writer  gets one value; to be cleared by the caller
 * @param error   filled where false is returned; may be NULL
 */
EVKV_API bool evkv_typed_encode(const struct evkv_schema *schema,
    const void *object, struct evkv_json_writer *writer,
    struct evkv_typed_error *error);

/**
 * Read a struct. All that it points to lies in one piece with it.
 * @param schema  its table
 * @param bytes   JSON; need not outlive the call
 * @param error   filled where NULL is returned; may be NULL
 * @return the struct, to be freed by evkv_typed_free_object(), or NULL
 */
EVKV_API void *evkv_typed_decode(const struct evkv_schema *schema,
    struct evkv_slice bytes, struct evkv_typed_error *error);

/** Free a struct of evkv_typed_decode() or evkv_typed_take_over(). NULL is
 * ignored. Any thread. */
EVKV_API void evkv_typed_free_object(void *object);

/* ---- Over a store ------------------------------------------------------- */

/** How structs become values; zero in a slot is JSON's. */
struct evkv_codec {
	/** sizeof(struct evkv_codec) */
	size_t size;
	/**
	 * Writes an object as bytes into the writer's data, as text that need
	 * not be JSON; false with a filled error.
	 */
	bool (*encode)(const struct evkv_schema *schema, const void *object,
	    struct evkv_json_writer *writer, struct evkv_typed_error *error);
	/** Reads an object, allocated as by evkv_typed_new_object(). */
	void *(*decode)(const struct evkv_schema *schema,
	    struct evkv_slice bytes, struct evkv_typed_error *error);
};

/** The bytes of the struct itself; for structs without pointers, on machines
 * that are alike. */
EVKV_API extern const struct evkv_codec evkv_codec_raw;

/** A zeroed object of `size` bytes for a codec's decode(), with its arena. */
EVKV_API void *evkv_typed_new_object(size_t size, struct evkv_arena **arena);

/** Options of an adapter; zero in a field is its default. */
struct evkv_typed_options {
	/** how structs become values; NULL = as JSON */
	const struct evkv_codec *codec;
	/** a miss is EVKV_MISSING, a failure with a message */
	bool require;
};

/** evkv_typed_new() with the size of the caller's options. */
EVKV_API struct evkv_typed *evkv_typed_new_sized(struct evkv_store *store,
    const struct evkv_schema *schema, const struct evkv_typed_options *options,
    size_t size, struct evkv_error *error);

/**
 * An adapter for structs of one kind. It is no store: nothing stacks on it.
 * @param store    consumed, also on failure; NULL is passed through
 * @param schema   must outlive the adapter; checked here
 * @param options  copied; NULL = the defaults
 * @param error    filled where NULL is returned: INVALID with what is wrong
 *                 with the schema, or NOMEM
 */
static inline struct evkv_typed *evkv_typed_new(struct evkv_store *store,
    const struct evkv_schema *schema, const struct evkv_typed_options *options,
    struct evkv_error *error)
{
	return evkv_typed_new_sized(store, schema, options, sizeof(*options),
	    error);
}

/** Release the adapter and its store; operations under way go on. NULL is
 * ignored. May be called in a callback. */
EVKV_API void evkv_typed_free(struct evkv_typed *typed);

/** What became of one key. */
struct evkv_typed_entry {
	/** the entry's own status; CORRUPT where the value is no such struct */
	enum evkv_status status;
	/** TTL: what remains, in milliseconds, or EVKV_TTL_NONE */
	int64_t ttl_ms;
	/** the struct, or NULL; lives until the callback returns */
	const void *object;
	/** the version, where one was asked for */
	struct evkv_version version;
};

/** What came back; it lives until the callback returns. */
struct evkv_typed_result {
	/** as in struct evkv_result; CORRUPT where a value is no such struct */
	enum evkv_status status;
	/** why */
	enum evkv_cause cause;
	/** the kind of operation */
	enum evkv_kind kind;
	/** one line about a failure, never NULL */
	const char *message;
	/** how many entries there are */
	size_t count;
	/** the entries, to be read by evkv_typed_result_entry() */
	const void *entries;
	/** the distance from one entry to the next, in bytes */
	size_t entry_size;
	/** entries changed; -1 = can't tell */
	int64_t affected;
};

/** The i-th entry of a result. */
static inline const struct evkv_typed_entry *evkv_typed_result_entry(
    const struct evkv_typed_result *result, size_t i)
{
	return (const struct evkv_typed_entry *)(const void
		*)((const char *)result->entries + i * result->entry_size);
}

/**
 * Keep the struct of an entry beyond the callback: it is the caller's from now
 * on, to be freed by evkv_typed_free_object(). Only in the callback, once.
 */
EVKV_API void *evkv_typed_take_over(const struct evkv_typed_entry *entry);

/** How a result arrives: as evkv_cb, exactly once for each ticket. */
typedef void (*evkv_typed_cb)(const struct evkv_typed_result *result,
    void *arg);

/**
 * Submit any request with keys: evkv_submit() whose values are structs. The
 * short calls below are made of it.
 * @param typed    the adapter
 * @param request  its `values` are NULL
 * @param objects  PUT: request->count pointers to structs, else NULL
 * @param cb       may be NULL
 * @param arg      for the callback
 * @return as evkv_submit(). A struct that does not fit its table is INVALID,
 *         with its path, and nothing is stored.
 */
EVKV_API evkv_ticket evkv_typed_submit(struct evkv_typed *typed,
    const struct evkv_request *request, const void *const *objects,
    evkv_typed_cb cb, void *arg);

/** Store a struct, with a TTL in milliseconds. */
EVKV_API evkv_ticket evkv_typed_put(struct evkv_typed *typed,
    struct evkv_slice collection, struct evkv_slice key, const void *object,
    int64_t ttl_ms, evkv_typed_cb cb, void *arg);
/** Store many; objects[i] under keys[i]. */
EVKV_API evkv_ticket evkv_typed_put_many(struct evkv_typed *typed,
    struct evkv_slice collection, const struct evkv_slice *keys,
    const void *const *objects, size_t count, int64_t ttl_ms, evkv_typed_cb cb,
    void *arg);
/** The struct of a key: OK, NOT_FOUND, or CORRUPT with what is wrong. */
EVKV_API evkv_ticket evkv_typed_get(struct evkv_typed *typed,
    struct evkv_slice collection, struct evkv_slice key, evkv_typed_cb cb,
    void *arg);
/** As evkv_typed_get(), for many keys. */
EVKV_API evkv_ticket evkv_typed_get_many(struct evkv_typed *typed,
    struct evkv_slice collection, const struct evkv_slice *keys, size_t count,
    evkv_typed_cb cb, void *arg);
/** As evkv_typed_get(), with the remaining TTL. */
EVKV_API evkv_ticket evkv_typed_ttl(struct evkv_typed *typed,
    struct evkv_slice collection, struct evkv_slice key, evkv_typed_cb cb,
    void *arg);
/** Remove a key. */
EVKV_API evkv_ticket evkv_typed_delete(struct evkv_typed *typed,
    struct evkv_slice collection, struct evkv_slice key, evkv_typed_cb cb,
    void *arg);
/** Get the struct and remove the key in one step. */
EVKV_API evkv_ticket evkv_typed_take(struct evkv_typed *typed,
    struct evkv_slice collection, struct evkv_slice key, evkv_typed_cb cb,
    void *arg);

EVKV_END_DECLS

#endif
