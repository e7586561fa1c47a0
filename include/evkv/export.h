/*
 * evkv/export.h - symbol visibility, C++ linkage and the version.
 */
#ifndef EVKV_EXPORT_H
#define EVKV_EXPORT_H

#define EVKV_VERSION_MAJOR 0
#define EVKV_VERSION_MINOR 1
#define EVKV_VERSION_PATCH 0
#define EVKV_VERSION "0.1.0"

#if defined(__GNUC__)
#define EVKV_API __attribute__((visibility("default")))
#else
#define EVKV_API
#endif

#ifdef __cplusplus
#define EVKV_BEGIN_DECLS extern "C" {
#define EVKV_END_DECLS }
#else
#define EVKV_BEGIN_DECLS
#define EVKV_END_DECLS
#endif

EVKV_BEGIN_DECLS

/*
 * The version of the library that is running, "major.minor.patch", which may
 * differ from EVKV_VERSION, the version of the headers compiled against.
 * Any thread; static storage.
 */
EVKV_API const char *evkv_version(void);

EVKV_END_DECLS

#endif
