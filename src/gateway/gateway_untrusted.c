#include <inttypes.h>
#include <sys/resource.h>

#include "gateway/gateway_private.h"

/*
 * What those may take who are not trusted: somebody who may use the control socket must not be able
 * to use up what everybody else needs, root's own requests included.
 */

enum {
	UNTRUSTED_CONNECTIONS = 256, /* that they have added, at most, */
	UNTRUSTED_SHARE = 32,        /* and one for so many descriptors of the limit */
	UNTRUSTED_MIB = 512,         /* that these may come to take */
	UNTRUSTED_CLIENTS = 32,      /* descriptors of the reserve that their requests may take, */
	UNTRUSTED_PART = 4,          /* and at most one of so many */
};

/* Those that are there, and those that are on their way out: they take what they take. */
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
	use->bytes += settings->max_message + settings->send_queue + settings->hold.bytes;
}

static struct untrusted_use untrusted_use(const struct gateway *gateway)
{
	struct untrusted_use use = {0};

	for (size_t i = 0; i < gateway->connection_count; i++)
		untrusted_add(&use, connection_config(gateway->connections[i]));
	for (size_t i = 0; i < gateway->retiring_count; i++)
		untrusted_add(&use, connection_config(gateway->retiring[i]));
	return use;
}

/* Of connections that are gone, the outlets that still have something to deliver. */
static unsigned untrusted_leaving(const struct gateway *gateway)
{
	unsigned count = 0;

	for (size_t i = 0; i < gateway->leaving_count; i++)
		count += outlet_settings(gateway->leaving[i].outlet)->untrusted;
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
	if (use.connections + untrusted_leaving(gateway) >= most)
		return error_set(error, ERROR_SETTINGS,
			"others than root and the daemon's user have added %u connections already, as "
			"many as they may",
			most);
	untrusted_add(&use, config);
	if (use.bytes <= bytes_max)
		return true;
	return error_set(error, ERROR_SETTINGS,
		"max_message, send_queue and hold.bytes of all connections that others than root and "
		"the daemon's user have added can be %d MiB together; with this one they would be "
		"%" PRIu64 " MiB",
		UNTRUSTED_MIB, (use.bytes + (1 << 20) - 1) >> 20);
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
