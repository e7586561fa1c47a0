/*
 * SHA-256, for names that must not collide.
 */
#ifndef EVKV_BASE_SHA256_H
#define EVKV_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define EVKV__SHA256_SIZE 32

/* The SHA-256 of `size` bytes (FIPS 180-4) into `digest`. Any thread. */
void evkv__sha256(const void *data, size_t size,
    uint8_t digest[EVKV__SHA256_SIZE]);

#endif
