#include "config.h"

#include "gateway/placeholders.h"
#include "gateway/redirect.h"
#include "gateway/settings_private.h"
#include "gateway/warnings.h"
#include "net/net.h"
#include "net/tls_certificate.h"
#include "net/url.h"
#include "ws/handshake.h"
#include "ws/protocol.h"

/*
 * A row's kind and member. It does not compile unless the member's type is one of the kind's.
 */
#define BOOL(type, member) ROW(bool, type, member, IS(type, member, bool))
#define INTEGER(type, member)                                                                      \
	ROW(integer, type, member,                                                                 \
		IS(type, member, int) || IS(type, member, unsigned) || IS(type, member, uint64_t))
#define NUMBER(type, member)    ROW(number, type, member, IS(type, member, double))
#define DURATION(type, member)  ROW(duration, type, member, IS(type, member, uint64_t))
#define SIZE(type, member)      ROW(size, type, member, IS(type, member, uint64_t))
#define MODE(type, member)      ROW(mode, type, member, IS(type, member, mode_t))
#define CHOICE(type, member)    ROW(choice, type, member, SIZE_OF(type, member) == sizeof(int))
#define STRING(type, member)    ROW(string, type, member, IS_TEXT(type, member))
#define URL(type, member)       ROW(url, type, member, IS_TEXT(type, member))
#define TEXT(type, member)      ROW(text, type, member, IS_TEXT(type, member))
#define NAME(type, member)      ROW(name, type, member, IS_TEXT(type, member))
#define FILE_PATH(type, member) ROW(file, type, member, IS_TEXT(type, member))
#define JSON(type, member)      ROW(json, type, member, IS_TEXT(type, member))
#define STRINGS(type, member)   ROW(strings, type, member, IS(type, member, struct string_list))
#define INTEGERS(type, member)  ROW(integers, type, member, IS(type, member, struct integer_list))
#define HEADERS(type, member)   ROW(headers, type, member, IS(type, member, struct header_list))
#define HEADER_FILES(type, member)                                                                 \
	ROW(header_files, type, member, IS(type, member, struct header_list))

#define IS(type, member, wanted) _Generic(((type *)NULL)->member, wanted : 1, default : 0)
#define IS_TEXT(type, member)    (IS(type, member, char *) || IS(type, member, const char *))
#define SIZE_OF(type, member)    sizeof(((type *)NULL)->member)
#define ROW(kind_name, type, member, fits)                                                         \
	.kind = &setting_kind_##kind_name, .size = SIZE_OF(type, member),                          \
	.offset = offsetof(type, member) + 0 * sizeof(struct {                                     \
		_Static_assert(fits, "the member is not of the kind's type");                      \
		char none;                                                                         \
	})

/* A group of the file: of a member that is a struct, or of members of the struct itself. */
#define GROUP(type, member, table)                                                                 \
	.kind = &setting_kind_group, .size = SIZE_OF(type, member),                                \
	.offset = offsetof(type, member), .group = table
#define GROUP_INLINE(table) .kind = &setting_kind_group, .group = table

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

static const struct setting control_table[] = {
	{"path", STRING(struct gateway_settings, control.path), .standard = "control.sock",
		.flags = SETTING_RESTART},
	{"mode", MODE(struct gateway_settings, control.mode)},
	{"owner", STRING(struct gateway_settings, control.owner)},
	{"group", STRING(struct gateway_settings, control.group)},
	{0},
};

static const struct setting observe_table[] = {
	{"path", STRING(struct gateway_settings, observe.path), .flags = SETTING_RESTART},
	{"mode", MODE(struct gateway_settings, observe.mode)},
	{"owner", STRING(struct gateway_settings, observe.owner)},
	{"group", STRING(struct gateway_settings, observe.group)},
	{0},
};

static const struct setting log_table[] = {
	{"level", CHOICE(struct gateway_settings, log.level), .standard = "info",
		.choices = log_levels},
	{"format", CHOICE(struct gateway_settings, log.format), .standard = "auto",
		.choices = log_formats},
	{0},
};

static const struct setting connecting_table[] = {
	{"at_once", INTEGER(struct gateway_settings, connecting.at_once), .standard = "64",
		RANGE("0", "1000000")},
	{"per_second", INTEGER(struct gateway_settings, connecting.per_second), .standard = "100",
		RANGE("0", "1000000")},
	{0},
};

const struct setting gateway_settings_table[] = {
	{"runtime_dir", FILE_PATH(struct gateway_settings, runtime_dir),
		.standard = RUNSTATEDIR "/wsgated",
		.flags = SETTING_RESTART | SETTING_ENVIRONMENT},
	{"control", GROUP_INLINE(control_table)},
	{"observe", GROUP_INLINE(observe_table)},
	{"log", GROUP_INLINE(log_table)},
	{"dns", STRINGS(struct gateway_settings, dns), .check = net_check_server,
		.flags = SETTING_RESTART},
	{"connecting", GROUP_INLINE(connecting_table)},
	{"drain_timeout", DURATION(struct gateway_settings, drain_timeout), .standard = "5s",
		RANGE("0", LONGEST)},
	{"input_memory", SIZE(struct gateway_settings, input_memory), .standard = "64M",
		RANGE("1M", "64G")},
	{0},
};

static const struct setting ping_table[] = {
	{"interval", DURATION(struct connection_settings, endpoint.ping.interval),
		.standard = "30s",
		RANGE("0", LONGEST), .flags = SETTING_LIVE},
	{"timeout", DURATION(struct connection_settings, endpoint.ping.timeout), .standard = "10s",
		RANGE("1ms", LONGEST), .flags = SETTING_LIVE},
	{"payload", TEXT(struct connection_settings, endpoint.ping.payload),
		.check = ws_check_ping_payload, .flags = SETTING_LIVE},
	{0},
};

static const struct setting heartbeat_table[] = {
	{"every", DURATION(struct connection_settings, endpoint.heartbeat.every), .standard = "0",
		RANGE("0", LONGEST), .flags = SETTING_LIVE | SETTING_LOGIN},
	{"message", TEXT(struct connection_settings, endpoint.heartbeat.message),
		.flags = SETTING_LIVE | SETTING_SECRET},
	{"binary", BOOL(struct connection_settings, endpoint.heartbeat.binary), .standard = "false",
		.flags = SETTING_LIVE},
	{"only_idle", BOOL(struct connection_settings, endpoint.heartbeat.only_idle),
		.standard = "false",
		.flags = SETTING_LIVE},
	{0},
};

static const struct setting max_age_table[] = {
	{"after", DURATION(struct connection_settings, max_age.after), .standard = "0",
		RANGE("0", LONGEST), .flags = SETTING_LIVE},
	{"jitter", NUMBER(struct connection_settings, max_age.jitter), .standard = "0.1",
		RANGE("0", "1"), .flags = SETTING_LIVE},
	{"overlap", BOOL(struct connection_settings, max_age.overlap), .standard = "false",
		.flags = SETTING_LIVE},
	{0},
};

static const struct setting hold_table[] = {
	{"bytes", SIZE(struct connection_settings, hold.bytes), .standard = "0", RANGE("0", "1G"),
		.flags = SETTING_LIVE},
	{"age", DURATION(struct connection_settings, endpoint.keep_age),
		.standard = "30s", RANGE("1ms", LONGEST),
		.flags = SETTING_LIVE},
	{0},
};

static const struct setting send_rate_table[] = {
	{"messages", NUMBER(struct connection_settings, endpoint.send_rate.messages),
		.standard = "0",
		RANGE("0", "1000000"), .flags = SETTING_LIVE},
	{"burst", INTEGER(struct connection_settings, endpoint.send_rate.burst), .standard = "1",
		RANGE("1", "1000000"), .flags = SETTING_LIVE},
	{0},
};

static const struct setting compression_table[] = {
	{"enabled", BOOL(struct connection_settings, compression.enabled), .standard = "false"},
	{"client_max_window_bits", INTEGER(struct connection_settings, compression.offer.client_max_window_bits),
		.standard = "15", RANGE("8", "15")},
	{"server_max_window_bits", INTEGER(struct connection_settings, compression.offer.server_max_window_bits),
		.standard = "15", RANGE("8", "15")},
	{"client_no_context_takeover", BOOL(struct connection_settings, compression.offer.client_no_context_takeover), .standard = "false"},
	{"server_no_context_takeover", BOOL(struct connection_settings, compression.offer.server_no_context_takeover), .standard = "false"},
	{"level", INTEGER(struct connection_settings, compression.level), .standard = "6",
		RANGE("1", "9")},
	{"threshold", SIZE(struct connection_settings, compression.threshold), .standard = "64",
		RANGE("0", "1G")},
	{0},
};

static const struct setting proxy_table[] = {
	{"url", URL(struct connection_settings, proxy.url), .check = proxy_check,
		.flags = SETTING_SECRET},
	{"username", STRING(struct connection_settings, proxy.username), .flags = SETTING_LOGIN},
	{"password_file", FILE_PATH(struct connection_settings, proxy.password_file),
		.flags = SETTING_SECRET | SETTING_LINE},
	{"ca_file", FILE_PATH(struct connection_settings, proxy.ca_file)},
	{0},
};

/* The upper limits are the kernel's, or just below. */
static const struct setting tcp_table[] = {
	{"nodelay", BOOL(struct connection_settings, tcp.nodelay), .standard = "true"},
	{"keepalive", DURATION(struct connection_settings, tcp.keepalive_idle), .standard = "0",
		RANGE("0", "9h")},
	{"keepalive_interval", DURATION(struct connection_settings, tcp.keepalive_interval),
		.standard = "15s", RANGE("1s", "9h")},
	{"keepalive_count", INTEGER(struct connection_settings, tcp.keepalive_count),
		.standard = "4",
		RANGE("1", "127")},
	{"user_timeout", DURATION(struct connection_settings, tcp.user_timeout), .standard = "0",
		RANGE("0", "24d")},
	{0},
};

static const struct setting address_table[] = {
	{"family", CHOICE(struct connection_settings, tcp.family), .standard = "any",
		.choices = tcp_families},
	{"source", STRING(struct connection_settings, tcp.source_address),
		.check = tcp_check_source},
	{"interface", STRING(struct connection_settings, tcp.interface),
		.check = tcp_check_interface},
	{0},
};

static const struct setting reconnect_table[] = {
	{"enabled", BOOL(struct connection_settings, reconnect.enabled), .standard = "true",
		.flags = SETTING_LIVE},
	{"min", DURATION(struct connection_settings, reconnect.backoff.min), .standard = "500ms",
		RANGE("10ms", LONGEST), .flags = SETTING_LIVE},
	{"max", DURATION(struct connection_settings, reconnect.backoff.max), .standard = "60s",
		RANGE("10ms", LONGEST), .flags = SETTING_LIVE},
	{"factor", NUMBER(struct connection_settings, reconnect.backoff.factor), .standard = "2.0",
		RANGE("1", "100"), .flags = SETTING_LIVE},
	{"stable", DURATION(struct connection_settings, reconnect.stable), .standard = "30s",
		RANGE("0", LONGEST), .flags = SETTING_LIVE},
	{"jitter", CHOICE(struct connection_settings, reconnect.backoff.jitter), .standard = "full",
		.choices = backoff_jitters, .flags = SETTING_LIVE},
	{"attempts", INTEGER(struct connection_settings, reconnect.attempts), .standard = "0",
		RANGE("0", "1000000"), .flags = SETTING_LIVE},
	{"give_up", INTEGERS(struct connection_settings, reconnect.give_up), .flags = SETTING_LIVE},
	{0},
};

static const struct setting tls_table[] = {
	{"verify", BOOL(struct connection_settings, tls.verify), .standard = "true"},
	{"ca_file", FILE_PATH(struct connection_settings, tls.ca_file)},
	{"ca_path", FILE_PATH(struct connection_settings, tls.ca_path), .flags = SETTING_FOLDER},
	{"crl_file", FILE_PATH(struct connection_settings, tls.crl_file)},
	{"cert_file", FILE_PATH(struct connection_settings, tls.cert_file), .flags = SETTING_LOGIN},
	{"key_file", FILE_PATH(struct connection_settings, tls.key_file), .flags = SETTING_SECRET},
	{"server_name", STRING(struct connection_settings, tls.server_name),
		.check = tls_check_server_name},
	{"min_version", CHOICE(struct connection_settings, tls.min_version), .standard = "1.2",
		.choices = tls_versions},
	{"ciphers", STRING(struct connection_settings, tls.ciphers)},
	{"pins", STRINGS(struct connection_settings, tls.pins), .check = tls_check_pin},
	{"resume", BOOL(struct connection_settings, tls.resume), .standard = "true"},
	{"keylog_file", FILE_PATH(struct connection_settings, tls.keylog_file),
		.flags = SETTING_WRITTEN},
	{"key_passphrase_file", FILE_PATH(struct connection_settings, tls.key_passphrase_file),
		.flags = SETTING_SECRET | SETTING_LINE},
	{0},
};

#define QUOTE_AS_IS(text) #text
#define QUOTE(macro)      QUOTE_AS_IS(macro)

/* The largest values keep their microseconds, and bytes a second as a double, exact. */
static const struct setting warn_table[] = {
	{"warning_ms", INTEGER(struct connection_settings, warn.warning_ms), .standard = "0",
		RANGE("0", "1000000000000"), .flags = SETTING_LIVE},
	{"warning_bs", INTEGER(struct connection_settings, warn.warning_bs), .standard = "0",
		RANGE("0", "1000000000000"), .flags = SETTING_LIVE},
	{"min_ms", INTEGER(struct connection_settings, warn.min_ms),
		.standard = QUOTE(WARNINGS_MIN_MS_DEFAULT),
		RANGE("0", "1000000000000"), .flags = SETTING_LIVE},
	{"arg", JSON(struct connection_settings, warn.arg), .flags = SETTING_LIVE},
	{"queue", INTEGER(struct connection_settings, warn.queue),
		.standard = QUOTE(WARNINGS_QUEUE_DEFAULT), RANGE("1", QUOTE(WARNINGS_QUEUE_MAX)),
		.flags = SETTING_LIVE},
	{0},
};

const struct setting connection_config_table[] = {
	{"name", NAME(struct connection_config, name), .flags = SETTING_REQUIRED | SETTING_OWN},
	{"url", URL(struct connection_config, url), .check = url_check,
		.flags = SETTING_REQUIRED | SETTING_SECRET},
	{0},
};

const struct setting connection_settings_table[] = {
	{"when", CHOICE(struct connection_settings, when), .standard = "always", .choices = whens,
		.flags = SETTING_LIVE},
	{"linger", DURATION(struct connection_settings, linger),
		.standard = "30s", RANGE("0", LONGEST),
		.flags = SETTING_LIVE},
	{"headers", HEADERS(struct connection_settings, headers), .flags = SETTING_SECRET},
	{"header_files", HEADER_FILES(struct connection_settings, header_files),
		.flags = SETTING_SECRET | SETTING_LINE | SETTING_HEADER},
	{"protocols", STRINGS(struct connection_settings, protocols),
		.flags = SETTING_LOGIN | SETTING_SECRET},
	{"on_open", STRINGS(struct connection_settings, on_open), .check = placeholders_check,
		.flags = SETTING_LIVE | SETTING_SECRET},
	{"on_open_file", FILE_PATH(struct connection_settings, on_open_file),
		.flags = SETTING_LIVE | SETTING_SECRET},
	{"host", STRING(struct connection_settings, host), .check = ws_handshake_check_host},
	{"origin", STRING(struct connection_settings, origin)},
	{"user_agent", STRING(struct connection_settings, user_agent),
		.standard = "wsgated/" PACKAGE_VERSION},
	{"username", STRING(struct connection_settings, username), .check = url_check_user,
		.flags = SETTING_LOGIN},
	{"password_file", FILE_PATH(struct connection_settings, password_file),
		.flags = SETTING_SECRET | SETTING_LINE},
	{"bearer_file", FILE_PATH(struct connection_settings, bearer_file),
		.flags = SETTING_SECRET | SETTING_LINE | SETTING_HEADER},
	{"max_redirects", INTEGER(struct connection_settings, max_redirects), .standard = "5",
		RANGE("0", "20"), .flags = SETTING_LIVE},
	{"redirect_hosts", STRINGS(struct connection_settings, redirect_hosts),
		.check = redirect_check_host, .flags = SETTING_LIVE},
	{"cookies", CHOICE(struct connection_settings, cookies), .standard = "call",
		.choices = cookies_lifetimes, .flags = SETTING_LIVE},
	{"connect_timeout", DURATION(struct connection_settings, connect_timeout),
		.standard = "10s",
		RANGE("1ms", LONGEST), .flags = SETTING_LIVE},
	{"tls_timeout", DURATION(struct connection_settings, tls_timeout), .standard = "10s",
		RANGE("1ms", LONGEST), .flags = SETTING_LIVE},
	{"upgrade_timeout", DURATION(struct connection_settings, upgrade_timeout),
		.standard = "10s",
		RANGE("1ms", LONGEST), .flags = SETTING_LIVE},
	{"close_timeout", DURATION(struct connection_settings, endpoint.close_timeout),
		.standard = "5s",
		RANGE("1ms", LONGEST), .flags = SETTING_LIVE},
	{"ping", GROUP_INLINE(ping_table)},
	{"idle_timeout", DURATION(struct connection_settings, endpoint.idle_timeout),
		.standard = "0",
		RANGE("0", LONGEST), .flags = SETTING_LIVE},
	{"max_message", SIZE(struct connection_settings, endpoint.max_message), .standard = "1M",
		RANGE("1", "1G"), .flags = SETTING_LIVE},
	{"utf8", CHOICE(struct connection_settings, endpoint.utf8), .standard = "check",
		.choices = ws_utf8_policies, .flags = SETTING_LIVE},
	{"send_queue", SIZE(struct connection_settings, endpoint.send_queue), .standard = "1M",
		RANGE("1K", "1G"), .flags = SETTING_LIVE},
	{"hold", GROUP_INLINE(hold_table)},
	{"send_rate", GROUP_INLINE(send_rate_table)},
	{"compression", GROUP_INLINE(compression_table)},
	{"heartbeat", GROUP_INLINE(heartbeat_table)},
	{"max_age", GROUP_INLINE(max_age_table)},
	{"proxy", GROUP_INLINE(proxy_table)},
	{"tcp", GROUP_INLINE(tcp_table)},
	{"address", GROUP_INLINE(address_table)},
	{"reconnect", GROUP_INLINE(reconnect_table)},
	{"tls", GROUP_INLINE(tls_table)},
	{"warn", GROUP_INLINE(warn_table)},
	{0},
};

const struct setting outlet_config_table[] = {
	{"name", NAME(struct outlet_config, outlet.name), .flags = SETTING_REQUIRED},
	{"path", STRING(struct outlet_config, outlet.path)},
	{"from", STRINGS(struct outlet_config, from), .flags = SETTING_REQUIRED},
	{"format", CHOICE(struct outlet_config, outlet.format), .standard = "lines",
		.choices = outlet_formats},
	{"ring", SIZE(struct outlet_config, outlet.ring), .standard = "4M", RANGE("4K", "4G")},
	{"on_lag", CHOICE(struct outlet_config, outlet.on_lag), .standard = "skip",
		.choices = outlet_on_lags},
	{"start", CHOICE(struct outlet_config, outlet.start), .standard = "live",
		.choices = outlet_starts},
	{"mode", MODE(struct outlet_config, outlet.mode), .standard = "0660"},
	{"owner", STRING(struct outlet_config, outlet.owner)},
	{"group", STRING(struct outlet_config, outlet.group)},
	{"writable", BOOL(struct outlet_config, outlet.writable), .standard = "false"},
	{"max_subscribers", INTEGER(struct outlet_config, outlet.max_subscribers),
		.standard = "1024",
		RANGE("1", "1000000")},
	{0},
};

const struct setting *const settings_tables[][3] = {
	[SETTINGS_GATEWAY] = {gateway_settings_table},
	[SETTINGS_CONNECTION] = {connection_config_table, connection_settings_table},
	[SETTINGS_OUTLET] = {outlet_config_table},
};
