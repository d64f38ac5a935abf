#ifndef GATEWAY_CALL_H
#define GATEWAY_CALL_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "base/timers.h"
#include "gateway/cookies.h"
#include "gateway/settings.h"
#include "net/dial.h"
#include "net/net.h"
#include "net/stream.h"
#include "ws/handshake.h"

/*
 * One attempt to open a WebSocket: dials the server, sends the opening handshake, checks the
 * response, and follows redirects.
 */
struct call;

/* Report of a call, as far as it went; with redirects, of the last server. */
struct call_report {
	uint64_t time;                /* when it began, ns since 1970; 0: there has been no call */
	char *url;                    /* secrets masked; NULL: it is invalid */
	struct string_list redirects; /* URLs that redirected, secrets masked */
	struct dial_report dial;
	uint64_t upgrade_us;       /* from the request to the response */
	struct http_head response; /* status 0: there was none */
	char *body;                /* beginning of the body of a refusal, any bytes; NULL: none */
	uint64_t retry_after;      /* ns that the server asks to wait; 0: none */
	char *protocol;            /* agreed on, may contain a secret; NULL: none */
	size_t protocol_number;    /* its index among those offered, from 1; 0: none */
	bool deflate;              /* agreed on, with these parameters */
	struct ws_deflate_parameters deflate_parameters;
};
void call_report_release(struct call_report *report);

/* Result of a successful call; the callee owns all of it. */
struct call_result {
	struct stream *stream;
	struct buffer rest;                   /* bytes after the response: the first frames */
	struct ws_deflate_parameters deflate; /* if the report says it was agreed on */
};

/*
 * Called once, never from within call_start(); the call is gone by then. On failure `result` is
 * NULL and `error` says why. The callee takes over the contents of the report.
 */
typedef void (*call_done)(struct call_result *result, struct call_report *report,
	const struct error *error, void *context);

/* Static. */
struct call_callbacks {
	/* A redirect is followed; both URLs have secrets masked. */
	void (*redirected)(const char *from, const char *to, void *context);
	call_done done;
};

/* Shared by all calls of the daemon; borrowed until the call has ended. */
struct call_host {
	struct event_base *base;
	struct timers *timers;
	struct net *net;
	struct log *log;
};

/*
 * Checks that a call is possible, before an open connection is closed for it: valid headers,
 * readable files, TLS material that OpenSSL accepts. If it takes longer, `check` is set, and `done`
 * follows with the result; if `check` is NULL, the call is possible.
 */
bool call_check(const struct call_host *host, const struct connection_config *config,
	const struct header_list *extra, struct net_check **check,
	void (*done)(const struct error *error, void *context), void *context, struct error *error);

/* Its pointers are borrowed until the call has ended. */
struct call_order {
	const struct connection_config *config;
	const struct header_list *extra; /* override those of the settings */
	struct failures *failures;       /* of earlier calls; this one adds its own */
	struct cookies *cookies;         /* borrowed, too; NULL: none */
};

struct call *call_start(const struct call_host *host, const struct call_order *order,
	const struct call_callbacks *callbacks, void *context);

/* Ends the call without a callback. */
void call_cancel(struct call *call);

/* True once the server is connected and its response to the opening handshake is awaited. */
bool call_upgrading(const struct call *call);

#endif
