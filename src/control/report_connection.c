#include "base/clock.h"
#include "control/report_value.h"

static const char *const when_names[] = {
	[WHEN_ALWAYS] = "always",
	[WHEN_SUBSCRIBED] = "subscribed",
	[WHEN_MANUAL] = "manual",
};

/* The members of `list` that `status` has, too; a last error is more in `status`. */
static void report_summary(struct json_writer *json, const struct connection *connection,
	const struct connection_status *status, enum report_view view)
{
	json_put_text(json, "name", connection_name(connection));
	json_put_text(json, "state", connection_state_name(status->state));
	report_url(json, "url", status->url, view);
	report_time(json, "since", status->since);
	json_put_number(json, "attempt", status->attempt);
	json_put_boolean(json, "queued", status->queued);
	json_put_text(json, "gave_up", status->gave_up);
	if (status->state == CONNECTION_WAITING && !status->queued)
		json_put_number(json, "next_try_ms", status->next_try_ns / CLOCK_NS_PER_MS);
	else
		json_put_null(json, "next_try_ms");
	json_put_number(json, "bytes_sent", status->stats->wire.bytes_sent);
	json_put_number(json, "bytes_recv", status->stats->wire.bytes_recv);
	json_put_number(json, "messages_sent", status->stats->wire.messages_sent);
	json_put_number(json, "messages_recv", status->stats->messages_recv);
}

void report_connection(struct json_writer *json, const char *name,
	const struct connection *connection, enum report_view view)
{
	struct connection_status status;

	connection_status(connection, &status);
	json_put_object(json, name);
	report_summary(json, connection, &status, view);
	json_put_text(json, "last_error",
		view != REPORT_OBSERVED ? status.last_error_text : status.last_error);
	json_put_object_end(json);
}

static void report_last_error(struct json_writer *json, const struct connection_status *status,
	enum report_view view)
{
	if (!status->last_error) {
		json_put_null(json, "last_error");
		return;
	}
	json_put_object(json, "last_error");
	json_put_text(json, "err", status->last_error);
	json_put_text(json, "desc", view != REPORT_OBSERVED ? status->last_error_text : NULL);
	report_time(json, "time", status->last_error_time);
	json_put_object_end(json);
}

static void report_last_close(struct json_writer *json, const struct connection_status *status,
	enum report_view view)
{
	if (!status->last_close_code) {
		json_put_null(json, "last_close");
		return;
	}
	json_put_object(json, "last_close");
	json_put_number(json, "code", status->last_close_code);
	json_put_text(json, "reason", view != REPORT_OBSERVED ? status->last_close_reason : NULL);
	json_put_boolean(json, "remote", status->last_close_remote);
	json_put_object_end(json);
}

static void report_warning_counts(struct json_writer *json, const struct warnings *warnings)
{
	json_put_object(json, "warnings");
	json_put_boolean(json, "active", warnings_active(warnings));
	json_put_number(json, "queued", warnings->count);
	json_put_number(json, "raised", warnings->raised);
	json_put_number(json, "dropped", warnings->dropped);
	json_put_object_end(json);
}

static void report_outlet_names(struct json_writer *json, const struct connection *connection,
	size_t count)
{
	json_put_array(json, "outlets");
	for (size_t i = 0; i < count; i++)
		json_put_text(json, NULL, outlet_settings(connection_outlet(connection, i))->name);
	json_put_array_end(json);
}

static void report_last_call(struct json_writer *json, const struct call_report *call,
	enum report_view view)
{
	if (!call || !call->time) {
		json_put_null(json, "call");
		return;
	}
	json_put_object(json, "call");
	report_call_members(json, call, view);
	json_put_object_end(json);
}

void report_status(struct json_writer *json, const char *name, const struct connection *connection,
	enum report_view view)
{
	struct connection_status status;

	connection_status(connection, &status);
	json_put_object(json, name);
	report_summary(json, connection, &status, view);
	report_last_error(json, &status, view);
	report_outlet_names(json, connection, status.outlet_count);
	json_put_text(json, "when", when_names[status.settings->when]);
	json_put_boolean(json, "paused", status.paused);
	json_put_number(json, "send_queued", status.send_queued);
	json_put_number(json, "held", status.held);
	json_put_number(json, "held_bytes", status.held_bytes);
	report_last_close(json, &status, view);
	report_warning_counts(json, status.warnings);
	report_stats(json, "stats", connection, view);
	report_last_call(json, status.call, view);
	json_put_object_end(json);
}

/* Uncompressed bytes for each compressed byte, to a thousandth; null: nothing was compressed. */
static void report_ratio(struct json_writer *json, const char *name, uint64_t uncompressed,
	uint64_t compressed)
{
	if (compressed)
		json_put_real(json, name, (double)(uncompressed * 1000 / compressed) / 1000);
	else
		json_put_null(json, name);
}

static void report_thresholds(struct json_writer *json, const struct warn_settings *warn)
{
	report_json(json, "arg", warn->arg);
	json_put_number(json, "timeout", warn->warning_ms * 1000);
	json_put_number(json, "min_throughput", warn->warning_bs);
	json_put_number(json, "min_throughput_us", warn->min_ms * 1000);
}

void report_stats(struct json_writer *json, const char *name, const struct connection *connection,
	enum report_view view)
{
	const struct ws_endpoint_counts *wire;
	struct connection_status status;

	(void)view;
	connection_status(connection, &status);
	wire = &status.stats->wire;
	json_put_object(json, name);
	report_counters(json, stats_counters, status.stats);
	report_ratio(json, "ratio_sent", wire->uncompressed_sent, wire->compressed_sent);
	report_ratio(json, "ratio_recv", wire->uncompressed_recv, wire->compressed_recv);
	report_time(json, "since", status.stats->since);
	if (warnings_active(status.warnings))
		report_thresholds(json, &status.warnings->thresholds);
	json_put_object_end(json);
}

/* The members of the Qore classes (without an argument there is no "arg"), and then the number, the
 * connection and the time. */
void report_warning(struct json_writer *json, const char *name, const struct warning *warning,
	const char *connection)
{
	json_put_object(json, name);
	if (warning->type == WARNING_OPERATION) {
		json_put_text(json, "type", "SOCKET-OPERATION-WARNING");
		json_put_text(json, "operation", warning->operation);
		json_put_number(json, "us", warning->us);
		json_put_number(json, "timeout", warning->timeout);
	} else {
		json_put_text(json, "type", "SOCKET-THROUGHPUT-WARNING");
		json_put_text(json, "dir", warning->operation);
		json_put_number(json, "bytes", warning->bytes);
		json_put_number(json, "us", warning->us);
		json_put_real(json, "bytes_sec", warning->bytes_sec);
		json_put_number(json, "threshold", warning->threshold);
	}
	if (warning->arg)
		report_json(json, "arg", warning->arg);
	json_put_number(json, "seq", warning->seq);
	json_put_text(json, "connection", connection);
	report_time(json, "time", warning->time);
	json_put_object_end(json);
}
