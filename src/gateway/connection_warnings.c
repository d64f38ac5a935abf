#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gateway/connection_private.h"

/* Warnings about slow operations and transfers. */

static void connection_warn(struct connection *connection, const struct warning *warning)
{
	if (!warning)
		return;
	if (warning->type == WARNING_OPERATION)
		connection_log(connection, LOG_WARNING, "%s took %llu us (threshold %llu us)",
			warning->operation, (unsigned long long)warning->us,
			(unsigned long long)warning->timeout);
	else
		connection_log(connection, LOG_WARNING,
			"%s of %llu bytes at %.0f bytes/s (threshold %llu bytes/s)",
			warning->operation, (unsigned long long)warning->bytes, warning->bytes_sec,
			(unsigned long long)warning->threshold);
	connection->host->event(connection, EVENT_TYPE_WARNING, NULL, warning,
		connection->host->context);
}

static bool connection_warns(const struct connection *connection)
{
	return connection->warnings && warnings_active(connection->warnings);
}

void connection_judge_transfer(struct connection *connection, const char *direction, uint64_t bytes,
	uint64_t us)
{
	if (!connection_warns(connection))
		return;
	connection_warn(connection, warnings_operation(connection->warnings, direction, us));
	connection_warn(connection, warnings_transfer(connection->warnings, direction, bytes, us));
}

void connection_judge_call(struct connection *connection)
{
	const struct call_report *report = &connection->dialer.report;
	const struct {
		const char *operation;
		uint64_t us;
	} phases[] = {
		{"resolve", report->dial.resolve_us},
		{"connect", report->dial.connect_us},
		{"proxy", report->dial.proxy_us},
		{"tls", report->dial.tls_us},
		{"upgrade", report->upgrade_us},
	};

	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		if (phases[i].us && connection_warns(connection))
			connection_warn(connection,
				warnings_operation(connection->warnings, phases[i].operation,
					phases[i].us));
	}
}

bool connection_set_warnings(struct connection *connection, const struct warn_settings *thresholds,
	struct error *error)
{
	if (!connection->warnings)
		connection->warnings = alloc_zero(1, sizeof(*connection->warnings));
	return warnings_set(connection->warnings, thresholds, error);
}

void connection_clear_warnings(struct connection *connection)
{
	if (connection->warnings)
		warnings_clear(connection->warnings);
}

void connection_take_warnings(struct connection *connection, uint64_t seq)
{
	if (connection->warnings)
		warnings_take(connection->warnings, seq);
}

/* The settings have been checked; thresholds of 0 mean no warnings. */
void connection_configure_warnings(struct connection *connection)
{
	const struct warn_settings *warn = &connection->config->settings->warn;
	struct error error;

	if (warn->warning_ms == 0 && warn->warning_bs == 0)
		connection_clear_warnings(connection);
	else if (!connection_set_warnings(connection, warn, &error))
		connection_log(connection, LOG_ERR, "warn: %s", error.text);
}
