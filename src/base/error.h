#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

/*
 * The names of errors that programs see in `data.err` on the control socket. They are those of the
 * Qore classes that wsgated carries over, where those have one.
 */
#define ERROR_WEBSOCKET       "WEBSOCKET-ERROR"              /* a bad URL, scheme, option or peer */
#define ERROR_WARNING_QUEUE   "SOCKET-SETWARNINGQUEUE-ERROR" /* neither threshold above 0 */
#define ERROR_QUEUE           "QUEUE-ERROR"                  /* an invalid queue size */
#define ERROR_SOCKET_CONNECT  "SOCKET-CONNECT-ERROR"         /* resolving or connecting failed */
#define ERROR_SOCKET_SSL      "SOCKET-SSL-ERROR"             /* TLS failed */
#define ERROR_SOCKET_TIMEOUT  "SOCKET-TIMEOUT"               /* a deadline passed */
#define ERROR_SOCKET_CLOSED   "SOCKET-CLOSED"                /* the peer closed in the middle */
#define ERROR_SOCKET_NOT_OPEN "SOCKET-NOT-OPEN"              /* needs an open connection */
#define ERROR_HTTP_RESPONSE   "HTTP-CLIENT-RECEIVE-ERROR"    /* a status other than 101 */
#define ERROR_NOT_FOUND       "NOT-FOUND" /* no connection or outlet of that name */
#define ERROR_EXISTS          "ALREADY-EXISTS"
#define ERROR_SETTINGS        "SETTINGS-ERROR" /* an unusable configuration */
#define ERROR_SYSTEM          "SYSTEM-ERROR"   /* the operating system refused */
#define ERROR_LOCKED          "LOCKED"         /* held by another process: try again */

/* An error as a value: a name for programs, a text for whoever has to fix it. */
struct error {
	const char *name; /* one of the above: static */
	char text[512];
};

/* Sets both, the text as text_clean() leaves it, and returns false, so that a function can `return error_set(…)`. */
bool error_set(struct error *error, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Prefixes the text with the place of the error: "outlet 'trades': " + text. Returns false. */
bool error_prefix(struct error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
