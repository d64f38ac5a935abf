#ifndef NET_NAME_SERVER_H
#define NET_NAME_SERVER_H

#include <event2/event.h>

#include "base/error.h"
#include "net/name_service.h"

/* For this room only: one DNS server (c-ares). */
struct name_server;

/* `answer` is NULL if the question was cancelled. */
typedef void (*name_server_answered)(const struct lookup_answer *answer, void *context);

/* `text`: "ADDRESS[:PORT]", port 53 unless it says so. NULL if it cannot be used. */
struct name_server *name_server_new(struct event_base *base, const char *text, struct error *error);

/* All questions end as cancelled. NULL is ignored. */
void name_server_free(struct name_server *server);

/*
 * Asks for the addresses of a host, within some five seconds: LOOKUP_NO_ANSWER if the server cannot
 * be reached (`reason` says so) or is silent (no `reason`), LOOKUP_FAILED if it does not know and
 * says so. Calls `answered` once, perhaps from within.
 */
void name_server_ask(struct name_server *server, const char *host, int family,
	name_server_answered answered, void *context);

/* Ends all questions, and whatever depends on the network as it was. */
void name_server_cancel(struct name_server *server);

/* "192.0.2.1:53" */
const char *name_server_text(const struct name_server *server);

#endif
