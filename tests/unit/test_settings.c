#include "test_gateway.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/settings.h"
#include "gateway/settings_private.h"
#include "gateway/warnings.h"

/*
 * Each test runs in a folder of its own: the file is "wsgated.conf", as problems name it. These
 * folders are in one that the parent process removes, whatever becomes of the tests.
 */
static char parent[32];
static char folder[48];

static void make_parent(void)
{
	strcpy(parent, "/tmp/test_settings.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(parent));
}

static void enter_folder(void)
{
	snprintf(folder, sizeof(folder), "%s/XXXXXX", parent);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("CREDENTIALS_DIRECTORY");
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

static void remove_parent(void)
{
	ck_assert_int_eq(nftw(parent, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void add_folders(TCase *cases)
{
	tcase_add_unchecked_fixture(cases, make_parent, remove_parent);
	tcase_add_checked_fixture(cases, enter_folder, NULL);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static struct settings *load(const char *text)
{
	struct settings_problems problems = {0};
	struct settings *settings;

	write_file("wsgated.conf", text);
	settings = settings_load("wsgated.conf", &problems);
	ck_assert_msg(settings != NULL, "%s", problems.count ? problems.texts[0] : "no problem");
	ck_assert_uint_eq(problems.count, 0);
	settings_problems_release(&problems); /* there may be warnings */
	return settings;
}

/* What is in the file now must have exactly these problems: an array that NULL ends. */
static void assert_problems(const char *const *expected)
{
	struct settings_problems problems = {0};

	ck_assert_ptr_null(settings_load("wsgated.conf", &problems));
	for (size_t i = 0; i < problems.count && expected[i]; i++)
		ck_assert_str_eq(problems.texts[i], expected[i]);
	for (size_t i = 0; expected[i]; i++)
		ck_assert_msg(i < problems.count, "missing: %s", expected[i]);
	ck_assert_msg(!expected[problems.count], "less: %s", expected[problems.count]);
	settings_problems_release(&problems);
}

#define ONE_CONNECTION "connections = ( { name = \"a\"; url = \"ws://h/\"; } );\n"

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
	ck_assert_uint_eq(a->close_timeout, 5 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->ping_interval, 30 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->ping_timeout, 10 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->idle_timeout, 0);
	ck_assert_uint_eq(a->max_message, 1 << 20);
	ck_assert_uint_eq(a->send_queue, 1 << 20);
	ck_assert(a->reconnect.enabled);
	ck_assert_uint_eq(a->reconnect.min, 500 * CLOCK_NS_PER_MS);
	ck_assert_uint_eq(a->reconnect.max, 60 * CLOCK_NS_PER_SECOND);
	ck_assert_double_eq(a->reconnect.factor, 2.0);
	ck_assert(a->tls.verify);
	ck_assert_str_eq(a->tls.min_version, "1.2");
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
	ck_assert_ptr_null(a->ping_payload);
	ck_assert(!a->compression.enabled);
	ck_assert_uint_eq(a->compression.client_max_window_bits, 15);
	ck_assert_uint_eq(a->compression.server_max_window_bits, 15);
	ck_assert(!a->compression.client_no_context_takeover);
	ck_assert(!a->compression.server_no_context_takeover);
	ck_assert_uint_eq(a->compression.level, 6);
	ck_assert_uint_eq(a->compression.threshold, 64);
	ck_assert_ptr_null(a->proxy.url);
	ck_assert_int_eq(a->reconnect.jitter, JITTER_FULL);
	ck_assert_uint_eq(a->reconnect.attempts, 0);
	ck_assert_uint_eq(a->reconnect.give_up.count, 0);
	ck_assert_uint_eq(a->heartbeat.every, 0);
	ck_assert_ptr_null(a->heartbeat.message);
	ck_assert_uint_eq(a->max_age.after, 0);
	ck_assert_double_eq(a->max_age.jitter, 0.1);
	ck_assert(!a->max_age.overlap);
	ck_assert_uint_eq(a->hold.bytes, 0);
	ck_assert_uint_eq(a->hold.age, 30 * CLOCK_NS_PER_SECOND);
	ck_assert_double_eq(a->send_rate.messages, 0.0);
	ck_assert_uint_eq(a->send_rate.burst, 1);
	ck_assert(a->tcp.nodelay);
	ck_assert_uint_eq(a->tcp.keepalive, 0);
	ck_assert_uint_eq(a->tcp.keepalive_interval, 15 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->tcp.keepalive_count, 4);
	ck_assert_uint_eq(a->tcp.user_timeout, 0);
	ck_assert_int_eq(a->address.family, AF_UNSPEC);
	ck_assert_uint_eq(a->tls_extra.pins.count, 0);
	ck_assert(a->tls_extra.resume);
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
	ck_assert_int_eq(o->format, OUTLET_LINES);
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
		"  max_message = \"8K\"; send_queue = \"9K\"; reconnect = { enabled = false;\n"
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
	ck_assert_uint_eq(a->close_timeout, 4 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->ping_interval, 5 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->ping_timeout, 6 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->idle_timeout, 7 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->max_message, 8 << 10);
	ck_assert_uint_eq(a->send_queue, 9 << 10);
	ck_assert(!a->reconnect.enabled);
	ck_assert_uint_eq(a->reconnect.min, 10 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->reconnect.max, 11 * CLOCK_NS_PER_SECOND);
	ck_assert_double_eq(a->reconnect.factor, 3.0);
	ck_assert_uint_eq(a->reconnect.stable, 12 * CLOCK_NS_PER_SECOND);
	ck_assert(a->tls.verify);
	ck_assert_str_eq(a->tls.ca_file, "/ca");
	ck_assert_str_eq(a->tls.crl_file, "/crl");
	ck_assert_str_eq(a->tls.ca_path, "/cas");
	ck_assert_str_eq(a->tls.cert_file, "/c");
	ck_assert_str_eq(a->tls.key_file, "/k");
	ck_assert_str_eq(a->tls.server_name, "s");
	ck_assert_str_eq(a->tls.min_version, "1.3");
	ck_assert_str_eq(a->tls.ciphers, "x");
	ck_assert_uint_eq(a->warn.warning_ms, 13);
	ck_assert_uint_eq(a->warn.warning_bs, 5000000000);
	ck_assert_uint_eq(a->warn.min_ms, 15);
	ck_assert_uint_eq(a->warn.queue, 16);

	ck_assert_str_eq(o->path, "/r/p.sock");
	ck_assert_int_eq(o->format, OUTLET_FRAMES);
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

#define PIN "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

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
	ck_assert_str_eq(a->ping_payload, "hi\n");
	ck_assert(a->compression.enabled);
	ck_assert_uint_eq(a->compression.client_max_window_bits, 9);
	ck_assert_uint_eq(a->compression.server_max_window_bits, 10);
	ck_assert(a->compression.client_no_context_takeover);
	ck_assert(a->compression.server_no_context_takeover);
	ck_assert_uint_eq(a->compression.level, 1);
	ck_assert_uint_eq(a->compression.threshold, 1024);
	ck_assert_str_eq(a->proxy.url, "socks5://[::1]:1080");
	ck_assert_str_eq(a->proxy.username, "pu");
	ck_assert_str_eq(a->proxy.password_file, "/pp");
	ck_assert_int_eq(a->reconnect.jitter, JITTER_NONE);
	ck_assert_uint_eq(a->reconnect.attempts, 3);
	ck_assert_uint_eq(a->reconnect.give_up.count, 2);
	ck_assert_uint_eq(a->reconnect.give_up.items[0], 4004);
	ck_assert_uint_eq(a->reconnect.give_up.items[1], 401);
	ck_assert_uint_eq(a->heartbeat.every, 2 * CLOCK_NS_PER_SECOND);
	ck_assert_str_eq(a->heartbeat.message, "aGk=");
	ck_assert(a->heartbeat.binary);
	ck_assert(a->heartbeat.only_idle);
	ck_assert_uint_eq(a->max_age.after, 3 * CLOCK_NS_PER_SECOND);
	ck_assert_double_eq(a->max_age.jitter, 1.0);
	ck_assert(a->max_age.overlap);
	ck_assert_uint_eq(a->hold.bytes, 2048);
	ck_assert_uint_eq(a->hold.age, 4 * CLOCK_NS_PER_SECOND);
	ck_assert_double_eq(a->send_rate.messages, 0.5);
	ck_assert_uint_eq(a->send_rate.burst, 2);
	ck_assert(!a->tcp.nodelay);
	ck_assert_uint_eq(a->tcp.keepalive, 5 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->tcp.keepalive_interval, 6 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->tcp.keepalive_count, 8);
	ck_assert_uint_eq(a->tcp.user_timeout, 9 * CLOCK_NS_PER_SECOND);
	ck_assert_int_eq(a->address.family, AF_INET6);
	ck_assert_str_eq(a->address.source, "::1");
	ck_assert_str_eq(a->address.interface, "lo");
	ck_assert_uint_eq(a->tls_extra.pins.count, 1);
	ck_assert_str_eq(a->tls_extra.pins.items[0], PIN);
	ck_assert(!a->tls_extra.resume);
	ck_assert_str_eq(a->tls_extra.keylog_file, "/l");
	ck_assert_str_eq(a->tls_extra.key_passphrase_file, "/kp");
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

	ck_assert_uint_eq(a->ping_interval, 1 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(a->ping_timeout, 3 * CLOCK_NS_PER_SECOND);
	ck_assert_str_eq(a->origin, "https://o");
	ck_assert_str_eq(a->headers.items[0].value, "1");
	ck_assert_uint_eq(b->ping_timeout, 2 * CLOCK_NS_PER_SECOND);
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
	ck_assert_int_eq(settings->outlets[1]->outlet.format, OUTLET_LINES);
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
	ck_assert_str_eq(settings->connections[0]->settings->header_files.items[0].value, "/creds/x");
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
	write_file("conf.d/10-a.conf", "connections = ( { name = \"b\"; url = \"ws://h/\"; } );\n"
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

START_TEST(problems_in_conf_d_name_their_file)
{
	ck_assert_int_eq(mkdir("conf.d", 0700), 0);
	write_file("wsgated.conf", ONE_CONNECTION);
	write_file("conf.d/10-a.conf", "gateway = { };\n"
				       "conections = ( );\n"
				       "connections = ( { name = \"a\"; url = \"ws://h/\"; } );\n");
	write_file("conf.d/20-b.conf", "outlets = (\n(;");
	assert_problems((const char *const[]){
		"./conf.d/10-a.conf:1: gateway: unknown setting 'gateway': a file in conf.d has "
		"only connections and outlets",
		"./conf.d/10-a.conf:2: conections: unknown setting 'conections': a file in conf.d "
		"has only connections and outlets; did you mean 'connections'?",
		"./conf.d/20-b.conf:2: syntax error",
		"./conf.d/10-a.conf:3: connections[0].name: there is already a connection 'a'",
		"./conf.d/10-a.conf:3: connections[0].name: no outlet takes this connection, and "
		"the one of its own cannot be made: there is already an outlet 'a'",
		NULL,
	});
}
END_TEST

START_TEST(an_included_file_stands_beside_and_keeps_its_lines)
{
	char file[64], expected[160];
	struct settings_problems problems = {0};

	write_file("wsgated.conf", "gateway = { };\n@include \"included.conf\"\n");
	write_file("included.conf", "\n\nconnections = ( { name = \"a\"; url = 5; } );\n");
	snprintf(file, sizeof(file), "%s/wsgated.conf", folder);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_ptr_null(settings_load(file, &problems));
	ck_assert_int_eq(chdir(folder), 0);
	ck_assert_uint_eq(problems.count, 1);
	snprintf(expected, sizeof(expected),
		"%s/included.conf:3: connections[0].url: must be a string", folder);
	ck_assert_str_eq(problems.texts[0], expected);
	settings_problems_release(&problems);
}
END_TEST

START_TEST(lines_are_counted_through_included_files)
{
	write_file("wsgated.conf", "# 1\n\t@include  \"one.conf\" # the rest\ncolour = 1;\n"
				   "/* @include \"none.conf\"\n@include \"none.conf\"\n*/\n"
				   "@include \"two.conf\"\nshape = ;\n");
	write_file("one.conf", "\nsize = 1;");
	write_file("two.conf", "# nothing");
	assert_problems((const char *const[]){"wsgated.conf:8: syntax error", NULL});
	write_file("wsgated.conf", "# 1\n\t@include  \"one.conf\" # the rest\ncolour = 1;\n"
				   "/* @include \"none.conf\"\n@include \"none.conf\"\n*/\n"
				   "@include \"two.conf\"\nshape = 1;\n");
	assert_problems((const char *const[]){
		"./one.conf:2: size: unknown setting 'size'",
		"wsgated.conf:3: colour: unknown setting 'colour'",
		"wsgated.conf:8: shape: unknown setting 'shape'",
		NULL,
	});
}
END_TEST

START_TEST(a_string_keeps_its_nul_or_is_a_problem)
{
	write_file("wsgated.conf", "# \\x00 \"\\x00\"\n/* \"\\x00\n*/ // \"\\x00\n"
				   "connections = ( { name = \"a\"; url = \"ws://h/\";\n"
				   "  on_open = [ \"\\\\x00\", \"\\x41\"\n"
				   "    \"a\\\"\\x00b\" ]; } );\n@include \"more.conf\"\n");
	write_file("more.conf", "\n\noutlets = ( { name = \"o\\x00\"; from = [ \"a\" ]; } );\n");
	assert_problems((const char *const[]){
		"wsgated.conf:6: a string cannot have a NUL character (\\x00)",
		"./more.conf:3: a string cannot have a NUL character (\\x00)",
		NULL,
	});
}
END_TEST

static void write_bytes(const char *path, const void *bytes, size_t length)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(other_bytes_than_text_are_problems)
{
	static const char nul[] = "# one\n# t\0wo\ncolour = 1;\n";
	static const char utf16[] = "\xff\xfe#\0\n\0";

	write_bytes("wsgated.conf", nul, sizeof(nul) - 1);
	assert_problems((const char *const[]){"wsgated.conf:2: there is a NUL byte", NULL});
	write_bytes("wsgated.conf", utf16, sizeof(utf16) - 1);
	assert_problems((const char *const[]){"wsgated.conf: is in UTF-16, not in UTF-8", NULL});
}
END_TEST

START_TEST(a_byte_order_mark_is_no_part_of_the_text)
{
	struct settings *settings;

	write_file("more.conf", "\xef\xbb\xbf" ONE_CONNECTION);
	settings = load("\xef\xbb\xbf@include \"more.conf\"\n");
	ck_assert_uint_eq(settings->connection_count, 1);
	settings_free(settings);
}
END_TEST

/* None of them may be waited for. */
START_TEST(only_regular_files_are_read)
{
	ck_assert_int_eq(mkfifo("pipe", 0600), 0);
	ck_assert_int_eq(symlink("pipe", "wsgated.conf"), 0);
	assert_problems((const char *const[]){
		"wsgated.conf: is a FIFO, not a regular file", NULL});
	ck_assert_int_eq(unlink("wsgated.conf"), 0);
	ck_assert_int_eq(symlink("/dev/zero", "wsgated.conf"), 0);
	assert_problems((const char *const[]){
		"wsgated.conf: is a device, not a regular file", NULL});
	ck_assert_int_eq(unlink("wsgated.conf"), 0);
	write_file("wsgated.conf", "\n@include \"pipe\"\n");
	assert_problems((const char *const[]){
		"wsgated.conf:2: cannot include ./pipe: is a FIFO, not a regular file", NULL});
	write_file("wsgated.conf", "");
	ck_assert_int_eq(mkdir("conf.d", 0700), 0);
	ck_assert_int_eq(mkfifo("conf.d/a.conf", 0600), 0);
	assert_problems((const char *const[]){
		"./conf.d/a.conf: is a FIFO, not a regular file", NULL});
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_a_problem)
{
	assert_problems((const char *const[]){
		"wsgated.conf: cannot be read: No such file or directory", NULL});
	ck_assert_int_eq(mkdir("wsgated.conf", 0700), 0);
	assert_problems((const char *const[]){
		"wsgated.conf: is a directory, not a regular file", NULL});
	ck_assert_int_eq(rmdir("wsgated.conf"), 0);
	write_file("wsgated.conf", "@include \"included.conf\"\n");
	assert_problems((const char *const[]){
		"wsgated.conf:1: cannot include ./included.conf: cannot be read: No such file "
		"or directory",
		NULL});
	write_file("included.conf", "\n  @include \"/\"\n");
	assert_problems((const char *const[]){
		"./included.conf:2: cannot include /: is a directory, not a regular file", NULL});
	write_file("included.conf", "@include \"included.conf\"\n"
				    "@include \"included.conf\"\n@include \"included.conf\"\n");
	assert_problems((const char *const[]){
		"./included.conf:1: cannot include ./included.conf: nested too deep", NULL});
}
END_TEST

START_TEST(all_problems_are_told_in_one_go)
{
	write_file("wsgated.conf", "gatway = { };\n"
				   "gateway = { log = { level = \"loud\"; }; };\n"
				   "defaults = { name = \"x\"; ping = 5; };\n"
				   "connections = (\n"
				   "  { name = \"ticker\"; url = \"ws://h/\";\n"
				   "    pign = { };\n"
				   "    ping = { interval = 5; }; },\n"
				   "  { },\n"
				   "  7 );\n"
				   "outlets = ( { name = \"o\"; from = [ \"tickr\" ]; } );\n");
	assert_problems((const char *const[]){
		"wsgated.conf:1: gatway: unknown setting 'gatway'; did you mean 'gateway'?",
		"wsgated.conf:2: gateway.log.level: must be \"err\", \"warning\", \"notice\", "
		"\"info\" or \"debug\", not \"loud\"",
		"wsgated.conf:3: defaults.name: cannot have a default: each connection has its own",
		"wsgated.conf:3: defaults.ping: must be a group such as { interval = …; }",
		"wsgated.conf:6: connections[0].pign: unknown setting 'pign'; did you mean 'ping'?",
		"wsgated.conf:7: connections[0].ping.interval: must be a duration such as \"5s\", "
		"not 5",
		"wsgated.conf:8: connections[1]: has no 'name'",
		"wsgated.conf:8: connections[1]: has no 'url'",
		"wsgated.conf:9: connections[2]: must be a group such as { name = …; }",
		"wsgated.conf:10: outlets[0].from: no connection named 'tickr'; did you mean "
		"'ticker'?",
		NULL,
	});
}
END_TEST

#define PROXY_URL "must be \"http://HOST:PORT\", \"socks5://HOST:PORT\" or \"environment\""
#define GIVE_UP(code)                                                                              \
	"must be close codes from 1000 to 4999 or HTTP statuses from 400 to 599, not " code
#define BYTES_42  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define BYTES_44  BYTES_42 "xx"
#define BYTES_126 BYTES_42 BYTES_42 BYTES_42

/* One wrong setting of a connection each, with what is said of it. */
static const struct {
	const char *setting, *problem;
} wrong_settings[] = {
	{"when = 5;", "when: must be \"always\", \"subscribed\" or \"manual\", not 5"},
	{"when = \"\";", "when: must be \"always\", \"subscribed\" or \"manual\", not \"\""},
	{"origin = 5;", "origin: must be a string, not 5"},
	{"origin = \"a\\nb\";", "origin: must not have control characters"},
	{"origin = \"\xff\";", "origin: must be UTF-8"},
	{"on_open = [ \"\xc3\" ];", "on_open[0]: must be UTF-8"},
	{"on_open = \"a\";", "on_open: must be an array of strings such as [ \"a\", \"b\" ]"},
	{"on_open = ( \"a\", 5 );", "on_open[1]: must be a string"},
	{"protocols = \"a\";",
		"protocols: must be an array of strings such as [ \"a\", \"b\" ]"},
	{"protocols = [ \"a\", \"b c\" ];",
		"protocols: the name of a subprotocol must be one word without separators, which "
		"number 2 is not"},
	{"protocols = [ \"a\", \"a\" ];", "protocols: number 1 and number 2 are the same"},
	{"headers = [ \"a\" ];", "headers: must be a group such as { X-Api-Key = \"k\"; }"},
	{"headers = { X = 5; };", "headers.X: must be a string"},
	{"headers = { X = \"secret\\r\\nY: 1\"; };", "headers.X: must not have control characters"},
	{"headers = { upgrade = \"x\"; };",
		"headers: the header 'upgrade' is the handshake's own and cannot be set"},
	{"bearer_file = \"s3cr3t\";", "bearer_file: must be an absolute path"},
	{"tls = { ca_file = \"ca.pem\"; };",
		"tls.ca_file: must be an absolute path, not \"ca.pem\""},
	{"tls = { key_file = \"/k\"; };",
		"tls: 'key_file' needs the 'cert_file' that it is the key of"},
	{"tls = { verify = false; crl_file = \"/c\"; };",
		"tls: 'crl_file' needs 'verify': without it no certificate is checked at all"},
	{"tls = { min_version = \"1.1\"; };",
		"tls.min_version: must be \"1.2\" or \"1.3\", not \"1.1\""},
	{"tls = { verify = \"no\"; };", "tls.verify: must be true or false, not \"no\""},
	{"connect_timeout = \"0\";", "connect_timeout: must be from 1ms to 365d, not \"0\""},
	{"connect_timeout = \"5 s\";",
		"connect_timeout: must be a duration such as \"5s\", not \"5 s\""},
	{"idle_timeout = \"-1s\";", "idle_timeout: must be a duration such as \"5s\", not \"-1s\""},
	{"max_message = \"2G\";", "max_message: must be from 1 to 1G, not \"2G\""},
	{"max_message = 1.5;", "max_message: must be a size such as \"64K\", not 1.5"},
	{"reconnect = { factor = 0.9; };", "reconnect.factor: must be from 1 to 100, not 0.9"},
	{"reconnect = { factor = \"2\"; };", "reconnect.factor: must be a number, not \"2\""},
	{"reconnect = { min = \"2s\"; max = \"1s\"; };",
		"reconnect: 'min' must not be longer than 'max'"},
	{"warn = { warning_ms = -1; };",
		"warn.warning_ms: must be from 0 to 1000000000000, not -1"},
	{"warn = { warning_ms = \"5s\"; };", "warn.warning_ms: must be a whole number, not \"5s\""},
	{"warn = { queue = 0; };", "warn.queue: must be from 1 to 100000, not 0"},
	{"warn = { queue = 100001; };", "warn.queue: must be from 1 to 100000, not 100001"},
	{"warn = { arg = ( \"\xff\" ); };", "warn.arg[0]: must be UTF-8"},
	{"warn = ( );", "warn: must be a group such as { warning_ms = …; }"},
	{"bearer_file = \"${CREDENTIALS_DIRECTORY}/t\";",
		"bearer_file: needs the environment variable CREDENTIALS_DIRECTORY, which is not "
		"set; systemd sets it for a unit with LoadCredential="},
	{"header_files = { X = \"s3cr3t\"; };", "header_files.X: must be an absolute path"},
	{"header_files = { X = \"\"; };", "header_files.X: must be an absolute path"},
	{"header_files = [ \"a\" ];",
		"header_files: must be a group such as { X-Api-Key = \"/path\"; }"},
	{"header_files = { Upgrade = \"/h\"; };",
		"header_files: the header 'Upgrade' is the handshake's own and cannot be set"},
	{"headers = { X = \"1\"; }; header_files = { x = \"/x\"; };",
		"header_files: the header 'x' is in 'headers' too"},
	{"host = \"http://h/\";",
		"host: must be a host with or without a port such as \"example.com:8443\""},
	{"password_file = \"/p\";",
		"password_file: needs the 'username' that it is the password of"},
	{"username = \"a:b\";", "username: must not have a ':'"},
	{"username = \"a\"; bearer_file = \"/b\";",
		"username: there can be only one of 'username' and 'bearer_file'"},
	{"redirect_hosts = [ \"wss://b.example\" ];",
		"redirect_hosts: must be hosts or patterns such as \"*.example.com\", without "
		"scheme and port, not \"wss://b.example\""},
	{"redirect_hosts = [ \"b.example:443\" ];",
		"redirect_hosts: must be hosts or patterns such as \"*.example.com\", without "
		"scheme and port, not \"b.example:443\""},
	{"redirect_hosts = [ \"wss://u:secret@b.example\" ];",
		"redirect_hosts: must be hosts or patterns such as \"*.example.com\", without "
		"scheme and port, not \"wss://***@b.example\""},
	{"redirect_hosts = [ \"[::1]\" ];",
		"redirect_hosts: must have an IPv6 address without brackets, not as \"[::1]\""},
	{"tls = { server_name = \".example.org\"; };",
		"tls.server_name: must be the name of a host or an address, without wildcards, not "
		"\".example.org\""},
	{"tls = { server_name = \"*.x\"; };",
		"tls.server_name: must be the name of a host or an address, without wildcards, not "
		"\"*.x\""},
	{"tls = { server_name = \"a b\"; };",
		"tls.server_name: must be the name of a host or an address, without wildcards, not "
		"\"a b\""},
	{"max_redirects = 21;", "max_redirects: must be from 0 to 20, not 21"},
	{"on_open = [ \"%n\", \"50%\" ];",
		"on_open: message number 2 has a '%' that begins none of %n, %{VARIABLE} and %%"},
	{"proxy = { url = \"https://p:1\"; };", "proxy.url: " PROXY_URL},
	{"proxy = { url = \"http://p\"; };", "proxy.url: " PROXY_URL},
	{"proxy = { url = \"http://u:p@p\"; };", "proxy.url: " PROXY_URL},
	{"proxy = { url = \"http://[::1]\"; };", "proxy.url: " PROXY_URL},
	{"proxy = { url = \"http://p:1/x\"; };", "proxy.url: " PROXY_URL},
	{"proxy = { url = \"socks5://:1\"; };", "proxy.url: " PROXY_URL},
	{"proxy = { url = \"http://u@p:1\"; username = \"u\"; };",
		"proxy.username: the 'url' has a user name too"},
	{"proxy = { password_file = \"/p\"; };",
		"proxy: 'password_file' needs the 'username' that it is the password of"},
	{"ping = { payload = \"" BYTES_126 "\"; };",
		"ping.payload: can have 125 bytes, this one has 126"},
	{"heartbeat = { every = \"1s\"; };",
		"heartbeat: 'every' needs the 'message' that is to be sent"},
	{"heartbeat = { message = \"a?==\"; binary = true; };",
		"heartbeat.message: must be Base64, because of 'binary'"},
	{"send_rate = { messages = 0.0001; };",
		"send_rate.messages: must be 0 or at least 0.001, not 0.0001"},
	{"send_rate = { burst = 0; };", "send_rate.burst: must be from 1 to 1000000, not 0"},
	{"max_age = { jitter = 1.5; };", "max_age.jitter: must be from 0 to 1, not 1.5"},
	{"reconnect = { give_up = 401; };",
		"reconnect.give_up: must be an array of whole numbers such as [ 1, 2 ], not 401"},
	{"reconnect = { give_up = ( 401, \"a\" ); };",
		"reconnect.give_up[1]: must be a whole number, not \"a\""},
	{"reconnect = { give_up = [ -1 ]; };",
		"reconnect.give_up[0]: must be a whole number, not -1"},
	{"reconnect = { give_up = [ 401, 399 ]; };", "reconnect.give_up: " GIVE_UP("399")},
	{"reconnect = { give_up = [ 600 ]; };", "reconnect.give_up: " GIVE_UP("600")},
	{"reconnect = { give_up = [ 999 ]; };", "reconnect.give_up: " GIVE_UP("999")},
	{"reconnect = { give_up = [ 5000 ]; };", "reconnect.give_up: " GIVE_UP("5000")},
	{"compression = { client_max_window_bits = 16; };",
		"compression.client_max_window_bits: must be from 8 to 15, not 16"},
	{"compression = { level = 0; };", "compression.level: must be from 1 to 9, not 0"},
	{"address = { family = \"ip\"; };",
		"address.family: must be \"any\", \"ipv4\" or \"ipv6\", not \"ip\""},
	{"address = { source = \"localhost\"; };",
		"address.source: must be an IPv4 or IPv6 address, not \"localhost\""},
	{"address = { source = \"127.0.0.1\"; family = \"ipv6\"; };",
		"address.source: '127.0.0.1' is not of the 'family'"},
	{"address = { interface = \"0123456789abcdef\"; };",
		"address.interface: the name of an interface can have at most 15 bytes, '0123456789abcdef' "
		"has 16"},
	{"tls = { key_passphrase_file = \"/k\"; };",
		"tls: 'key_passphrase_file' needs the 'cert_file' whose key it opens"},
	{"tls = { pins = [ \"" PIN "\", \"sha256//YQ==\" ]; };",
		"tls.pins: must be \"sha256//\" and the Base64 of a SHA-256 each, not "
		"\"sha256//YQ==\""},
	{"tls = { pins = [ \"" BYTES_44 "\" ]; };",
		"tls.pins: must be \"sha256//\" and the Base64 of a SHA-256 each, not "
		"\"" BYTES_44 "\""},
};

START_TEST(a_wrong_setting_is_refused)
{
	char text[512], expected[512];

	snprintf(text, sizeof(text), "connections = ( { name = \"a\"; url = \"ws://h/\"; %s } );",
		wrong_settings[_i].setting);
	write_file("wsgated.conf", text);
	snprintf(expected, sizeof(expected), "wsgated.conf:1: connections[0].%s",
		wrong_settings[_i].problem);
	assert_problems((const char *const[]){expected, NULL});
}
END_TEST

/* Whole files with one problem each. */
static const struct {
	const char *text, *problem;
} wrong_files[] = {
	{"gateway = {\n", "wsgated.conf:2: syntax error"},
	{"gateway = 5;", "wsgated.conf:1: gateway: must be a group such as { runtime_dir = …; }"},
	{"gateway = { runtime_dir = \"run\"; };",
		"wsgated.conf:1: gateway.runtime_dir: must be an absolute path, not \"run\""},
	{"gateway = { control = { mode = \"0888\"; }; };",
		"wsgated.conf:1: gateway.control.mode: must be a file mode such as \"0660\", not "
		"\"0888\""},
	{"gateway = { control = { mode = \"4755\"; }; };",
		"wsgated.conf:1: gateway.control.mode: must be a file mode such as \"0660\", not "
		"\"4755\""},
	{"gateway = { dns = [ \"127.0.0.1\",\n\"dns.example\" ]; };",
		"wsgated.conf:1: gateway.dns: must be addresses of name servers such as "
		"\"127.0.0.1:53\", not \"dns.example\""},
	{"connections = { };",
		"wsgated.conf:1: connections: must be a list of groups such as ( { name = …; }, { "
		"name = …; } )"},
	{"connections = ( { name = \"-a\"; url = \"ws://h/\"; } );",
		"wsgated.conf:1: connections[0].name: must be 1 to 64 of the characters A-Z a-z "
		"0-9 . _ - and not begin with . or -, not \"-a\""},
	{"connections = ( { name = \"a\"; url = \"\"; } );",
		"wsgated.conf:1: connections[0].url: must not be empty"},
	{ONE_CONNECTION "outlets = ( { name = \"o\"; } );",
		"wsgated.conf:2: outlets[0]: has no 'from'"},
	{ONE_CONNECTION "outlets = ( { name = \"o\"; from = [ ]; } );",
		"wsgated.conf:2: outlets[0].from: must not be empty"},
	{ONE_CONNECTION "outlets = ( { name = \"o\"; from = [ \"a\" ]; ring = \"1K\"; } );",
		"wsgated.conf:2: outlets[0].ring: must be from 4K to 4G, not \"1K\""},
	{ONE_CONNECTION "outlets = ( { name = \"o\"; from = [ \"a\" ]; on_lag = \"drop\"; } );",
		"wsgated.conf:2: outlets[0].on_lag: must be \"skip\", \"close\" or \"wait\", not "
		"\"drop\""},
	{ONE_CONNECTION "outlets = ( { name = \"o\"; from = [ \"a\" ]; },\n"
			"{ name = \"o\"; path = \"p\"; from = [ \"a\" ]; } );",
		"wsgated.conf:3: outlets[1].name: there is already an outlet 'o'"},
	{ONE_CONNECTION "outlets = ( { name = \"o\"; from = [ \"a\" ]; },\n"
			"{ name = \"p\"; path = \"o.sock\"; from = [ \"a\" ]; } );",
		"wsgated.conf:3: outlets[1].path: the path is that of outlet 'o'"},
	{"gateway = { observe = { path = \"x\"; }; };\n" ONE_CONNECTION
		"outlets = ( { name = \"x\"; from = [ \"a\" ]; path = \"x\"; } );",
		"wsgated.conf:3: outlets[0].path: the path is that of the observe socket"},
	{"gateway = { observe = { path = \"control.sock\"; }; };",
		"wsgated.conf:1: gateway.observe.path: the path is that of the control socket"},
	{"gateway = { observe = { group = \"g\"; }; };",
		"wsgated.conf:1: gateway.observe.group: there is no observe socket without a 'path'"},
	{"gateway = { observe = { path = \"\";\nmode = \"0666\"; }; };",
		"wsgated.conf:2: gateway.observe.mode: there is no observe socket without a 'path'"},
	{ONE_CONNECTION "outlets = ( { name = \"control\"; from = [ \"a\" ]; } );",
		"wsgated.conf:2: outlets[0]: the path is that of the control socket"},
	{ONE_CONNECTION "outlets = ( { name = \"a\"; from = [ \"b*\" ]; } );",
		"wsgated.conf:1: connections[0].name: no outlet takes this connection, and the one "
		"of its own cannot be made: there is already an outlet 'a'"},
	{ONE_CONNECTION "outlets = ( { name = \"o\"; from = [ \"a\" ]; on_lag = \"wait\";\n"
			"ring = \"1M\"; } );",
		"wsgated.conf:3: outlets[0].ring: with on_lag = \"wait\" the ring of outlet 'o' "
		"(1048576 bytes) must hold the largest message of connection 'a' (max_message, "
		"1048576 bytes) and 64 bytes more"},
};

START_TEST(a_wrong_file_is_refused)
{
	write_file("wsgated.conf", wrong_files[_i].text);
	assert_problems((const char *const[]){wrong_files[_i].problem, NULL});
}
END_TEST

START_TEST(the_path_of_a_socket_must_fit_into_its_address)
{
	char text[512], expected[512];
	char path[96] = "/";

	memset(path + 1, 'x', 94);
	snprintf(text, sizeof(text), "gateway = { runtime_dir = \"%s\"; };\n" ONE_CONNECTION, path);
	write_file("wsgated.conf", text);
	snprintf(expected, sizeof(expected),
		"wsgated.conf:1: gateway: the path of a socket can have at most 107 bytes, "
		"'%s/control.sock' has 108",
		path);
	assert_problems((const char *const[]){expected, NULL});
	path[94] = '\0';
	snprintf(text, sizeof(text), "gateway = { runtime_dir = \"%s\"; };\n" ONE_CONNECTION, path);
	settings_free(load(text));
	write_file("wsgated.conf",
		"gateway = { control = { path = \"/r/"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"\"; }; };\n" ONE_CONNECTION);
	assert_problems((const char *const[]){
		"wsgated.conf:1: gateway.control.path: the file name of a socket can have 82 bytes, "
		"'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' "
		"has 83", NULL});
}
END_TEST

START_TEST(a_wait_ring_that_is_just_large_enough_is_fine)
{
	settings_free(
		load("connections = ( { name = \"a\"; url = \"ws://h/\"; max_message = "
		     "\"4032\"; } );\n"
		     "outlets = ( { name = \"o\"; from = [ \"a\" ]; on_lag = \"wait\"; ring = "
		     "\"4K\"; } );"));
}
END_TEST

/* The limits themselves, and spellings that are easily taken for wrong. */
static const char *const right_settings[] = {
	"proxy = { url = \"environment\"; };",
	"proxy = { url = \"HTTP://u:p@h:80/\"; };",
	"proxy = { url = \"socks5://[::1]:1\"; username = \"u\"; password_file = \"/p\"; };",
	"reconnect = { give_up = ( 400, 599, 1000, 4999 ); };",
	"reconnect = { give_up = [ ]; };",
	("address = { family = \"ipv4\"; source = \"127.0.0.1\"; "
	 "interface = \"0123456789abcde\"; };"),
	"on_open = [ \"%n %{HOME} %{_a1} 100%%\" ];",
	"heartbeat = { every = \"1s\"; message = \"\\n\"; };",
	"send_rate = { messages = 0.001; };",
	"host = \"[::1]:80\";",
	"tls = { cert_file = \"/c\"; key_passphrase_file = \"/p\"; };",
};

START_TEST(a_right_setting_is_taken)
{
	char text[256];

	snprintf(text, sizeof(text), "connections = ( { name = \"a\"; url = \"ws://h/\"; %s } );",
		right_settings[_i]);
	settings_free(load(text));
}
END_TEST

START_TEST(a_percent_sign_in_a_message_begins_a_placeholder)
{
	static const char *const valid[] = {"", "n", "%%", "%%n", "%n%n", "%{A}%{b_2}", "%%%n"};
	static const char *const wrong[] = {
		"%", "%%%", "%x", "%{", "%{A", "%{}", "%{1}", "%{A-B}", "%{A }", "%N", "%n%"};
	struct error error;

	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
		ck_assert_msg(settings_placeholders_valid(valid[i], &error), "%s", valid[i]);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!settings_placeholders_valid(wrong[i], &error), "%s", wrong[i]);
}
END_TEST

START_TEST(no_secret_is_ever_in_a_problem)
{
	struct settings_problems problems = {0};

	write_file("wsgated.conf",
		"connections = ( { name = \"a\"; url = \"http://user:s3cr3t@h/\";\n"
		"headers = { A = \"s3cr3t\\n\"; B = \"s3cr3t\xff\"; };\n"
		"on_open = [ \"s3cr3t\xff\" ]; bearer_file = \"s3cr3t\";\n"
		"tls = { key_file = \"s3cr3t\"; }; }, { name = \"b\"; url = [ \"s3cr3t\" ];\n"
		"headers = \"s3cr3t\"; on_open = \"s3cr3t\"; },\n"
		"{ name = \"c\"; url = \"ws://u:s3cr3t@h/\"; username = \"u\";\n"
		"password_file = \"s3cr3t\"; header_files = { A = \"s3cr3t\"; };\n"
		"on_open = [ \"s3cr3t%s3cr3t\" ]; on_open_file = \"s3cr3t\";\n"
		"proxy = { url = \"http://u:s3cr3t@h:x\"; password_file = \"s3cr3t\"; };\n"
		"heartbeat = { message = \"s3cr3t\"; binary = true; };\n"
		"tls = { key_passphrase_file = \"s3cr3t\"; }; } );");
	ck_assert_ptr_null(settings_load("wsgated.conf", &problems));
	ck_assert_uint_eq(problems.count, 18);
	for (size_t i = 0; i < problems.count; i++)
		ck_assert_msg(!strstr(problems.texts[i], "s3cr3t"), "%s", problems.texts[i]);
	settings_problems_release(&problems);
}
END_TEST

static const struct {
	const char *before, *after;
	enum settings_change change;
} changes[] = {
	{"", "", SETTINGS_SAME},
	{"", "connect_timeout = \"10000ms\";", SETTINGS_SAME},
	{"", "ping = { interval = \"1s\"; };", SETTINGS_LIVE},
	{"", "on_open = [ \"a\" ];", SETTINGS_LIVE},
	{"on_open = [ \"a\" ];", "on_open = [ \"b\" ];", SETTINGS_LIVE},
	{"", "when = \"manual\";", SETTINGS_LIVE},
	{"", "warn = { arg = 5; };", SETTINGS_LIVE},
	{"", "reconnect = { factor = 2.5; };", SETTINGS_LIVE},
	{"", "max_message = \"2M\";", SETTINGS_LIVE},
	{"", "send_queue = \"2M\"; idle_timeout = \"1s\"; close_timeout = \"1s\";", SETTINGS_LIVE},
	{"", "origin = \"o\";", SETTINGS_RECONNECT},
	{"origin = \"o\";", "", SETTINGS_RECONNECT},
	{"", "user_agent = \"\";", SETTINGS_RECONNECT},
	{"", "bearer_file = \"/t\";", SETTINGS_RECONNECT},
	{"", "tls = { verify = false; };", SETTINGS_RECONNECT},
	{"protocols = [ \"a\" ];", "protocols = [ \"a\", \"b\" ];", SETTINGS_RECONNECT},
	{"headers = { A = \"1\"; };", "headers = { A = \"2\"; };", SETTINGS_RECONNECT},
	{"headers = { A = \"1\"; };", "headers = { B = \"1\"; };", SETTINGS_RECONNECT},
	{"headers = { A = \"1\"; };", "headers = { A = \"1\"; };", SETTINGS_SAME},
	{"", "origin = \"o\"; ping = { interval = \"1s\"; };", SETTINGS_RECONNECT},
	{"", "redirect_hosts = [ \"b\" ];", SETTINGS_LIVE},
	{"", "max_redirects = 1; linger = \"1s\"; on_open_file = \"/o\";", SETTINGS_LIVE},
	{"", "ping = { payload = \"p\"; }; heartbeat = { every = \"1s\"; message = \"m\"; };",
		SETTINGS_LIVE},
	{"", "max_age = { after = \"1s\"; }; hold = { bytes = \"1K\"; };", SETTINGS_LIVE},
	{"", "send_rate = { messages = 1; };", SETTINGS_LIVE},
	{"", "reconnect = { jitter = \"none\"; attempts = 1; };", SETTINGS_LIVE},
	{"reconnect = { give_up = [ 401 ]; };", "reconnect = { give_up = [ 403 ]; };",
		SETTINGS_LIVE},
	{"reconnect = { give_up = [ 401 ]; };", "reconnect = { give_up = [ 401, 403 ]; };",
		SETTINGS_LIVE},
	{"reconnect = { give_up = [ 401 ]; };", "reconnect = { give_up = ( 401 ); };",
		SETTINGS_SAME},
	{"", "compression = { enabled = true; };", SETTINGS_RECONNECT},
	{"", "proxy = { url = \"environment\"; };", SETTINGS_RECONNECT},
	{"", "username = \"u\";", SETTINGS_RECONNECT},
	{"username = \"u\";", "username = \"u\"; password_file = \"/p\";", SETTINGS_RECONNECT},
	{"", "header_files = { A = \"/a\"; };", SETTINGS_RECONNECT},
	{"header_files = { A = \"/a\"; };", "header_files = { A = \"/b\"; };", SETTINGS_RECONNECT},
	{"", "host = \"h\";", SETTINGS_RECONNECT},
	{"", "tcp = { keepalive = \"1s\"; };", SETTINGS_RECONNECT},
	{"", "address = { family = \"ipv4\"; };", SETTINGS_RECONNECT},
	{"", "tls = { resume = false; };", SETTINGS_RECONNECT},
	{"", "tls = { pins = [ \"" PIN "\" ]; };", SETTINGS_RECONNECT},
};

static struct settings *load_with(const char *extra)
{
	char text[256];

	snprintf(text, sizeof(text), "connections = ( { name = \"a\"; url = \"ws://h/\"; %s } );",
		extra);
	return load(text);
}

START_TEST(a_change_says_what_it_asks_for)
{
	struct settings *before = load_with(changes[_i].before);
	struct settings *after = load_with(changes[_i].after);

	ck_assert_int_eq(connection_config_compare(before->connections[0], after->connections[0]),
		changes[_i].change);
	settings_free(before);
	settings_free(after);
}
END_TEST

/* A connection as the `add` command makes it: a libconfig tree without a file. */
static struct connection_config *add_over(const char *defaults, const char *text, bool trusted,
	struct settings_problems *problems)
{
	struct settings *settings = load(defaults);
	struct connection_config *connection;
	config_t config;

	config_init(&config);
	ck_assert(config_read_string(&config, text));
	connection = settings_connection(config_root_setting(&config), settings, trusted,
		problems);
	config_destroy(&config);
	settings_free(settings);
	return connection;
}

static struct connection_config *add(const char *text, struct settings_problems *problems)
{
	return add_over("defaults = { idle_timeout = \"9s\"; };", text, true, problems);
}

static const char *const not_for_everybody[] = {
	"on_open_file = \"/f\";",
	"header_files = { X = \"/f\"; };",
	"bearer_file = \"/f\";",
	"username = \"u\"; password_file = \"/f\";",
	"proxy = { url = \"http://h:1\"; username = \"u\"; password_file = \"/f\"; };",
	"proxy = { url = \"environment\"; };",
	"tls = { ca_file = \"/f\"; };",
	"tls = { ca_path = \"/f\"; };",
	"tls = { cert_file = \"/f\"; };",
	"tls = { cert_file = \"/f\"; key_file = \"/f\"; };",
	"tls = { cert_file = \"/f\"; key_passphrase_file = \"/f\"; };",
	"tls = { keylog_file = \"/f\"; };",
	"on_open = [ \"fine\", \"100%% %{HOME}\" ];",
	"url = \"ws+unix:///s\";",
	"url = \"WS+unix:/s:/\";",
};

/* Whom the gateway does not trust can have it neither read files nor talk to local sockets. */
START_TEST(not_everybody_may_name_files)
{
	const char *url = strstr(not_for_everybody[_i], "url = \"ws") ||
			strstr(not_for_everybody[_i], "url = \"WS") ? "" : "url = \"ws://h/\";";
	char *text = alloc_format("name = \"n\"; %s %s", url, not_for_everybody[_i]);
	struct settings_problems problems = {0};

	ck_assert_ptr_null(add_over("", text, false, &problems));
	ck_assert_uint_ge(problems.count, 1);
	ck_assert_ptr_nonnull(strstr(problems.texts[0], ": only root and the daemon's user may "));
	settings_problems_release(&problems);

	connection_config_free(add_over("", text, true, &problems));
	for (size_t i = 0; i < problems.count; i++)
		ck_assert_ptr_null(strstr(problems.texts[i], "only root"));
	settings_problems_release(&problems);
	free(text);
}
END_TEST

/* They choose the server: it is not told who the operator is. */
START_TEST(not_everybody_inherits_how_to_log_in)
{
	static const char defaults[] =
		"defaults = { idle_timeout = \"9s\"; headers = { X = \"k\"; }; protocols = [ \"t\" ];"
		"  header_files = { Y = \"/dev/null\"; }; on_open = [ \"secret\" ];"
		"  on_open_file = \"/dev/null\"; username = \"u\"; password_file = \"/dev/null\";"
		"  heartbeat = { every = \"1s\"; message = \"secret\"; };"
		"  proxy = { url = \"http://h:1\"; username = \"u\"; password_file = \"/dev/null\"; };"
		"  tls = { cert_file = \"/dev/null\"; key_file = \"/dev/null\";"
		"    key_passphrase_file = \"/dev/null\"; min_version = \"1.3\"; }; };";
	struct settings_problems problems = {0};
	const struct connection_settings *s;
	struct connection_config *connection = add_over(defaults,
		"name = \"n\"; url = \"ws://h/\"; headers = { Z = \"own\"; };", false, &problems);

	ck_assert_msg(connection != NULL, "%s", problems.count ? problems.texts[0] : "");
	s = connection->settings;
	ck_assert_uint_eq(s->idle_timeout, 9 * CLOCK_NS_PER_SECOND);
	ck_assert_str_eq(s->tls.min_version, "1.3");
	ck_assert_uint_eq(s->headers.count, 1);
	ck_assert_str_eq(s->headers.items[0].name, "Z");
	ck_assert_uint_eq(s->header_files.count + s->protocols.count + s->on_open.count, 0);
	ck_assert_uint_eq(s->heartbeat.every, 0);
	ck_assert_ptr_null(s->heartbeat.message);
	ck_assert_ptr_null(s->on_open_file);
	ck_assert_ptr_null(s->username);
	ck_assert_ptr_null(s->password_file);
	ck_assert_ptr_null(s->proxy.url);
	ck_assert_ptr_null(s->proxy.username);
	ck_assert_ptr_null(s->proxy.password_file);
	ck_assert_ptr_null(s->tls.cert_file);
	ck_assert_ptr_null(s->tls.key_file);
	ck_assert_ptr_null(s->tls_extra.key_passphrase_file);
	connection_config_free(connection);
}
END_TEST

/* Members of the daemon's group read outlets; they do not control it. */
START_TEST(only_a_group_that_is_named_may_use_the_control_socket)
{
	static const struct {
		const char *text;
		mode_t control, observe;
	} sockets[] = {
		{"gateway = { observe = { path = \"o\"; }; };", 0600, 0600},
		{"gateway = { control = { group = \"g\"; }; };", 0660, 0600},
		{"gateway = { control = { group = \"g\"; mode = \"0600\"; }; };", 0600, 0600},
		{"gateway = { observe = { path = \"o\"; group = \"g\"; }; };", 0600, 0660},
		{"gateway = { observe = { path = \"/o\"; mode = \"0666\"; }; };", 0600, 0666},
	};
	struct settings *settings = load(sockets[_i].text);

	ck_assert_uint_eq(settings->gateway.control.mode, sockets[_i].control);
	ck_assert_uint_eq(settings->gateway.observe.mode, sockets[_i].observe);
	settings_free(settings);
}
END_TEST

START_TEST(a_connection_is_added_over_the_defaults)
{
	struct settings_problems problems = {0};
	struct connection_config *connection =
		add("name = \"n\"; url = \"ws://h/\"; ping = { interval = \"1s\"; };", &problems);

	ck_assert_ptr_nonnull(connection);
	ck_assert_str_eq(connection->name, "n");
	ck_assert_uint_eq(connection->settings->idle_timeout, 9 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(connection->settings->ping_interval, 1 * CLOCK_NS_PER_SECOND);
	connection_config_free(connection);
}
END_TEST

START_TEST(an_added_connection_is_checked)
{
	struct settings_problems problems = {0};

	ck_assert_ptr_null(add("name = \"n\"; ping = { interval = 5; };", &problems));
	ck_assert_uint_eq(problems.count, 2);
	ck_assert_str_eq(
		problems.texts[0], "ping.interval: must be a duration such as \"5s\", not 5");
	ck_assert_str_eq(problems.texts[1], "has no 'url'");
	settings_problems_release(&problems);
}
END_TEST

START_TEST(the_limits_of_the_warning_queue_are_those_of_warnings)
{
	const struct setting *warn = connection_settings_table;
	const struct setting *queue;

	while (strcmp(warn->name, "warn") != 0)
		warn++;
	queue = warn->group;
	while (strcmp(queue->name, "queue") != 0)
		queue++;
	ck_assert_int_eq(atoi(queue->standard), WARNINGS_QUEUE_DEFAULT);
	ck_assert_int_eq(atoi(queue->maximum), WARNINGS_QUEUE_MAX);
}
END_TEST

START_TEST(the_example_configuration_can_be_loaded)
{
	struct settings_problems problems = {0};
	struct settings *settings = settings_load(TEST_SRCDIR "/etc/wsgated.conf", &problems);

	ck_assert_msg(settings != NULL, "%s", problems.count ? problems.texts[0] : "no problem");
	ck_assert_uint_eq(settings->connection_count, 1);
	ck_assert_str_eq(settings->connections[0]->url, "wss://feed.example.com/v1");
	settings_free(settings);
}
END_TEST

static char *read_source(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t capacity = 1 << 20, length;
	char *text = malloc(capacity);

	ck_assert_msg(file != NULL, "%s", path);
	length = fread(text, 1, capacity - 1, file);
	text[length] = '\0';
	fclose(file);
	return text;
}

/* The lines of a whole table as the man page begins them: "*ping.interval* = ". */
static void assert_described(const char *text, const struct setting *table, const char *prefix)
{
	char name[64], line[96];

	for (; table->name; table++) {
		snprintf(name, sizeof(name), "%s%s", prefix, table->name);
		if (table->type == SETTING_GROUP) {
			strcat(name, ".");
			assert_described(text, table->group, name);
			continue;
		}
		snprintf(line, sizeof(line), "\n*%s*", name);
		ck_assert_msg(strstr(text, line) != NULL, "no entry for %s", name);
	}
}

START_TEST(the_man_page_has_every_setting)
{
	char *text = read_source(TEST_SRCDIR "/doc/wsgated.conf.5.scd");

	assert_described(text, gateway_settings_table, "");
	assert_described(text, connection_config_table, "");
	assert_described(text, connection_settings_table, "");
	assert_described(text, outlet_config_table, "");
	free(text);
}
END_TEST

/* Each setting stands in the example, as "NAME = STANDARD;" where it has a standard value. */
static void assert_in_example(const char *text, const struct setting *table)
{
	char line[128];

	for (; table->name; table++) {
		bool quoted = table->type != SETTING_BOOL && table->type != SETTING_INTEGER &&
			      table->type != SETTING_NUMBER;

		if (table->type == SETTING_GROUP)
			assert_in_example(text, table->group);
		/* Two of the values depend on the build. */
		if (!table->standard || strcmp(table->name, "runtime_dir") == 0 ||
			strcmp(table->name, "user_agent") == 0)
			snprintf(line, sizeof(line), "%s = ", table->name);
		else
			snprintf(line, sizeof(line), quoted ? "%s = \"%s\";" : "%s = %s;",
				table->name, table->standard);
		ck_assert_msg(strstr(text, line) != NULL, "no line '%s'", line);
	}
}

START_TEST(the_example_has_every_setting_with_its_default)
{
	char *text = read_source(TEST_SRCDIR "/etc/wsgated.conf");

	assert_in_example(text, gateway_settings_table);
	assert_in_example(text, connection_config_table);
	assert_in_example(text, connection_settings_table);
	assert_in_example(text, outlet_config_table);
	free(text);
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

Suite *settings_suite(void)
{
	Suite *suite = suite_create("settings");
	TCase *reading = tcase_create("reading");
	TCase *problems = tcase_create("problems");
	TCase *changing = tcase_create("changing");
	TCase *documents = tcase_create("documents");

	add_folders(reading);
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

	add_folders(problems);
	tcase_add_test(problems, problems_in_conf_d_name_their_file);
	tcase_add_test(problems, an_included_file_stands_beside_and_keeps_its_lines);
	tcase_add_test(problems, a_file_that_cannot_be_read_is_a_problem);
	tcase_add_test(problems, lines_are_counted_through_included_files);
	tcase_add_test(problems, a_string_keeps_its_nul_or_is_a_problem);
	tcase_add_test(problems, other_bytes_than_text_are_problems);
	tcase_add_test(problems, a_byte_order_mark_is_no_part_of_the_text);
	tcase_add_test(problems, only_regular_files_are_read);
	tcase_add_test(problems, all_problems_are_told_in_one_go);
	tcase_add_loop_test(problems, a_wrong_setting_is_refused, 0, COUNT(wrong_settings));
	tcase_add_loop_test(problems, a_right_setting_is_taken, 0, COUNT(right_settings));
	tcase_add_test(problems, a_percent_sign_in_a_message_begins_a_placeholder);
	tcase_add_loop_test(problems, a_wrong_file_is_refused, 0, COUNT(wrong_files));
	tcase_add_test(problems, the_path_of_a_socket_must_fit_into_its_address);
	tcase_add_test(problems, a_wait_ring_that_is_just_large_enough_is_fine);
	tcase_add_test(problems, no_secret_is_ever_in_a_problem);
	suite_add_tcase(suite, problems);

	add_folders(changing);
	tcase_add_loop_test(changing, a_change_says_what_it_asks_for, 0, COUNT(changes));
	tcase_add_test(changing, a_connection_is_added_over_the_defaults);
	tcase_add_loop_test(changing, not_everybody_may_name_files, 0,
		sizeof(not_for_everybody) / sizeof(*not_for_everybody));
	tcase_add_test(changing, not_everybody_inherits_how_to_log_in);
	tcase_add_loop_test(changing, only_a_group_that_is_named_may_use_the_control_socket, 0, 5);
	tcase_add_test(changing, an_added_connection_is_checked);
	suite_add_tcase(suite, changing);

	tcase_add_test(documents, the_limits_of_the_warning_queue_are_those_of_warnings);
	tcase_add_test(documents, the_example_configuration_can_be_loaded);
	tcase_add_test(documents, the_man_page_has_every_setting);
	tcase_add_test(documents, the_example_has_every_setting_with_its_default);
	suite_add_tcase(suite, documents);
	return suite;
}
