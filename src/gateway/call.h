#ifndef GATEWAY_CALL_H
#define GATEWAY_CALL_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "gateway/settings.h"
#include "net/dial.h"
#include "net/net.h"
#include "net/stream.h"
#include "ws/handshake.h"

/*
 * One attempt to open a WebSocket: dial the server, send the opening handshake, check the answer,
 * and do so again where it redirects to.
 */
struct call;

/* How a call went, as far as it came: with redirects, the last of its steps. */
struct call_report {
	uint64_t time; /* of its begin, ns since 1970; 0: there has been no call */
	char *url;     /* as a person may see it; NULL: it could not be read */
	struct string_list redirects; /* the URLs that were left for others, likewise */
	struct dial_report dial;
	uint64_t upgrade_us;         /* from the request to the answer */
	struct http_head response; /* status 0: there was none */
	char *body;                  /* beginning of that of a refusal, any bytes; NULL: none */
	uint64_t retry_after;        /* ns that the server asks to wait; 0: it does not */
	char *protocol;              /* agreed on, maybe with a secret; NULL: none */
	size_t protocol_number;      /* which of those offered, from 1; 0: none */
	bool deflate;                /* agreed on, with these parameters */
	struct ws_deflate_parameters deflate_parameters;
};
void call_report_release(struct call_report *report);

/* What a call that succeeded gives: all of it is the taker's. */
struct call_result {
	struct stream *stream;
	struct buffer rest; /* what came behind the answer: the first frames */
	struct ws_deflate_parameters deflate; /* if the report says it was agreed on */
};

/*
 * Called once, never from within call_start(); the call is gone then. On failure `result` is NULL
 * and `error` says why. The report is moved out by the taker, or released by it.
 */
typedef void (*call_done)(struct call_result *result, struct call_report *report,
	const struct error *error, void *context);

/* Static. */
struct call_callbacks {
	/* A redirect is followed; both are URLs as a person may see them. */
	void (*redirected)(const char *from, const char *to, void *context);
	call_done done;
};

/* What calls need of the daemon; borrowed until the end of the call. */
struct call_host {
	struct event_base *base;
	struct net *net;
	struct log *log;
};

/*
 * Whether there is all that a call takes, before an open connection goes for it: headers that can
 * be sent, files that can be read, and TLS material that OpenSSL can use. If that takes its time,
 * `check` is set, and `done` will be called with its outcome; if it is NULL, there is all.
 */
bool call_check(const struct call_host *host, const struct connection_config *config,
	const struct header_list *extra, struct net_check **check,
	void (*done)(const struct error *error, void *context), void *context,
	struct error *error);

/* What is to be called; what it points to is borrowed until the end of the call. */
struct call_order {
	const struct connection_config *config;
	const struct header_list *extra; /* they win over the settings' */
	struct failures *failures;       /* of earlier calls, and then of this one too */
};

struct call *call_start(const struct call_host *host, const struct call_order *order,
	const struct call_callbacks *callbacks, void *context);

/* Ends the call without another callback. */
void call_cancel(struct call *call);

/* Whether the stream stands and the answer to the opening handshake is being waited for. */
bool call_upgrading(const struct call *call);

#endif
