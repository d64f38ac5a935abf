#include "handshake_harness.h"

#include <check.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

void handshake_accept(char line[HANDSHAKE_LINE_SIZE], const char *request)
{
	const char *key = strstr(request, "Sec-WebSocket-Key: ");
	char text[128], accept[64] = {0};
	unsigned char digest[20];

	ck_assert_ptr_nonnull(key);
	snprintf(text, sizeof(text), "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
		key + strlen("Sec-WebSocket-Key: "));
	ck_assert_int_eq(EVP_Q_digest(NULL, "SHA1", NULL, text, strlen(text), digest, NULL), 1);
	text_base64_encode(accept, digest, sizeof(digest));
	snprintf(line, HANDSHAKE_LINE_SIZE, "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
}
