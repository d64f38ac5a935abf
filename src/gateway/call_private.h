#ifndef GATEWAY_CALL_PRIVATE_H
#define GATEWAY_CALL_PRIVATE_H

#include <event2/event_struct.h>

#include "gateway/call.h"
#include "gateway/secrets.h"
#include "net/proxy.h"
#include "net/tcp.h"

/* The inside of a call, for call.c (how it goes on) and call_request.c (what it asks for). */

struct call {
	const struct call_host *host;
	const struct connection_config *config;
	const struct connection_settings *settings; /* its */
	const struct header_list *extra;
	struct failures *failures;
	const struct call_callbacks *callbacks;
	void *context;

	struct url first; /* of the settings: what the secrets are for */
	struct url url;   /* of this step */
	bool public_only; /* this step may not lead into this host or a private network */
	struct secrets secrets;
	char key[WS_KEY_SIZE];
	struct header *headers; /* those of the request; strings borrowed */
	char *authorization;
	struct ws_request request;
	struct proxy proxy;
	struct tls_settings tls;

	struct dial *dial;
	struct stream *stream;
	struct event event; /* on the stream, or for a failure before there is one */
	bool event_assigned;
	struct buffer unsent; /* rest of the request */
	struct buffer rest;   /* what came behind the answer's head: frames, or its body */
	size_t body_wanted;   /* 0: there is no body to wait for */
	uint64_t upgrade_start; /* monotonic ns */
	struct call_report report;
	struct error error;
};

/* Where to dial for call->url. */
bool call_prepare(struct call *call, struct dial_settings *dial);

/* Makes the request ready to be sent: once the stream stands, as most calls to a server that is down
 * never come so far. */
bool call_write_head(struct call *call);

/* Gives back what these two made, so that they can be called again. */
void call_unprepare(struct call *call);

#endif
