#ifndef GATEWAY_CALL_PRIVATE_H
#define GATEWAY_CALL_PRIVATE_H

#include <event2/event_struct.h>

#include "gateway/call.h"
#include "gateway/secrets.h"
#include "net/proxy.h"
#include "net/tcp.h"

/* The inside of a call: call.c has its progress, call_request.c makes the request. */

struct call {
	const struct call_host *host;
	const struct connection_config *config;
	const struct connection_settings *settings; /* its */
	const struct header_list *extra;
	struct failures *failures;
	struct cookies *cookies; /* NULL: none */
	const struct call_callbacks *callbacks;
	void *context;

	struct url first; /* of the settings: secrets are for this server */
	struct url url;   /* current */
	bool public_only; /* it must not lead to this host or into a private network */
	struct secrets secrets;
	char key[WS_KEY_SIZE];
	struct header *headers; /* those of the request; strings borrowed */
	char *authorization;
	char *cookie; /* header; NULL: there is none, or only that of the settings */
	struct ws_request request;
	struct proxy proxy;
	struct tls_settings tls;

	struct dial *dial;
	struct stream *stream;
	struct event event;    /* on the stream, or for a failure before there is one */
	struct timer deadline; /* of the response */
	bool event_assigned;
	struct buffer unsent;   /* rest of the request */
	struct buffer rest;     /* bytes after the head of the response: frames, or its body */
	size_t body_wanted;     /* 0: no body is awaited */
	uint64_t upgrade_start; /* of timers_now() */
	uint64_t slept;         /* ns of the time since then that do not count */
	struct call_report report;
	struct error error;
};

/* Settings for dialing call->url. */
bool call_prepare(struct call *call, struct dial_settings *dial);

/* Prepares the request. Only once the stream is connected: most calls to a server that is down do
 * not get that far. */
bool call_write_head(struct call *call);

/* Releases what these two have made, so that they can be called again. */
void call_unprepare(struct call *call);

#endif
