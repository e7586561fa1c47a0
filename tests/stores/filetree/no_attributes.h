/*
 * tests/stores/filetree/no_attributes.h - a file system without extended
 * attributes: the calls of this program stand before the C library's.
 */
#ifndef TESTS_STORES_FILETREE_NO_ATTRIBUTES_H
#define TESTS_STORES_FILETREE_NO_ATTRIBUTES_H

#include <stdbool.h>

/* Set while no worker runs. */
extern bool no_attributes;

#endif
