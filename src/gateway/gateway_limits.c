#include <inttypes.h>
#include <sys/resource.h>

#include "gateway/gateway_private.h"

/*
 * Limits on what there may be: descriptors, which subscribers and control clients must leave to the
 * connections and to root's requests; and what may be added by others than root and the daemon's user.
 */

enum {
	RESERVE = 64,           /* descriptors for control clients, files and helpers, besides */
	RESERVE_CONNECTION = 2, /* for each connection, as it is renewed or its name looked up, */
	RESERVE_OUTLET = 4,     /* and each outlet: its listener, and three of its ring */

	UNTRUSTED_CONNECTIONS = 256, /* that they may have added, at most, */
	UNTRUSTED_SHARE = 32,        /* and one for each 32 descriptors of the limit */
	UNTRUSTED_MIB = 512,         /* that these may use together */
	UNTRUSTED_CLIENTS = 32,      /* descriptors of the reserve that their requests may use, */
	UNTRUSTED_PART = 4,          /* and at most a quarter of it */
};

/* --- connections that untrusted clients have added ------------------------------------------- */

/* Those that run, and those on their way out, which still use memory. */
struct untrusted_use {
	unsigned connections;
	uint64_t bytes;
};

static void untrusted_add(struct untrusted_use *use, const struct connection_config *config)
{
	const struct connection_settings *settings = config->settings;

	if (!config->untrusted)
		return;
	use->connections++;
	use->bytes += settings->endpoint.max_message + settings->endpoint.send_queue +
		settings->hold.bytes;
}

static void untrusted_add_list(struct untrusted_use *use, const struct connection_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		untrusted_add(use, connection_config(list->items[i]));
}

static struct untrusted_use untrusted_use(const struct gateway *gateway)
{
	struct untrusted_use use = {0};

	untrusted_add_list(&use, &gateway->roster.connections);
	untrusted_add_list(&use, &gateway->retiring);
	return use;
}

/* Outlets of removed connections that still have something to deliver. */
static unsigned untrusted_draining(const struct gateway *gateway)
{
	unsigned count = 0;

	for (size_t i = 0; i < gateway->draining_count; i++)
		count += outlet_settings(gateway->draining[i].outlet)->untrusted;
	return count;
}

static unsigned untrusted_connections_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
		limit.rlim_cur / UNTRUSTED_SHARE > UNTRUSTED_CONNECTIONS)
		return UNTRUSTED_CONNECTIONS;
	return (unsigned)(limit.rlim_cur / UNTRUSTED_SHARE);
}

bool gateway_may_add(const struct gateway *gateway, const struct connection_config *config,
	struct error *error)
{
	const uint64_t bytes_max = (uint64_t)UNTRUSTED_MIB << 20;
	struct untrusted_use use = untrusted_use(gateway);
	unsigned most = untrusted_connections_max();

	if (!config->untrusted)
		return true;
	if (use.connections + untrusted_draining(gateway) >= most)
		return error_set(error, ERROR_SETTINGS,
			"users other than root and the daemon's user may have added at most %u connections",
			most);
	untrusted_add(&use, config);
	if (use.bytes <= bytes_max)
		return true;
	return error_set(error, ERROR_SETTINGS,
		"max_message, send_queue and hold.bytes of connections that users other than root and "
		"the daemon's user have added may be at most %d MiB in total; with this one they would "
		"be %" PRIu64 " MiB",
		UNTRUSTED_MIB, (use.bytes + (1 << 20) - 1) >> 20);
}

/* --- descriptors ----------------------------------------------------------------------------- */

/* So that subscribers leave what a lost connection needs to come back, and the control socket to
 * answer. */
void gateway_update_reserve(struct gateway *gateway)
{
	size_t reserve = RESERVE + RESERVE_CONNECTION * gateway->roster.connections.count +
		RESERVE_OUTLET * gateway->roster.outlet_count;

	listeners_reserve(gateway->outlet_listeners, (unsigned)reserve);
}

/* The daemon has raised the limit as far as it goes. */
void gateway_check_descriptors(struct gateway *gateway)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
		listeners_ceiling(gateway->outlet_listeners) > limit.rlim_cur / 2)
		return;
	log_write(gateway->log, LOG_WARNING, NULL,
		"the limit of %llu descriptors is low for %zu connections and %zu outlets "
		"(LimitNOFILE=, ulimit -n)",
		(unsigned long long)limit.rlim_cur, gateway->roster.connections.count,
		gateway->roster.outlet_count);
}

unsigned gateway_client_ceiling(const struct gateway *gateway)
{
	unsigned ceiling = listeners_ceiling(gateway->outlet_listeners);
	struct rlimit limit;
	rlim_t part;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= ceiling)
		return ceiling;
	part = (limit.rlim_cur - ceiling) / UNTRUSTED_PART;
	return ceiling + (part < UNTRUSTED_CLIENTS ? (unsigned)part : UNTRUSTED_CLIENTS);
}
