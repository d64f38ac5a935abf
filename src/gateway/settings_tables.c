#include "config.h"

#include <sys/socket.h>

#include "gateway/settings_private.h"

#define GATEWAY(member)    MEMBER(struct gateway_settings, member)
#define CONFIG(member)     MEMBER(struct connection_config, member)
#define CONNECTION(member) MEMBER(struct connection_settings, member)
#define OUTLET(member)     MEMBER(struct outlet_config, member)
#define MEMBER(type, member)                                                                       \
	.offset = offsetof(type, member), .size = sizeof(((const type *)NULL)->member)
#define RANGE(least, most) .minimum = least, .maximum = most

/* Long enough for everybody, and far from where sums of nanoseconds overflow. */
#define LONGEST "365d"

/* clang-format off */

static const struct choice log_levels[] = {
	{"err", LOG_ERR},
	{"warning", LOG_WARNING},
	{"notice", LOG_NOTICE},
	{"info", LOG_INFO},
	{"debug", LOG_DEBUG},
	{0},
};

static const struct choice log_formats[] = {
	{"auto", LOG_FORMAT_AUTO},
	{"text", LOG_FORMAT_TEXT},
	{"json", LOG_FORMAT_JSON},
	{"journal", LOG_FORMAT_JOURNAL},
	{0},
};

static const struct choice whens[] = {
	{"always", WHEN_ALWAYS},
	{"subscribed", WHEN_SUBSCRIBED},
	{"manual", WHEN_MANUAL},
	{0},
};

static const struct choice jitters[] = {
	{"full", JITTER_FULL},
	{"none", JITTER_NONE},
	{0},
};

static const struct choice address_families[] = {
	{"any", AF_UNSPEC},
	{"ipv4", AF_INET},
	{"ipv6", AF_INET6},
	{0},
};

static const struct choice tls_versions[] = {
	{"1.2", 0},
	{"1.3", 0},
	{0},
};

static const struct setting control_table[] = {
	{"path", SETTING_STRING, GATEWAY(control.path), .standard = "control.sock",
		.flags = SETTING_RESTART},
	{"mode", SETTING_MODE, GATEWAY(control.mode)},
	{"owner", SETTING_STRING, GATEWAY(control.owner)},
	{"group", SETTING_STRING, GATEWAY(control.group)},
	{0},
};

static const struct setting observe_table[] = {
	{"path", SETTING_STRING, GATEWAY(observe.path), .flags = SETTING_RESTART},
	{"mode", SETTING_MODE, GATEWAY(observe.mode)},
	{"owner", SETTING_STRING, GATEWAY(observe.owner)},
	{"group", SETTING_STRING, GATEWAY(observe.group)},
	{0},
};

static const struct setting log_table[] = {
	{"level", SETTING_CHOICE, GATEWAY(log.level), .standard = "info", .choices = log_levels},
	{"format", SETTING_CHOICE, GATEWAY(log.format), .standard = "auto", .choices = log_formats},
	{0},
};

static const struct setting connecting_table[] = {
	{"at_once", SETTING_INTEGER, GATEWAY(connecting.at_once), .standard = "64",
		RANGE("0", "1000000")},
	{"per_second", SETTING_INTEGER, GATEWAY(connecting.per_second), .standard = "100",
		RANGE("0", "1000000")},
	{0},
};

const struct setting gateway_settings_table[] = {
	{"runtime_dir", SETTING_FILE, GATEWAY(runtime_dir), .standard = RUNSTATEDIR "/wsgated",
		.flags = SETTING_RESTART},
	{"control", SETTING_GROUP, .group = control_table},
	{"observe", SETTING_GROUP, .group = observe_table},
	{"log", SETTING_GROUP, .group = log_table},
	{"dns", SETTING_STRINGS, GATEWAY(dns), .flags = SETTING_RESTART},
	{"connecting", SETTING_GROUP, .group = connecting_table},
	{"drain_timeout", SETTING_DURATION, GATEWAY(drain_timeout), .standard = "5s",
		RANGE("0", LONGEST)},
	{0},
};

static const struct setting ping_table[] = {
	{"interval", SETTING_DURATION, CONNECTION(ping_interval), .standard = "30s",
		RANGE("0", LONGEST), .flags = SETTING_LIVE},
	{"timeout", SETTING_DURATION, CONNECTION(ping_timeout), .standard = "10s",
		RANGE("1ms", LONGEST), .flags = SETTING_LIVE},
	{"payload", SETTING_TEXT, CONNECTION(ping_payload), .flags = SETTING_LIVE},
	{0},
};

static const struct setting heartbeat_table[] = {
	{"every", SETTING_DURATION, CONNECTION(heartbeat.every), .standard = "0",
		RANGE("0", LONGEST), .flags = SETTING_LIVE | SETTING_LOGIN},
	{"message", SETTING_TEXT, CONNECTION(heartbeat.message),
		.flags = SETTING_LIVE | SETTING_SECRET},
	{"binary", SETTING_BOOL, CONNECTION(heartbeat.binary), .standard = "false",
		.flags = SETTING_LIVE},
	{"only_idle", SETTING_BOOL, CONNECTION(heartbeat.only_idle), .standard = "false",
		.flags = SETTING_LIVE},
	{0},
};

static const struct setting max_age_table[] = {
	{"after", SETTING_DURATION, CONNECTION(max_age.after), .standard = "0",
		RANGE("0", LONGEST), .flags = SETTING_LIVE},
	{"jitter", SETTING_NUMBER, CONNECTION(max_age.jitter), .standard = "0.1",
		RANGE("0", "1"), .flags = SETTING_LIVE},
	{"overlap", SETTING_BOOL, CONNECTION(max_age.overlap), .standard = "false",
		.flags = SETTING_LIVE},
	{0},
};

static const struct setting hold_table[] = {
	{"bytes", SETTING_SIZE, CONNECTION(hold.bytes), .standard = "0", RANGE("0", "1G"),
		.flags = SETTING_LIVE},
	{"age", SETTING_DURATION, CONNECTION(hold.age), .standard = "30s", RANGE("1ms", LONGEST),
		.flags = SETTING_LIVE},
	{0},
};

static const struct setting send_rate_table[] = {
	{"messages", SETTING_NUMBER, CONNECTION(send_rate.messages), .standard = "0",
		RANGE("0", "1000000"), .flags = SETTING_LIVE},
	{"burst", SETTING_INTEGER, CONNECTION(send_rate.burst), .standard = "1",
		RANGE("1", "1000000"), .flags = SETTING_LIVE},
	{0},
};

static const struct setting compression_table[] = {
	{"enabled", SETTING_BOOL, CONNECTION(compression.enabled), .standard = "false"},
	{"client_max_window_bits", SETTING_INTEGER, CONNECTION(compression.client_max_window_bits),
		.standard = "15", RANGE("8", "15")},
	{"server_max_window_bits", SETTING_INTEGER, CONNECTION(compression.server_max_window_bits),
		.standard = "15", RANGE("8", "15")},
	{"client_no_context_takeover", SETTING_BOOL,
		CONNECTION(compression.client_no_context_takeover), .standard = "false"},
	{"server_no_context_takeover", SETTING_BOOL,
		CONNECTION(compression.server_no_context_takeover), .standard = "false"},
	{"level", SETTING_INTEGER, CONNECTION(compression.level), .standard = "6",
		RANGE("1", "9")},
	{"threshold", SETTING_SIZE, CONNECTION(compression.threshold), .standard = "64",
		RANGE("0", "1G")},
	{0},
};

static const struct setting proxy_table[] = {
	{"url", SETTING_STRING, CONNECTION(proxy.url), .flags = SETTING_SECRET},
	{"username", SETTING_STRING, CONNECTION(proxy.username), .flags = SETTING_LOGIN},
	{"password_file", SETTING_FILE, CONNECTION(proxy.password_file),
		.flags = SETTING_SECRET | SETTING_LINE},
	{0},
};

/* The upper limits are the kernel's, or just below. */
static const struct setting tcp_table[] = {
	{"nodelay", SETTING_BOOL, CONNECTION(tcp.nodelay), .standard = "true"},
	{"keepalive", SETTING_DURATION, CONNECTION(tcp.keepalive), .standard = "0",
		RANGE("0", "9h")},
	{"keepalive_interval", SETTING_DURATION, CONNECTION(tcp.keepalive_interval),
		.standard = "15s", RANGE("1s", "9h")},
	{"keepalive_count", SETTING_INTEGER, CONNECTION(tcp.keepalive_count), .standard = "4",
		RANGE("1", "127")},
	{"user_timeout", SETTING_DURATION, CONNECTION(tcp.user_timeout), .standard = "0",
		RANGE("0", "24d")},
	{0},
};

static const struct setting address_table[] = {
	{"family", SETTING_CHOICE, CONNECTION(address.family), .standard = "any",
		.choices = address_families},
	{"source", SETTING_STRING, CONNECTION(address.source)},
	{"interface", SETTING_STRING, CONNECTION(address.interface)},
	{0},
};

static const struct setting reconnect_table[] = {
	{"enabled", SETTING_BOOL, CONNECTION(reconnect.enabled), .standard = "true",
		.flags = SETTING_LIVE},
	{"min", SETTING_DURATION, CONNECTION(reconnect.min), .standard = "500ms",
		RANGE("10ms", LONGEST), .flags = SETTING_LIVE},
	{"max", SETTING_DURATION, CONNECTION(reconnect.max), .standard = "60s",
		RANGE("10ms", LONGEST), .flags = SETTING_LIVE},
	{"factor", SETTING_NUMBER, CONNECTION(reconnect.factor), .standard = "2.0",
		RANGE("1", "100"), .flags = SETTING_LIVE},
	{"stable", SETTING_DURATION, CONNECTION(reconnect.stable), .standard = "30s",
		RANGE("0", LONGEST), .flags = SETTING_LIVE},
	{"jitter", SETTING_CHOICE, CONNECTION(reconnect.jitter), .standard = "full",
		.choices = jitters, .flags = SETTING_LIVE},
	{"attempts", SETTING_INTEGER, CONNECTION(reconnect.attempts), .standard = "0",
		RANGE("0", "1000000"), .flags = SETTING_LIVE},
	{"give_up", SETTING_INTEGERS, CONNECTION(reconnect.give_up), .flags = SETTING_LIVE},
	{0},
};

static const struct setting tls_table[] = {
	{"verify", SETTING_BOOL, CONNECTION(tls.verify), .standard = "true"},
	{"ca_file", SETTING_FILE, CONNECTION(tls.ca_file)},
	{"ca_path", SETTING_FILE, CONNECTION(tls.ca_path), .flags = SETTING_FOLDER},
	{"crl_file", SETTING_FILE, CONNECTION(tls.crl_file)},
	{"cert_file", SETTING_FILE, CONNECTION(tls.cert_file), .flags = SETTING_LOGIN},
	{"key_file", SETTING_FILE, CONNECTION(tls.key_file), .flags = SETTING_SECRET},
	{"server_name", SETTING_STRING, CONNECTION(tls.server_name)},
	{"min_version", SETTING_STRING, CONNECTION(tls.min_version), .standard = "1.2",
		.choices = tls_versions},
	{"ciphers", SETTING_STRING, CONNECTION(tls.ciphers)},
	{"pins", SETTING_STRINGS, CONNECTION(tls_extra.pins)},
	{"resume", SETTING_BOOL, CONNECTION(tls_extra.resume), .standard = "true"},
	{"keylog_file", SETTING_FILE, CONNECTION(tls_extra.keylog_file), .flags = SETTING_WRITTEN},
	{"key_passphrase_file", SETTING_FILE, CONNECTION(tls_extra.key_passphrase_file),
		.flags = SETTING_SECRET | SETTING_LINE},
	{0},
};

/* The largest values keep their microseconds, and bytes a second as a double, exact. */
static const struct setting warn_table[] = {
	{"warning_ms", SETTING_INTEGER, CONNECTION(warn.warning_ms), .standard = "0",
		RANGE("0", "1000000000000"), .flags = SETTING_LIVE},
	{"warning_bs", SETTING_INTEGER, CONNECTION(warn.warning_bs), .standard = "0",
		RANGE("0", "1000000000000"), .flags = SETTING_LIVE},
	{"min_ms", SETTING_INTEGER, CONNECTION(warn.min_ms), .standard = "1000",
		RANGE("0", "1000000000000"), .flags = SETTING_LIVE},
	{"arg", SETTING_JSON, CONNECTION(warn.arg), .flags = SETTING_LIVE},
	{"queue", SETTING_INTEGER, CONNECTION(warn.queue), .standard = "100",
		RANGE("1", "100000"), .flags = SETTING_LIVE},
	{0},
};

const struct setting connection_config_table[] = {
	{"name", SETTING_NAME, CONFIG(name), .flags = SETTING_REQUIRED | SETTING_OWN},
	{"url", SETTING_STRING, CONFIG(url), .flags = SETTING_REQUIRED | SETTING_SECRET},
	{0},
};

const struct setting connection_settings_table[] = {
	{"when", SETTING_CHOICE, CONNECTION(when), .standard = "always", .choices = whens,
		.flags = SETTING_LIVE},
	{"linger", SETTING_DURATION, CONNECTION(linger), .standard = "30s", RANGE("0", LONGEST),
		.flags = SETTING_LIVE},
	{"headers", SETTING_HEADERS, CONNECTION(headers), .flags = SETTING_SECRET},
	{"header_files", SETTING_HEADER_FILES, CONNECTION(header_files),
		.flags = SETTING_SECRET | SETTING_LINE | SETTING_HEADER},
	{"protocols", SETTING_STRINGS, CONNECTION(protocols),
		.flags = SETTING_LOGIN | SETTING_SECRET},
	{"on_open", SETTING_STRINGS, CONNECTION(on_open), .flags = SETTING_LIVE | SETTING_SECRET},
	{"on_open_file", SETTING_FILE, CONNECTION(on_open_file),
		.flags = SETTING_LIVE | SETTING_SECRET},
	{"host", SETTING_STRING, CONNECTION(host)},
	{"origin", SETTING_STRING, CONNECTION(origin)},
	{"user_agent", SETTING_STRING, CONNECTION(user_agent), .standard = "wsgated/" PACKAGE_VERSION},
	{"username", SETTING_STRING, CONNECTION(username), .flags = SETTING_LOGIN},
	{"password_file", SETTING_FILE, CONNECTION(password_file),
		.flags = SETTING_SECRET | SETTING_LINE},
	{"bearer_file", SETTING_FILE, CONNECTION(bearer_file),
		.flags = SETTING_SECRET | SETTING_LINE | SETTING_HEADER},
	{"max_redirects", SETTING_INTEGER, CONNECTION(max_redirects), .standard = "5",
		RANGE("0", "20"), .flags = SETTING_LIVE},
	{"redirect_hosts", SETTING_STRINGS, CONNECTION(redirect_hosts), .flags = SETTING_LIVE},
	{"connect_timeout", SETTING_DURATION, CONNECTION(connect_timeout), .standard = "10s",
		RANGE("1ms", LONGEST), .flags = SETTING_LIVE},
	{"tls_timeout", SETTING_DURATION, CONNECTION(tls_timeout), .standard = "10s",
		RANGE("1ms", LONGEST), .flags = SETTING_LIVE},
	{"upgrade_timeout", SETTING_DURATION, CONNECTION(upgrade_timeout), .standard = "10s",
		RANGE("1ms", LONGEST), .flags = SETTING_LIVE},
	{"close_timeout", SETTING_DURATION, CONNECTION(close_timeout), .standard = "5s",
		RANGE("1ms", LONGEST), .flags = SETTING_LIVE},
	{"ping", SETTING_GROUP, .group = ping_table},
	{"idle_timeout", SETTING_DURATION, CONNECTION(idle_timeout), .standard = "0",
		RANGE("0", LONGEST), .flags = SETTING_LIVE},
	{"max_message", SETTING_SIZE, CONNECTION(max_message), .standard = "1M",
		RANGE("1", "1G"), .flags = SETTING_LIVE},
	{"send_queue", SETTING_SIZE, CONNECTION(send_queue), .standard = "1M",
		RANGE("1K", "1G"), .flags = SETTING_LIVE},
	{"hold", SETTING_GROUP, .group = hold_table},
	{"send_rate", SETTING_GROUP, .group = send_rate_table},
	{"compression", SETTING_GROUP, .group = compression_table},
	{"heartbeat", SETTING_GROUP, .group = heartbeat_table},
	{"max_age", SETTING_GROUP, .group = max_age_table},
	{"proxy", SETTING_GROUP, .group = proxy_table},
	{"tcp", SETTING_GROUP, .group = tcp_table},
	{"address", SETTING_GROUP, .group = address_table},
	{"reconnect", SETTING_GROUP, .group = reconnect_table},
	{"tls", SETTING_GROUP, .group = tls_table},
	{"warn", SETTING_GROUP, .group = warn_table},
	{0},
};

const struct setting outlet_config_table[] = {
	{"name", SETTING_NAME, OUTLET(outlet.name), .flags = SETTING_REQUIRED},
	{"path", SETTING_STRING, OUTLET(outlet.path)},
	{"from", SETTING_STRINGS, OUTLET(from), .flags = SETTING_REQUIRED},
	{"format", SETTING_CHOICE, OUTLET(outlet.format), .standard = "lines",
		.choices = outlet_formats},
	{"ring", SETTING_SIZE, OUTLET(outlet.ring), .standard = "4M", RANGE("4K", "4G")},
	{"on_lag", SETTING_CHOICE, OUTLET(outlet.on_lag), .standard = "skip", .choices = outlet_on_lags},
	{"start", SETTING_CHOICE, OUTLET(outlet.start), .standard = "live", .choices = outlet_starts},
	{"mode", SETTING_MODE, OUTLET(outlet.mode), .standard = "0660"},
	{"owner", SETTING_STRING, OUTLET(outlet.owner)},
	{"group", SETTING_STRING, OUTLET(outlet.group)},
	{"writable", SETTING_BOOL, OUTLET(outlet.writable), .standard = "false"},
	{"max_subscribers", SETTING_INTEGER, OUTLET(outlet.max_subscribers), .standard = "1024",
		RANGE("1", "1000000")},
	{0},
};
