#ifndef GATEWAY_DIALER_H
#define GATEWAY_DIALER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timers.h"
#include "gateway/admission.h"
#include "gateway/backoff.h"
#include "gateway/call.h"

/*
 * Opens WebSockets for one connection, one call at a time: waits for its turn, calls, and knows
 * after a failure when to call again and when that is pointless. The owner decides whether to call.
 */

/* Of the daemon; borrowed. */
struct dialer_host {
	struct call_host call;
	struct admission *admission;
};

/* None is called from within a function of the dialer but `started`. All may use it. */
struct dialer_callbacks {
	/* Its turn has come: a call begins. */
	void (*started)(void *context);

	/* A redirect is followed; both are URLs with secrets masked. */
	void (*redirected)(const char *from, const char *to, void *context);

	/* The call has ended, and `report` says how it went. The owner takes over the result. */
	void (*opened)(struct call_result *result, void *context);
	void (*failed)(const struct error *error, void *context);

	/* The wait that dialer_retry() began is over. */
	void (*due)(void *context);
};

enum dialer_state {
	DIALER_IDLE,
	DIALER_WAITING, /* until the next attempt is due */
	DIALER_QUEUED,  /* for its turn to call */
	DIALER_CALLING,
};

/* It must stay where it is. Private but where noted. */
struct dialer {
	const struct dialer_host *host;
	const struct dialer_callbacks *callbacks;
	void *context;
	const struct connection_config *config;
	struct admission_ticket ticket;
	struct header_list *extra; /* of the call that was asked for; NULL: none was */
	struct call *call;
	struct failures failures;
	struct cookies cookies;
	struct timer retry;
	struct backoff backoff;
	uint64_t told;             /* not to call before, by the server; of timers_now() */
	unsigned attempt;          /* to be read: calls, since they were last forgotten */
	struct call_report report; /* to be read: of the last call */
};

/* Borrows all, the configuration until dialer_set_config(). */
void dialer_init(struct dialer *dialer, const struct dialer_host *host,
	const struct connection_config *config, const struct dialer_callbacks *callbacks,
	void *context);
void dialer_release(struct dialer *dialer);

/* From now on. A call that is under way or queued is stopped; a wait goes on. */
void dialer_set_config(struct dialer *dialer, const struct connection_config *config);

enum dialer_state dialer_state(const struct dialer *dialer);

/* True once the server has been reached and its answer to the opening handshake is awaited. */
bool dialer_upgrading(const struct dialer *dialer);

/* ns until the next attempt is due; 0 unless DIALER_WAITING. */
uint64_t dialer_wait(const struct dialer *dialer);

/*
 * Somebody asks for a call: the next one is ahead of others, and has these headers, which override
 * those of the settings. Takes over their list, leaving it empty. Stops a call or a wait. In force
 * until a call has ended, or dialer_forget_request(), which must not be called during a call.
 */
void dialer_request(struct dialer *dialer, struct header_list *extra);
void dialer_forget_request(struct dialer *dialer);

/* Calls as soon as it is admitted: `opened` or `failed` follows. It must not be calling or
 * queued. */
void dialer_call(struct dialer *dialer);

/* Ends a call or a wait, without a callback. A request stays. */
void dialer_stop(struct dialer *dialer);

/*
 * Waits before the next attempt: for the backoff, and for the ns that the server asks for, up to an
 * hour. `due` follows. Returns the wait in ns. It must not be calling or queued.
 */
uint64_t dialer_retry(struct dialer *dialer, uint64_t retry_after);

/* The network has changed: failures of the other one say nothing about this one, and a wait is over
 * unless the server has asked for it. True: `due` follows. */
bool dialer_on_network_change(struct dialer *dialer);

/*
 * True if the settings forbid another attempt: because of the close code or HTTP status of the last
 * failure (0: neither), or of the number of attempts. Then dialer_reason() says why; the caller
 * frees the text.
 */
bool dialer_gives_up(const struct dialer *dialer, unsigned code);
char *dialer_reason(const struct dialer *dialer, unsigned code);

/* The next attempt is the first: the last one has opened a WebSocket that can be used. */
void dialer_forget_attempts(struct dialer *dialer);

/* The next wait is the shortest again. */
void dialer_reset_backoff(struct dialer *dialer);

/* Both. */
void dialer_reset(struct dialer *dialer);

#endif
