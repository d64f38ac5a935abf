#include "base/clock.h"
#include "gateway/connection_private.h"
#include "ws/protocol.h"

/* While the session cannot be let go without losing messages: how soon to look again. */
enum { RENEWAL_POSTPONED_MS = 200 };

void connection_await_age(struct connection *connection)
{
	const struct connection_settings *settings = connection->settings;
	uint64_t age = clock_monotonic() - connection->opened;
	uint64_t after = settings->max_age.after;
	uint32_t random;

	timer_clear(&connection->timer);
	if (!after)
		return;
	evutil_secure_rng_get_bytes(&random, sizeof(random));
	after -= (uint64_t)((double)after * settings->max_age.jitter * random / 0x1p32);
	connection_set_timer(connection, after > age ? after - age : 0);
}

void connection_renew(struct connection *connection)
{
	if (!session_is_open(connection->session))
		return;
	if (connection->leaving || session_paused(connection->session)) {
		connection_set_timer(connection, RENEWAL_POSTPONED_MS * CLOCK_NS_PER_MS);
		return;
	}
	if (connection->attempt == 0)
		backoff_reset(&connection->backoff);
	if (connection->settings->max_age.overlap) {
		connection_call(connection);
		return;
	}
	connection->renewing = true;
	connection->redial = true;
	session_close(connection->session, WS_CLOSE_GOING_AWAY, "");
}

void connection_let_leave(struct connection *connection)
{
	connection->leaving = connection->session;
	connection->session = NULL;
	connection->renewing = true;
	session_close(connection->leaving, WS_CLOSE_GOING_AWAY, "");
}
