#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "ws/endpoint_private.h"

/* Signs of life, ours and the server's, and the deadlines of both. */

/* --- pings ------------------------------------------------------------------------------------ */

enum { ENDPOINT_STAMP_SIZE = sizeof("18446744073709551615") };

/* Of the last ping. Its time tells which ping a pong answers: in digits, as some servers return
 * nothing after a NUL. */
static const char *endpoint_ping_payload(const struct ws_endpoint *endpoint,
	char stamp[ENDPOINT_STAMP_SIZE])
{
	if (endpoint->settings->ping.payload)
		return endpoint->settings->ping.payload;
	snprintf(stamp, ENDPOINT_STAMP_SIZE, "%llu", (unsigned long long)endpoint->ping_sent);
	return stamp;
}

static void endpoint_send_ping(struct ws_endpoint *endpoint, uint64_t now)
{
	uint64_t timeout = endpoint->settings->ping.timeout;
	char stamp[ENDPOINT_STAMP_SIZE];
	const char *payload;

	endpoint->ping_sent = now;
	if (timeout && !endpoint->pong_deadline) {
		endpoint->pong_deadline = now + timeout;
		endpoint_watch(endpoint, endpoint->out.length);
	}
	endpoint->counts->pings_sent++;
	payload = endpoint_ping_payload(endpoint, stamp);
	endpoint_queue(endpoint, WS_PING, payload, strlen(payload), now);
}

/* While the socket takes no output, another ping would only queue behind the first. */
static void endpoint_send_next_ping(struct ws_endpoint *endpoint, uint64_t now)
{
	endpoint->next_ping =
		endpoint->settings->ping.interval ? now + endpoint->settings->ping.interval : 0;
	if (!endpoint->pong_deadline || !endpoint->out.length)
		endpoint_send_ping(endpoint, now);
}

/* Another ping also makes the server's kernel announce its receive window. */
static void endpoint_ask_again(struct ws_endpoint *endpoint, uint64_t now)
{
	endpoint_send_next_ping(endpoint, now);
	endpoint->pong_deadline = now + endpoint->settings->ping.timeout;
}

/* A server that has been pinged already has all its time again, as the owner may know better why it
 * could not answer (the network was away); but only once, or whoever pings a dead one again and again
 * would keep it. */
bool ws_endpoint_ping(struct ws_endpoint *endpoint, uint64_t now, struct error *error)
{
	if (endpoint->state != WS_ENDPOINT_OPEN)
		return error_set(error, ERROR_SOCKET_NOT_OPEN, "the connection is closing");
	if (endpoint->pong_deadline && !endpoint->asked_anew) {
		endpoint->asked_anew = true;
		endpoint->pong_deadline = now + endpoint->settings->ping.timeout;
	}
	endpoint_send_ping(endpoint, now);
	return true;
}

static void endpoint_count_round_trip(struct ws_endpoint_counts *counts, uint64_t ns)
{
	uint64_t us = ns / CLOCK_NS_PER_US;

	counts->rtt_us = us ? us : 1;
	if (counts->rtt_min_us == 0 || counts->rtt_us < counts->rtt_min_us)
		counts->rtt_min_us = counts->rtt_us;
	if (counts->rtt_us > counts->rtt_max_us)
		counts->rtt_max_us = counts->rtt_us;
}

/* Any pong shows that the server is alive; only that of the last ping tells how far it is away. */
void endpoint_take_pong(struct ws_endpoint *endpoint, const struct ws_message *message,
	uint64_t now)
{
	char stamp[ENDPOINT_STAMP_SIZE];
	const char *payload = endpoint_ping_payload(endpoint, stamp);

	endpoint->counts->pongs_recv++;
	endpoint->pong_deadline = 0;
	if (!endpoint->ping_sent || message->length != strlen(payload) ||
		memcmp(message->data, payload, message->length) != 0)
		return;
	endpoint_count_round_trip(endpoint->counts, now - endpoint->ping_sent);
	endpoint->ping_sent = 0;
}

/* --- heartbeats ------------------------------------------------------------------------------- */

static bool endpoint_send_own(struct ws_endpoint *endpoint, enum ws_opcode opcode, const void *data,
	size_t length, uint64_t now)
{
	struct ws_outgoing message = {
		.opcode = opcode,
		.data = data,
		.length = length,
		.transient = true,
	};
	struct error error;
	bool sent = ws_endpoint_send(endpoint, &message, now, &error);

	ws_outgoing_release(&message);
	return sent;
}

static bool endpoint_send_heartbeat(struct ws_endpoint *endpoint, uint64_t now)
{
	const char *text = endpoint->settings->heartbeat.message;
	size_t length;
	uint8_t *data;
	bool sent;

	if (!endpoint->settings->heartbeat.binary)
		return endpoint_send_own(endpoint, WS_TEXT, text, strlen(text), now);
	data = alloc_zero(1, strlen(text) + 1);
	sent = text_base64_decode(data, &length, text) &&
		endpoint_send_own(endpoint, WS_BINARY, data, length, now);
	free(data);
	return sent;
}

/* A message that has left not long ago, or waits to be sent, can take the place of a heartbeat. */
static void endpoint_beat(struct ws_endpoint *endpoint, uint64_t now)
{
	uint64_t every = endpoint->settings->heartbeat.every;
	bool only_idle = endpoint->settings->heartbeat.only_idle;

	if (only_idle && endpoint->last_sent + every > now) {
		endpoint->next_heartbeat = endpoint->last_sent + every;
		return;
	}
	endpoint->next_heartbeat = now + every;
	if (!endpoint->opening && endpoint_waiting(endpoint) == 0 &&
		endpoint_send_heartbeat(endpoint, now))
		endpoint->counts->heartbeats_sent++;
}

void endpoint_set_intervals(struct ws_endpoint *endpoint, uint64_t now)
{
	const struct ws_endpoint_settings *settings = endpoint->settings;

	endpoint->next_ping = settings->ping.interval ? now + settings->ping.interval : 0;
	endpoint->next_heartbeat = settings->heartbeat.every ? now + settings->heartbeat.every : 0;
	if (!settings->ping.timeout)
		endpoint->pong_deadline = 0;
}

/* --- deadlines -------------------------------------------------------------------------------- */

void ws_endpoint_note_arrival(struct ws_endpoint *endpoint, uint64_t now)
{
	endpoint->last_message = now;
	endpoint->idle_anew = false;
}

void ws_endpoint_pause(struct ws_endpoint *endpoint)
{
	endpoint->paused = true;
}

void ws_endpoint_resume(struct ws_endpoint *endpoint, uint64_t now)
{
	endpoint->paused = false;
	ws_endpoint_note_arrival(endpoint, now);
	endpoint_watch(endpoint, endpoint->out.length);
	if (endpoint->pong_deadline)
		endpoint->pong_deadline = now + endpoint->settings->ping.timeout;
	if (endpoint->close_deadline)
		endpoint->close_deadline = now + endpoint->settings->close_timeout;
}

static uint64_t endpoint_earlier(uint64_t deadline, uint64_t other)
{
	return deadline && deadline < other ? deadline : other;
}

static uint64_t endpoint_idle_deadline(const struct ws_endpoint *endpoint)
{
	uint64_t timeout = endpoint->settings->idle_timeout;

	return timeout ? endpoint->last_message + timeout : 0;
}

static uint64_t endpoint_closing_deadline(const struct ws_endpoint *endpoint)
{
	if (endpoint->paused)
		return endpoint->drain_deadline;
	return endpoint_earlier(endpoint->close_deadline, endpoint->drain_deadline);
}

uint64_t ws_endpoint_deadline(const struct ws_endpoint *endpoint)
{
	uint64_t nearest = WS_ENDPOINT_NEVER;

	if (endpoint->state != WS_ENDPOINT_OPEN)
		return endpoint_closing_deadline(endpoint);
	nearest = endpoint_earlier(endpoint->next_ping, nearest);
	nearest = endpoint_earlier(endpoint->next_heartbeat, nearest);
	if (endpoint->throttle)
		nearest = endpoint_earlier(endpoint->throttle->next, nearest);
	if (endpoint->paused)
		return nearest;
	nearest = endpoint_earlier(endpoint->pong_deadline, nearest);
	return endpoint_earlier(endpoint_idle_deadline(endpoint), nearest);
}

static bool endpoint_is_due(uint64_t deadline, uint64_t now)
{
	return deadline && deadline <= now;
}

static void endpoint_time_out(struct ws_endpoint *endpoint, const char *what, uint64_t timeout,
	uint64_t now)
{
	char text[TEXT_DURATION_SIZE];
	struct error error;

	text_format_duration(text, timeout);
	error_set(&error, ERROR_SOCKET_TIMEOUT, "%s %s", what, text);
	endpoint_note_error(endpoint, &error);
	ws_endpoint_close(endpoint, WS_CLOSE_GOING_AWAY, "", now);
}

/* --- judging ---------------------------------------------------------------------------------- */

static bool endpoint_is_late(uint64_t deadline, uint64_t now)
{
	return now - deadline > CLOCK_LATE;
}

bool ws_endpoint_wants_traffic(const struct ws_endpoint *endpoint)
{
	bool watches = endpoint->state != WS_ENDPOINT_OPEN || endpoint->pong_deadline;

	return watches && !endpoint->watched && !endpoint->paused;
}

/* Also with each ping: then a server is found dead one interval and one timeout after its last sign
 * of life, even if the interval is the shorter one. */
bool ws_endpoint_judges(const struct ws_endpoint *endpoint, uint64_t now)
{
	if (endpoint->paused)
		return false;
	if (endpoint->state != WS_ENDPOINT_OPEN)
		return endpoint_closing_deadline(endpoint) <= now;
	return endpoint_is_due(endpoint->pong_deadline, now) ||
		endpoint_is_due(endpoint_idle_deadline(endpoint), now) ||
		(endpoint->pong_deadline && endpoint_is_due(endpoint->next_ping, now));
}

/* The server has all its time again. */
static void endpoint_take_sign(struct ws_endpoint *endpoint, uint64_t now)
{
	endpoint->asked_anew = false;
	if (endpoint->state != WS_ENDPOINT_OPEN)
		endpoint->close_deadline = now + endpoint->settings->close_timeout;
	else if (endpoint_is_due(endpoint->pong_deadline, now))
		endpoint_ask_again(endpoint, now);
	else if (endpoint->pong_deadline)
		endpoint->pong_deadline = now + endpoint->settings->ping.timeout;
}

/* The server has twice the time, without a sign of life. */
static void endpoint_be_patient(struct ws_endpoint *endpoint, uint64_t now)
{
	if (!endpoint_is_due(endpoint->pong_deadline, now) || endpoint->asked_anew)
		return;
	endpoint->asked_anew = true;
	endpoint->pong_deadline = now + endpoint->settings->ping.timeout;
}

/* Input after the closing handshake, or after a failure, does not prolong the connection. */
void ws_endpoint_take_traffic(struct ws_endpoint *endpoint, const struct ws_traffic *traffic,
	uint64_t now)
{
	if (endpoint->paused)
		return;
	if (traffic->unread && endpoint_is_due(endpoint_idle_deadline(endpoint), now))
		ws_endpoint_note_arrival(endpoint, now);
	if (!endpoint->watched) {
		endpoint->watched = true;
		ws_watch_begin(&endpoint->watch, traffic);
		return;
	}
	if (!ws_endpoint_takes_input(endpoint))
		endpoint->watch.received = traffic->received;
	if (ws_watch_look(&endpoint->watch, traffic))
		endpoint_take_sign(endpoint, now);
	else if (endpoint->pong_deadline &&
		ws_watch_is_stuck(&endpoint->watch, traffic, endpoint->settings->ping.timeout))
		endpoint_be_patient(endpoint, now);
}

static bool endpoint_expire_closing(struct ws_endpoint *endpoint, uint64_t now)
{
	if (endpoint_closing_deadline(endpoint) > now)
		return true;
	ws_endpoint_give_up(endpoint);
	return false;
}

/* A server that does not answer a ping will not answer a close frame: that one is sent, but not
 * waited for. */
static bool endpoint_expire_pong(struct ws_endpoint *endpoint, uint64_t now)
{
	if (endpoint_is_late(endpoint->pong_deadline, now) && !endpoint->asked_anew) {
		endpoint->asked_anew = true;
		endpoint_ask_again(endpoint, now);
		return true;
	}
	endpoint_time_out(endpoint, "no answer to a ping, and no other sign of life, for",
		endpoint->settings->ping.timeout, now);
	endpoint->close_code = WS_CLOSE_ABNORMAL;
	return false;
}

static void endpoint_expire_idle(struct ws_endpoint *endpoint, uint64_t now)
{
	if (endpoint_is_late(endpoint_idle_deadline(endpoint), now) && !endpoint->idle_anew) {
		endpoint->idle_anew = true;
		endpoint->last_message = now;
		return;
	}
	endpoint_time_out(endpoint, "no message for", endpoint->settings->idle_timeout, now);
}

static void endpoint_send_due(struct ws_endpoint *endpoint, uint64_t now)
{
	struct ws_endpoint_throttle *throttle = endpoint->throttle;

	if (endpoint_is_due(endpoint->next_ping, now)) {
		if (endpoint->paused)
			endpoint->next_ping = now + endpoint->settings->ping.interval;
		else
			endpoint_send_next_ping(endpoint, now);
	}
	if (throttle && endpoint_is_due(throttle->next, now))
		throttle->next = 0;
	if (endpoint_is_due(endpoint->next_heartbeat, now))
		endpoint_beat(endpoint, now);
}

bool ws_endpoint_expire(struct ws_endpoint *endpoint, uint64_t now)
{
	if (endpoint->state != WS_ENDPOINT_OPEN)
		return endpoint_expire_closing(endpoint, now);
	if (!endpoint->paused && endpoint_is_due(endpoint->pong_deadline, now) &&
		!endpoint_expire_pong(endpoint, now))
		return false;
	if (!endpoint->paused && endpoint_is_due(endpoint_idle_deadline(endpoint), now))
		endpoint_expire_idle(endpoint, now);
	if (endpoint->state == WS_ENDPOINT_OPEN)
		endpoint_send_due(endpoint, now);
	return true;
}
