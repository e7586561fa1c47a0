/*
 * tests/lib/certificates.h - EC keys and certificates for tests of TLS.
 */
#ifndef TESTS_LIB_CERTIFICATES_H
#define TESTS_LIB_CERTIFICATES_H

#include <stdbool.h>

/*
 * Write PEM files to a folder: ca.pem, server.pem and server.key (for
 * localhost, 127.0.0.1 and ::1), client.pem and client.key, all signed by
 * ca.pem; expired.pem (for the server's key, over since yesterday); other.pem
 * (for the server's key and the name other.invalid); foreign-ca.pem, an
 * authority that signed none of them.
 */
bool certificates_write(const char *folder);

/*
 * Write middle-ca.pem, which is an authority but not the last one of its chain,
 * and middle.pem with middle.key, a server's as above that it has signed. The
 * root is in no file.
 */
bool certificates_write_middle(const char *folder);

#endif
