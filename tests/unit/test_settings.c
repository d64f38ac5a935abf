#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "gateway/warnings.h"
#include "settings_harness.h"

START_TEST(an_empty_file_is_a_gateway_with_nothing)
{
	struct settings *settings = load("");

	ck_assert_uint_eq(settings->connection_count, 0);
	ck_assert_uint_eq(settings->outlet_count, 0);
	ck_assert_str_eq(settings->gateway.runtime_dir, RUNSTATEDIR "/wsgated");
	ck_assert_str_eq(settings->gateway.control.path, RUNSTATEDIR "/wsgated/control.sock");
	ck_assert_uint_eq(settings->gateway.control.mode, 0600);
	ck_assert_ptr_null(settings->gateway.observe.path);
	ck_assert_int_eq(settings->gateway.log.level, LOG_INFO);
	ck_assert_int_eq(settings->gateway.log.format, LOG_FORMAT_AUTO);
	ck_assert_uint_eq(settings->gateway.dns.count, 0);
	ck_assert_uint_eq(settings->gateway.connecting.at_once, 64);
	ck_assert_uint_eq(settings->gateway.connecting.per_second, 100);
	ck_assert_uint_eq(settings->gateway.drain_timeout, 5 * CLOCK_NS_PER_SECOND);
	settings_free(settings);
}
END_TEST

START_TEST(a_connection_has_the_standard_values)
{
	struct settings *settings = load(ONE_CONNECTION);
	const struct connection_settings *a = settings->connections[0]->settings;

	ck_assert_str_eq(settings->connections[0]->name, "a");
	ck_assert_str_eq(settings->connections[0]->url, "ws://h/");
	ck_assert_int_eq(a->when, WHEN_ALWAYS);
	ck_assert_uint_eq(a->headers.count, 0);
	ck_assert_int_eq(strncmp(a->user_agent, "wsgated/", 8), 0);
	ck_assert_ptr_null(a->origin);
	ck_assert_uint_eq(a->connect_timeout, 10 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->endpoint.close_timeout, 5 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->endpoint.ping.interval, 30 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->endpoint.ping.timeout, 10 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->endpoint.idle_timeout, 0);
	ck_assert_uint_eq(a->endpoint.max_message, 1 << 20);
	ck_assert_int_eq(a->endpoint.utf8, WS_UTF8_CHECK);
	ck_assert_uint_eq(a->endpoint.send_queue, 1 << 20);
	ck_assert(a->reconnect.enabled);
	ck_assert_uint_eq(a->reconnect.backoff.min, 500 * CLOCK_NS_PER_MS);
	ck_assert_uint_eq(a->reconnect.backoff.max, 60 * CLOCK_NS_PER_SECOND);
	ck_assert_double_eq(a->reconnect.backoff.factor, 2.0);
	ck_assert(a->tls.verify);
	ck_assert_int_eq(a->tls.min_version, TLS_VERSION_1_2);
	ck_assert_uint_eq(a->warn.warning_ms, 0);
	ck_assert_uint_eq(a->warn.min_ms, 1000);
	ck_assert_uint_eq(a->warn.queue, WARNINGS_QUEUE_DEFAULT);
	settings_free(settings);
}
END_TEST

START_TEST(a_connection_is_plain_unless_told_otherwise)
{
	struct settings *settings = load(ONE_CONNECTION);
	const struct connection_settings *a = settings->connections[0]->settings;

	ck_assert_uint_eq(a->linger, 30 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->header_files.count, 0);
	ck_assert_ptr_null(a->on_open_file);
	ck_assert_ptr_null(a->host);
	ck_assert_ptr_null(a->username);
	ck_assert_ptr_null(a->password_file);
	ck_assert_uint_eq(a->max_redirects, 5);
	ck_assert_ptr_null(a->endpoint.ping.payload);
	ck_assert(!a->compression.enabled);
	ck_assert_int_eq(a->compression.offer.client_max_window_bits, 15);
	ck_assert_int_eq(a->compression.offer.server_max_window_bits, 15);
	ck_assert(!a->compression.offer.client_no_context_takeover);
	ck_assert(!a->compression.offer.server_no_context_takeover);
	ck_assert_int_eq(a->compression.level, 6);
	ck_assert_uint_eq(a->compression.threshold, 64);
	ck_assert_ptr_null(a->proxy.url);
	ck_assert_int_eq(a->reconnect.backoff.jitter, BACKOFF_FULL);
	ck_assert_uint_eq(a->reconnect.attempts, 0);
	ck_assert_uint_eq(a->reconnect.give_up.count, 0);
	ck_assert_uint_eq(a->endpoint.heartbeat.every, 0);
	ck_assert_ptr_null(a->endpoint.heartbeat.message);
	ck_assert_uint_eq(a->max_age.after, 0);
	ck_assert_double_eq(a->max_age.jitter, 0.1);
	ck_assert(!a->max_age.overlap);
	ck_assert_uint_eq(a->hold.bytes, 0);
	ck_assert_uint_eq(a->endpoint.keep_age, 30 * CLOCK_NS_PER_SECOND);
	ck_assert_double_eq(a->endpoint.send_rate.messages, 0.0);
	ck_assert_uint_eq(a->endpoint.send_rate.burst, 1);
	ck_assert(a->tcp.nodelay);
	ck_assert_uint_eq(a->tcp.keepalive_idle, 0);
	ck_assert_uint_eq(a->tcp.keepalive_interval, 15 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->tcp.keepalive_count, 4);
	ck_assert_uint_eq(a->tcp.user_timeout, 0);
	ck_assert_int_eq(a->tcp.family, TCP_FAMILY_ANY);
	ck_assert_uint_eq(a->tls.pins.count, 0);
	ck_assert(a->tls.resume);
	settings_free(settings);
}
END_TEST

START_TEST(an_outlet_has_the_standard_values)
{
	struct settings *settings =
		load(ONE_CONNECTION "outlets = ( { name = \"o\"; from = [ \"a\" ]; } );");
	const struct outlet_settings *o = &settings->outlets[0]->outlet;

	ck_assert_uint_eq(settings->outlet_count, 1);
	ck_assert_str_eq(o->name, "o");
	ck_assert_str_eq(o->path, RUNSTATEDIR "/wsgated/o.sock");
	ck_assert_str_eq(choice_name(outlet_formats, o->format), "lines");
	ck_assert_int_eq(o->on_lag, OUTLET_SKIP);
	ck_assert_int_eq(o->start, OUTLET_LIVE);
	ck_assert_uint_eq(o->ring, 4 << 20);
	ck_assert_uint_eq(o->mode, 0660);
	ck_assert(!o->writable);
	ck_assert_uint_eq(o->max_subscribers, 1024);
	settings_free(settings);
}
END_TEST

START_TEST(every_setting_is_read)
{
	struct settings *settings = load(
		"gateway = { runtime_dir = \"/r\"; control = { path = \"c\"; mode = \"600\"; owner "
		"= "
		"\"u\"; group = \"g\"; }; log = { level = \"debug\"; format = \"json\"; };\n"
		"  dns = [ \"127.0.0.1:53\", \"[::1]:5353\" ]; drain_timeout = \"1m\"; };\n"
		"connections = ( { name = \"a\"; url = \"wss://u:p@h:1/x\"; when = \"manual\";\n"
		"  headers = { X-Api-Key = \"k\"; }; protocols = [ \"v1\", \"v2\" ];\n"
		"  on_open = ( \"one\", \"two\\n\" ); origin = \"https://o\"; user_agent = "
		"\"me\";\n"
		"  bearer_file = \"/t\"; connect_timeout = \"1s\"; tls_timeout = \"2s\";\n"
		"  upgrade_timeout = \"3s\"; close_timeout = \"4s\";\n"
		"  ping = { interval = \"5s\"; timeout = \"6s\"; }; idle_timeout = \"7s\";\n"
		"  max_message = \"8K\"; send_queue = \"9K\"; utf8 = \"replace\"; reconnect = { enabled = false;\n"
		"  min = \"10s\"; max = \"11s\"; factor = 3; stable = \"12s\"; };\n"
		"  tls = { verify = true; ca_file = \"/ca\"; ca_path = \"/cas\"; "
		"crl_file = \"/crl\"; cert_file = \"/c\";\n"
		"  key_file = \"/k\"; server_name = \"s\"; min_version = \"1.3\"; ciphers = \"x\"; "
		"};\n"
		"  warn = { warning_ms = 13; warning_bs = 5000000000L; min_ms = 15; queue = 16; "
		"};\n"
		"} );\n"
		"outlets = ( { name = \"o\"; path = \"p.sock\"; from = [ \"a*\" ]; format = "
		"\"frames\";\n"
		"  ring = \"64K\"; on_lag = \"close\"; start = \"oldest\"; mode = \"0666\"; owner "
		"= "
		"\"u\";\n"
		"  group = \"g\"; writable = true; max_subscribers = 17; } );\n");
	const struct gateway_settings *g = &settings->gateway;
	const struct connection_settings *a = settings->connections[0]->settings;
	const struct outlet_settings *o = &settings->outlets[0]->outlet;

	ck_assert_str_eq(g->control.path, "/r/c");
	ck_assert_uint_eq(g->control.mode, 0600);
	ck_assert_str_eq(g->control.owner, "u");
	ck_assert_str_eq(g->control.group, "g");
	ck_assert_int_eq(g->log.level, LOG_DEBUG);
	ck_assert_int_eq(g->log.format, LOG_FORMAT_JSON);
	ck_assert_uint_eq(g->dns.count, 2);
	ck_assert_str_eq(g->dns.items[1], "[::1]:5353");
	ck_assert_uint_eq(g->drain_timeout, 60 * CLOCK_NS_PER_SECOND);

	ck_assert_int_eq(a->when, WHEN_MANUAL);
	ck_assert_uint_eq(a->headers.count, 1);
	ck_assert_str_eq(a->headers.items[0].name, "X-Api-Key");
	ck_assert_str_eq(a->headers.items[0].value, "k");
	ck_assert_uint_eq(a->protocols.count, 2);
	ck_assert_str_eq(a->protocols.items[1], "v2");
	ck_assert_uint_eq(a->on_open.count, 2);
	ck_assert_str_eq(a->on_open.items[1], "two\n");
	ck_assert_str_eq(a->origin, "https://o");
	ck_assert_str_eq(a->user_agent, "me");
	ck_assert_str_eq(a->bearer_file, "/t");
	ck_assert_uint_eq(a->connect_timeout, 1 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->tls_timeout, 2 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->upgrade_timeout, 3 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->endpoint.close_timeout, 4 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->endpoint.ping.interval, 5 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->endpoint.ping.timeout, 6 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->endpoint.idle_timeout, 7 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->endpoint.max_message, 8 << 10);
	ck_assert_int_eq(a->endpoint.utf8, WS_UTF8_REPLACE);
	ck_assert_uint_eq(a->endpoint.send_queue, 9 << 10);
	ck_assert(!a->reconnect.enabled);
	ck_assert_uint_eq(a->reconnect.backoff.min, 10 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->reconnect.backoff.max, 11 * CLOCK_NS_PER_SECOND);
	ck_assert_double_eq(a->reconnect.backoff.factor, 3.0);
	ck_assert_uint_eq(a->reconnect.stable, 12 * CLOCK_NS_PER_SECOND);
	ck_assert(a->tls.verify);
	ck_assert_str_eq(a->tls.ca_file, "/ca");
	ck_assert_str_eq(a->tls.crl_file, "/crl");
	ck_assert_str_eq(a->tls.ca_path, "/cas");
	ck_assert_str_eq(a->tls.cert_file, "/c");
	ck_assert_str_eq(a->tls.key_file, "/k");
	ck_assert_str_eq(a->tls.server_name, "s");
	ck_assert_int_eq(a->tls.min_version, TLS_VERSION_1_3);
	ck_assert_str_eq(a->tls.ciphers, "x");
	ck_assert_uint_eq(a->warn.warning_ms, 13);
	ck_assert_uint_eq(a->warn.warning_bs, 5000000000);
	ck_assert_uint_eq(a->warn.min_ms, 15);
	ck_assert_uint_eq(a->warn.queue, 16);

	ck_assert_str_eq(o->path, "/r/p.sock");
	ck_assert_str_eq(choice_name(outlet_formats, o->format), "frames");
	ck_assert_uint_eq(o->ring, 64 << 10);
	ck_assert_int_eq(o->on_lag, OUTLET_CLOSE);
	ck_assert_int_eq(o->start, OUTLET_OLDEST);
	ck_assert_uint_eq(o->mode, 0666);
	ck_assert_str_eq(o->owner, "u");
	ck_assert_str_eq(o->group, "g");
	ck_assert(o->writable);
	ck_assert_uint_eq(o->max_subscribers, 17);
	settings_free(settings);
}
END_TEST

/* One that also goes through `defaults`: so what is read has been copied too. */
START_TEST(every_setting_for_an_awkward_server_is_read)
{
	struct settings *settings = load(
		"gateway = { connecting = { at_once = 0; per_second = 7; }; };\n"
		"defaults = { when = \"subscribed\"; linger = \"1s\"; username = \"u\";\n"
		"  header_files = { X-Key = \"/x\"; }; on_open_file = \"/o\"; host = \"h:1\";\n"
		"  redirect_hosts = [ \"*.b.example\", \"::1\" ];\n"
		"  password_file = \"/p\"; max_redirects = 0; ping = { payload = \"hi\\n\"; };\n"
		"  compression = { enabled = true; client_max_window_bits = 9; level = 1;\n"
		"    server_max_window_bits = 10; client_no_context_takeover = true;\n"
		"    server_no_context_takeover = true; threshold = \"1K\"; };\n"
		"  proxy = { url = \"socks5://[::1]:1080\"; username = \"pu\";\n"
		"    password_file = \"/pp\"; };\n"
		"  reconnect = { jitter = \"none\"; attempts = 3; give_up = [ 4004, 401 ]; };\n"
		"  heartbeat = { every = \"2s\"; message = \"aGk=\"; binary = true;\n"
		"    only_idle = true; };\n"
		"  max_age = { after = \"3s\"; jitter = 1; overlap = true; };\n"
		"  hold = { bytes = \"2K\"; age = \"4s\"; };\n"
		"  send_rate = { messages = 0.5; burst = 2; };\n"
		"  tcp = { nodelay = false; keepalive = \"5s\"; keepalive_interval = \"6s\";\n"
		"    keepalive_count = 8; user_timeout = \"9s\"; };\n"
		"  address = { family = \"ipv6\"; source = \"::1\"; interface = \"lo\"; };\n"
		"  tls = { pins = [ \"" PIN "\" ]; resume = false; keylog_file = \"/l\";\n"
		"    cert_file = \"/c\"; key_passphrase_file = \"/kp\"; }; };\n" ONE_CONNECTION);
	const struct connection_settings *a = settings->connections[0]->settings;

	ck_assert_uint_eq(settings->gateway.connecting.at_once, 0);
	ck_assert_uint_eq(settings->gateway.connecting.per_second, 7);

	ck_assert_int_eq(a->when, WHEN_SUBSCRIBED);
	ck_assert_uint_eq(a->linger, 1 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->header_files.count, 1);
	ck_assert_str_eq(a->header_files.items[0].name, "X-Key");
	ck_assert_str_eq(a->header_files.items[0].value, "/x");
	ck_assert_str_eq(a->on_open_file, "/o");
	ck_assert_str_eq(a->host, "h:1");
	ck_assert_str_eq(a->username, "u");
	ck_assert_str_eq(a->password_file, "/p");
	ck_assert_uint_eq(a->max_redirects, 0);
	ck_assert_uint_eq(a->redirect_hosts.count, 2);
	ck_assert_str_eq(a->redirect_hosts.items[0], "*.b.example");
	ck_assert_str_eq(a->endpoint.ping.payload, "hi\n");
	ck_assert(a->compression.enabled);
	ck_assert_int_eq(a->compression.offer.client_max_window_bits, 9);
	ck_assert_int_eq(a->compression.offer.server_max_window_bits, 10);
	ck_assert(a->compression.offer.client_no_context_takeover);
	ck_assert(a->compression.offer.server_no_context_takeover);
	ck_assert_int_eq(a->compression.level, 1);
	ck_assert_uint_eq(a->compression.threshold, 1024);
	ck_assert_str_eq(a->proxy.url, "socks5://[::1]:1080");
	ck_assert_str_eq(a->proxy.username, "pu");
	ck_assert_str_eq(a->proxy.password_file, "/pp");
	ck_assert_int_eq(a->reconnect.backoff.jitter, BACKOFF_NONE);
	ck_assert_uint_eq(a->reconnect.attempts, 3);
	ck_assert_uint_eq(a->reconnect.give_up.count, 2);
	ck_assert_uint_eq(a->reconnect.give_up.items[0], 4004);
	ck_assert_uint_eq(a->reconnect.give_up.items[1], 401);
	ck_assert_uint_eq(a->endpoint.heartbeat.every, 2 * CLOCK_NS_PER_SECOND);
	ck_assert_str_eq(a->endpoint.heartbeat.message, "aGk=");
	ck_assert(a->endpoint.heartbeat.binary);
	ck_assert(a->endpoint.heartbeat.only_idle);
	ck_assert_uint_eq(a->max_age.after, 3 * CLOCK_NS_PER_SECOND);
	ck_assert_double_eq(a->max_age.jitter, 1.0);
	ck_assert(a->max_age.overlap);
	ck_assert_uint_eq(a->hold.bytes, 2048);
	ck_assert_uint_eq(a->endpoint.keep_age, 4 * CLOCK_NS_PER_SECOND);
	ck_assert_double_eq(a->endpoint.send_rate.messages, 0.5);
	ck_assert_uint_eq(a->endpoint.send_rate.burst, 2);
	ck_assert(!a->tcp.nodelay);
	ck_assert_uint_eq(a->tcp.keepalive_idle, 5 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->tcp.keepalive_interval, 6 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->tcp.keepalive_count, 8);
	ck_assert_uint_eq(a->tcp.user_timeout, 9 * CLOCK_NS_PER_SECOND);
	ck_assert_int_eq(a->tcp.family, TCP_FAMILY_IPV6);
	ck_assert_str_eq(a->tcp.source_address, "::1");
	ck_assert_str_eq(a->tcp.interface, "lo");
	ck_assert_uint_eq(a->tls.pins.count, 1);
	ck_assert_str_eq(a->tls.pins.items[0], PIN);
	ck_assert(!a->tls.resume);
	ck_assert_str_eq(a->tls.keylog_file, "/l");
	ck_assert_str_eq(a->tls.key_passphrase_file, "/kp");
	settings_free(settings);
}
END_TEST

START_TEST(defaults_stand_below_each_connection)
{
	struct settings *settings =
		load("connections = ( { name = \"a\"; url = \"ws://h/\"; ping = { timeout = "
		     "\"3s\"; }; },\n"
		     "  { name = \"b\"; url = \"ws://h/\"; headers = { }; origin = \"\"; } );\n"
		     "defaults = { ping = { interval = \"1s\"; timeout = \"2s\"; }; origin = "
		     "\"https://o\";\n"
		     "  headers = { X = \"1\"; }; };\n");
	const struct connection_settings *a = settings->connections[0]->settings;
	const struct connection_settings *b = settings->connections[1]->settings;

	ck_assert_uint_eq(a->endpoint.ping.interval, 1 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->endpoint.ping.timeout, 3 * CLOCK_NS_PER_SECOND);
	ck_assert_str_eq(a->origin, "https://o");
	ck_assert_str_eq(a->headers.items[0].value, "1");
	ck_assert_uint_eq(b->endpoint.ping.timeout, 2 * CLOCK_NS_PER_SECOND);
	ck_assert_ptr_null(b->origin);
	ck_assert_uint_eq(b->headers.count, 0);
	settings_free(settings);
}
END_TEST

START_TEST(connections_that_are_alike_share_their_settings)
{
	struct settings *settings =
		load("defaults = { origin = \"o\"; };\n"
		     "connections = ( { name = \"a\"; url = \"ws://a/\"; },\n"
		     "                { name = \"b\"; url = \"ws://b/\"; origin = \"b\"; },\n"
		     "                { name = \"c\"; url = \"ws://c/\"; origin = \"b\"; },\n"
		     "                { name = \"d\"; url = \"ws://d/\"; } );\n");
	struct connection_config *const *all = settings->connections;

	ck_assert_ptr_eq(all[0]->settings, settings->defaults->settings);
	ck_assert_ptr_eq(all[3]->settings, settings->defaults->settings);
	ck_assert_ptr_eq(all[2]->settings, all[1]->settings);
	ck_assert_str_eq(all[0]->settings->origin, "o");
	ck_assert_str_eq(all[2]->settings->origin, "b");
	ck_assert_str_eq(all[2]->url, "ws://c/");
	settings_free(settings);
}
END_TEST

START_TEST(the_argument_of_warnings_becomes_json)
{
	static const struct {
		const char *config, *json;
	} args[] = {
		{"\"so\\\"cket\"", "\"so\\\"cket\""},
		{"5", "5"},
		{"-5000000000L", "-5000000000"},
		{"0.1", "0.1"},
		{"true", "true"},
		{"[ 1, 2 ]", "[1,2]"},
		{"( 1, \"a\", ( ) )", "[1,\"a\",[]]"},
		{"{ a = { b = [ \"c\" ]; }; d = false; }", "{\"a\":{\"b\":[\"c\"]},\"d\":false}"},
	};
	struct settings *settings;
	char text[256];

	snprintf(text, sizeof(text),
		"connections = ( { name = \"a\"; url = \"ws://h/\"; warn = { arg = %s; }; } );",
		args[_i].config);
	settings = load(text);
	ck_assert_str_eq(settings->connections[0]->settings->warn.arg, args[_i].json);
	settings_free(settings);
}
END_TEST

START_TEST(a_connection_without_an_outlet_gets_its_own)
{
	struct settings *settings = load("connections = ( { name = \"a-1\"; url = \"ws://h/\"; },\n"
					 "{ name = \"b\"; url = \"ws://h/\"; } );\n"
					 "outlets = ( { name = \"o\"; from = [ \"a-*\" ]; } );");
	struct outlet_config *implicit = settings_implicit_outlet(settings, "b");

	ck_assert_uint_eq(settings->outlet_count, 2);
	ck_assert_str_eq(settings->outlets[1]->outlet.name, "b");
	ck_assert_str_eq(settings->outlets[1]->outlet.path, RUNSTATEDIR "/wsgated/b.sock");
	ck_assert_str_eq(choice_name(outlet_formats, settings->outlets[1]->outlet.format), "lines");
	ck_assert(outlet_config_takes(settings->outlets[0], "a-1"));
	ck_assert(!outlet_config_takes(settings->outlets[0], "b"));
	ck_assert(outlet_config_takes(settings->outlets[1], "b"));
	ck_assert(!settings->outlets[0]->implicit);
	ck_assert(settings->outlets[1]->implicit);
	ck_assert(outlet_config_same(settings->outlets[1], implicit));
	ck_assert(!outlet_config_same(settings->outlets[0], implicit));
	outlet_config_free(implicit);
	settings_free(settings);
}
END_TEST

START_TEST(systemd_says_where_sockets_and_credentials_are)
{
	struct settings *settings;

	setenv("RUNTIME_DIRECTORY", "/run/one:/run/two", 1);
	setenv("CREDENTIALS_DIRECTORY", "/creds", 1);
	settings = load("connections = ( { name = \"a\"; url = \"ws://h/\"; bearer_file = "
			"\"${CREDENTIALS_DIRECTORY}/t\"; } );");
	ck_assert_str_eq(settings->gateway.control.path, "/run/one/control.sock");
	ck_assert_str_eq(settings->connections[0]->settings->bearer_file, "/creds/t");
	settings_free(settings);

	settings = load("connections = ( { name = \"a\"; url = \"ws://h/\"; header_files = { X = "
			"\"${CREDENTIALS_DIRECTORY}/x\"; }; } );");
	ck_assert_str_eq(settings->connections[0]->settings->header_files.items[0].value,
		"/creds/x");
	settings_free(settings);

	settings = load("gateway = { runtime_dir = \"/mine\"; };");
	ck_assert_str_eq(settings->gateway.control.path, "/mine/control.sock");
	settings_free(settings);
}
END_TEST

START_TEST(conf_d_adds_connections_and_outlets_in_order)
{
	struct settings *settings;

	ck_assert_int_eq(mkdir("conf.d", 0700), 0);
	write_file("conf.d/20-b.conf", "connections = ( { name = \"c\"; url = \"ws://h/\"; } );");
	write_file("conf.d/10-a.conf",
		"connections = ( { name = \"b\"; url = \"ws://h/\"; } );\n"
		"outlets = ( { name = \"o\"; from = [ \"a\", \"c\" ]; } );");
	write_file("conf.d/.hidden.conf", "broken");
	write_file("conf.d/notes.txt", "broken");
	settings = load("defaults = { when = \"manual\"; };\n" ONE_CONNECTION);
	ck_assert_uint_eq(settings->connection_count, 3);
	ck_assert_str_eq(settings->connections[0]->name, "a");
	ck_assert_str_eq(settings->connections[1]->name, "b");
	ck_assert_str_eq(settings->connections[2]->name, "c");
	ck_assert_int_eq(settings->connections[2]->settings->when, WHEN_MANUAL);
	ck_assert_uint_eq(settings->outlet_count, 2);
	ck_assert_str_eq(settings->outlets[1]->outlet.name, "b");
	settings_free(settings);
}
END_TEST

Suite *settings_suite(void)
{
	Suite *suite = suite_create("settings");
	TCase *reading = tcase_create("reading");

	settings_add_folders(reading);
	tcase_add_test(reading, an_empty_file_is_a_gateway_with_nothing);
	tcase_add_test(reading, a_connection_has_the_standard_values);
	tcase_add_test(reading, a_connection_is_plain_unless_told_otherwise);
	tcase_add_test(reading, an_outlet_has_the_standard_values);
	tcase_add_test(reading, every_setting_is_read);
	tcase_add_test(reading, every_setting_for_an_awkward_server_is_read);
	tcase_add_test(reading, defaults_stand_below_each_connection);
	tcase_add_test(reading, connections_that_are_alike_share_their_settings);
	tcase_add_loop_test(reading, the_argument_of_warnings_becomes_json, 0, 8);
	tcase_add_test(reading, a_connection_without_an_outlet_gets_its_own);
	tcase_add_test(reading, systemd_says_where_sockets_and_credentials_are);
	tcase_add_test(reading, conf_d_adds_connections_and_outlets_in_order);
	suite_add_tcase(suite, reading);
	return suite;
}
