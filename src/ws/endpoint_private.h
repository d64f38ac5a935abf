#ifndef WS_ENDPOINT_PRIVATE_H
#define WS_ENDPOINT_PRIVATE_H

#include "base/rate.h"
#include "ws/endpoint.h"
#include "ws/message_queue.h"

/* The inside of an endpoint. Its files, each of which calls only those before it:
 * endpoint_sending.c, endpoint_closing.c, endpoint_liveness.c, endpoint.c. */

/* Messages behind those in the output: for the rate of sending, or to be encoded in a later turn.
 * Those that are taken are in the output, too, and to be kept. */
struct ws_endpoint_throttle {
	struct rate rate;
	struct ws_message_queue waiting;
	uint64_t next; /* when the rate lets the first of them leave; 0: it does, or none waits */
};

/* --- endpoint_sending.c ----------------------------------------------------------------------- */

/* Encodes a frame, ahead of messages that wait. */
void endpoint_queue(struct ws_endpoint *endpoint, enum ws_opcode opcode, const void *data,
	size_t length, uint64_t now);

/* Watches the server anew, which is asked by a frame behind that much output. */
static inline void endpoint_watch(struct ws_endpoint *endpoint, size_t output)
{
	endpoint->watched = false;
	endpoint->asked_anew = false;
	ws_watch_ask(&endpoint->watch, output);
}

/* Queues the close frame, behind the messages that wait; */
void endpoint_queue_close(struct ws_endpoint *endpoint);

/* or, as the server may not read on, ahead of messages that are to be kept. */
void endpoint_queue_last_close(struct ws_endpoint *endpoint);

/* Takes the rate from the settings. */
void endpoint_set_rate(struct ws_endpoint *endpoint);

/* Messages that are not encoded yet. */
static inline size_t endpoint_waiting(const struct ws_endpoint *endpoint)
{
	const struct ws_endpoint_throttle *throttle = endpoint->throttle;

	return throttle ? throttle->waiting.count - throttle->waiting.taken : 0;
}

/* --- endpoint_closing.c ----------------------------------------------------------------------- */

/* The first error is the cause; what else goes wrong while the endpoint closes would hide it. */
void endpoint_note_error(struct ws_endpoint *endpoint, const struct error *error);

void endpoint_take_close(struct ws_endpoint *endpoint, const struct ws_message *message,
	uint64_t now);

/* --- endpoint_liveness.c ---------------------------------------------------------------------- */

void endpoint_take_pong(struct ws_endpoint *endpoint, const struct ws_message *message,
	uint64_t now);

/* Takes the intervals from the settings. */
void endpoint_set_intervals(struct ws_endpoint *endpoint, uint64_t now);

#endif
