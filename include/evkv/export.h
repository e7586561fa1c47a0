/**
 * @file
 * Symbol visibility, C++ linkage and the version.
 */
#ifndef EVKV_EXPORT_H
#define EVKV_EXPORT_H

/** The version of these headers: changes with an incompatible change. */
#define EVKV_VERSION_MAJOR 0
/** Changes with an addition; while MAJOR is 0 also with a break. */
#define EVKV_VERSION_MINOR 2
/** Changes with a fix. */
#define EVKV_VERSION_PATCH 0
/** The version as text, "major.minor.patch". */
#define EVKV_VERSION "0.2.0"
/** The version as one number, for `#if`: each part has eight bits. */
#define EVKV_VERSION_NUM                                                       \
	(EVKV_VERSION_MAJOR << 16 | EVKV_VERSION_MINOR << 8 |                  \
	    EVKV_VERSION_PATCH)

/** Marks what the shared library exports. */
#if defined(__GNUC__)
#define EVKV_API __attribute__((visibility("default")))
#else
#define EVKV_API
#endif

/** @cond internal */
#ifdef __cplusplus
#define EVKV_BEGIN_DECLS extern "C" {
#define EVKV_END_DECLS }
#else
#define EVKV_BEGIN_DECLS
#define EVKV_END_DECLS
#endif
/** @endcond */

EVKV_BEGIN_DECLS

/**
 * The version of the library that is running, "major.minor.patch". It may
 * differ from EVKV_VERSION, the version of the headers compiled against. Any
 * thread; static storage.
 */
EVKV_API const char *evkv_version(void);
/**
 * The same as one number, as EVKV_VERSION_NUM is that of the headers. Any
 * thread.
 */
EVKV_API unsigned evkv_version_num(void);

EVKV_END_DECLS

#endif
