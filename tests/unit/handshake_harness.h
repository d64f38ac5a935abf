#ifndef HANDSHAKE_HARNESS_H
#define HANDSHAKE_HARNESS_H

/* The server's part of the opening handshake: RFC 6455, section 4.2.2. */

enum { HANDSHAKE_LINE_SIZE = 128 };

/* The header that accepts the request, and the end of the head. */
void handshake_accept(char line[HANDSHAKE_LINE_SIZE], const char *request);

#endif
