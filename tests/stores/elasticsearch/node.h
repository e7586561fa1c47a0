/*
 * tests/stores/elasticsearch/node.h - questions to a real node that a test asks
 * beside the store; they block.
 */
#ifndef TESTS_STORES_ELASTICSEARCH_NODE_H
#define TESTS_STORES_ELASTICSEARCH_NODE_H

#include <stddef.h>

/*
 * One request to 127.0.0.1; `body` NULL = none. The answer's code; its body,
 * cut off where it is too long, with a NUL. Fails the test where there is none.
 */
int node_ask(int port, const char *method, const char *path, const char *body,
    char *answer, size_t size);

#endif
