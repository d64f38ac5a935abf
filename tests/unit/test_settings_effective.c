#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/settings_effective.h"
#include "settings_harness.h"

/* The settings in force, and where they come from. */

static const char *const from_names[] = {
	[SETTINGS_FROM_DEFAULT] = "default",
	[SETTINGS_FROM_ENVIRONMENT] = "environment",
	[SETTINGS_FROM_DEFAULTS] = "defaults",
	[SETTINGS_FROM_FILE] = "file",
	[SETTINGS_FROM_CONTROL] = "control",
	[SETTINGS_FROM_RUNNING] = "running",
};

/* Looks for one of them; `found` becomes "VALUE| FROM FILE:LINE", the value as JSON. */
struct wanted {
	const char *name;
	char found[512];
};

static void look_at(const struct settings_item *item, void *context)
{
	struct wanted *wanted = context;
	struct buffer value = {0};
	struct json_writer json = {&value, false};
	char place[128] = "";

	if (strcmp(item->name, wanted->name) != 0)
		return;
	ck_assert_str_eq(wanted->found, "");
	settings_item_put(item, &json, NULL);
	buffer_append(&value, "", 1);
	if (item->origin.file)
		snprintf(place, sizeof(place), " %s:%u", item->origin.file, item->origin.line);
	snprintf(wanted->found, sizeof(wanted->found), "%s| %s%s",
		(const char *)buffer_data(&value), from_names[item->origin.from], place);
	buffer_release(&value);
}

static void assert_connection(const struct connection_config *connection, const char *name,
	const char *expected)
{
	struct wanted wanted = {.name = name};

	connection_config_visit(connection, look_at, &wanted);
	ck_assert_str_eq(wanted.found, expected);
}

static void assert_gateway(const struct settings *settings, const char *name, const char *expected)
{
	struct wanted wanted = {.name = name};

	gateway_settings_visit(settings, look_at, &wanted);
	ck_assert_str_eq(wanted.found, expected);
}

static void assert_outlet(const struct outlet_config *outlet, const char *name,
	const char *expected)
{
	struct wanted wanted = {.name = name};

	outlet_config_visit(outlet, look_at, &wanted);
	ck_assert_str_eq(wanted.found, expected);
}

START_TEST(each_value_says_where_it_stands)
{
	struct settings *settings;
	const struct connection_config *a;

	write_file("more.conf", "\nmax_age = { after = \"1h\"; };\n");
	settings = load("gateway = {\n  drain_timeout = \"1m\"; };\n"
			"defaults = { idle_timeout = \"9s\";\n  ping = { interval = \"60s\";\n"
			"    timeout = \"5s\"; }; };\n"
			"connections = (\n"
			"  { name = \"a\";\n    url = \"ws://h/\"; idle_timeout = \"1s\";\n"
			"    ping = { timeout = \"1s\"; };\n"
			"    @include \"more.conf\"\n    max_message = \"3K\"; } );\n"
			"outlets = ( { name = \"o\"; from = [ \"a\" ];\n  ring = \"8M\"; } );\n");
	a = settings->connections[0];
	assert_gateway(settings, "gateway.drain_timeout", "\"1m\"| file wsgated.conf:2");
	assert_gateway(settings, "gateway.log.level", "\"info\"| default");
	assert_connection(a, "name", "\"a\"| file wsgated.conf:7");
	assert_connection(a, "idle_timeout", "\"1s\"| file wsgated.conf:8");
	assert_connection(a, "ping.interval", "\"1m\"| defaults wsgated.conf:4");
	assert_connection(a, "ping.timeout", "\"1s\"| file wsgated.conf:9");
	assert_connection(a, "max_age.after", "\"1h\"| file ./more.conf:2");
	assert_connection(a, "max_message", "\"3K\"| file wsgated.conf:11");
	assert_connection(a, "host", "null| default");
	assert_outlet(settings->outlets[0], "ring", "\"8M\"| file wsgated.conf:13");
	assert_outlet(settings->outlets[0], "format", "\"lines\"| default");
	settings_free(settings);
}
END_TEST

START_TEST(values_are_shown_as_the_file_has_them)
{
	static const struct {
		const char *setting, *name, *shown;
	} values[] = {
		{"reconnect = { give_up = ( 401, 4004 ); };", "reconnect.give_up", "[401,4004]"},
		{"redirect_hosts = [ \"*.a\", \"b\" ];", "redirect_hosts", "[\"*.a\",\"b\"]"},
		{"connect_timeout = \"90s\";", "connect_timeout", "\"90s\""},
		{"idle_timeout = \"0\";", "idle_timeout", "\"0\""},
		{"max_message = \"1024K\";", "max_message", "\"1M\""},
		{"max_message = \"1000\";", "max_message", "\"1000\""},
		{"hold = { bytes = \"0\"; };", "hold.bytes", "\"0\""},
		{"max_age = { jitter = 0.5; };", "max_age.jitter", "0.5"},
		{"max_redirects = 3;", "max_redirects", "3"},
		{"when = \"manual\";", "when", "\"manual\""},
		{"address = { family = \"ipv6\"; };", "address.family", "\"ipv6\""},
		{"tls = { min_version = \"1.3\"; };", "tls.min_version", "\"1.3\""},
		{"tls = { verify = false; };", "tls.verify", "false"},
		{"warn = { arg = { x = [ 1 ]; }; };", "warn.arg", "{\"x\":[1]}"},
	};
	char text[256], expected[256];
	struct settings *settings;

	snprintf(text, sizeof(text), "connections = ( { name = \"a\"; url = \"ws://h/\"; %s } );",
		values[_i].setting);
	settings = load(text);
	snprintf(expected, sizeof(expected), "%s| file wsgated.conf:1", values[_i].shown);
	assert_connection(settings->connections[0], values[_i].name, expected);
	settings_free(settings);
}
END_TEST

START_TEST(secrets_are_masked)
{
	static const struct {
		const char *name, *shown;
	} masked[] = {
		{"url", "\"ws://***@h/x?…\""},
		{"headers", "{\"X-Key\":\"***\"}"},
		{"header_files", "{\"X-File\":\"***\"}"},
		{"protocols", "[\"***\",\"***\"]"},
		{"on_open", "[\"***\"]"},
		{"on_open_file", "\"***\""},
		{"password_file", "null"},
		{"bearer_file", "\"***\""},
		{"heartbeat.message", "\"***\""},
		{"heartbeat.every", "\"1s\""},
		{"proxy.url", "\"***@h:1\""},
		{"tls.cert_file", "\"***\""},
		{"tls.key_file", "\"***\""},
		{"tls.key_passphrase_file", "\"***\""},
	};
	struct settings *settings = load(
		"connections = ( { name = \"a\"; url = \"ws://u:s3cr3t@h/x?s3cr3t\";\n"
		"headers = { X-Key = \"s3cr3t\"; }; header_files = { X-File = \"/s3cr3t\"; };\n"
		"protocols = [ \"v1\", \"s3cr3t\" ]; on_open = [ \"s3cr3t\" ];\n"
		"on_open_file = \"/s3cr3t\"; bearer_file = \"/s3cr3t\";\n"
		"heartbeat = { every = \"1s\"; message = \"s3cr3t\"; };\n"
		"proxy = { url = \"u:s3cr3t@h:1\"; };\n"
		"tls = { cert_file = \"/s3cr3t\"; key_file = \"/s3cr3t\";\n"
		"  key_passphrase_file = \"/s3cr3t\"; }; } );\n");

	for (size_t i = 0; i < sizeof(masked) / sizeof(*masked); i++) {
		struct wanted wanted = {.name = masked[i].name};

		connection_config_visit(settings->connections[0], look_at, &wanted);
		ck_assert_ptr_null(strstr(wanted.found, "s3cr3t"));
		*strchr(wanted.found, '|') = '\0';
		ck_assert_str_eq(wanted.found, masked[i].shown);
	}
	settings_free(settings);
}
END_TEST

/* Thousands of connections that a program has written: neither settings nor origins are theirs alone,
 * and yet each knows its lines. */
START_TEST(connections_written_alike_share_their_origins)
{
	struct settings *settings =
		load("connections = (\n"
		     "  { name = \"a\"; url = \"ws://h/\";\n    max_message = \"2K\"; },\n\n"
		     "  { name = \"b\"; url = \"ws://h/\";\n    max_message = \"2K\"; },\n"
		     "  { name = \"c\"; url = \"ws://h/\"; max_message = \"2K\"; } );\n");
	struct connection_config **all = settings->connections;

	ck_assert_ptr_eq(all[0]->origins, all[1]->origins);
	ck_assert_ptr_ne(all[1]->origins, all[2]->origins);
	ck_assert_ptr_eq(all[0]->settings, all[2]->settings);
	assert_connection(all[0], "max_message", "\"2K\"| file wsgated.conf:3");
	assert_connection(all[1], "max_message", "\"2K\"| file wsgated.conf:6");
	assert_connection(all[2], "max_message", "\"2K\"| file wsgated.conf:7");
	settings_free(settings);
}
END_TEST

START_TEST(an_added_connection_knows_the_defaults_it_was_made_from)
{
	struct settings *settings = load(
		"defaults = { idle_timeout = \"9s\";\n  heartbeat = { every = \"1s\"; message = \"m\"; "
		"}; };\n");
	struct settings_problems problems = {0};
	struct connection_config *trusted, *untrusted;
	config_t config;

	config_init(&config);
	ck_assert(config_read_string(&config, "name = \"n\"; url = \"ws://h/\";"));
	trusted = settings_connection(config_root_setting(&config), settings, true, &problems);
	untrusted = settings_connection(config_root_setting(&config), settings, false, &problems);
	config_destroy(&config);
	settings_free(settings);
	assert_connection(trusted, "url", "\"ws://h/\"| control");
	assert_connection(trusted, "idle_timeout", "\"9s\"| defaults wsgated.conf:1");
	assert_connection(trusted, "heartbeat.every", "\"1s\"| defaults wsgated.conf:2");
	assert_connection(untrusted, "idle_timeout", "\"9s\"| defaults wsgated.conf:1");
	assert_connection(untrusted, "heartbeat.every", "\"0\"| default");
	connection_config_free(trusted);
	connection_config_free(untrusted);
}
END_TEST

START_TEST(what_needs_a_restart_is_shown_as_it_runs)
{
	static const char before[] = "gateway = { runtime_dir = \"%s\";\n"
				     "dns = [ \"127.0.0.1:53\" ]; };\n";
	static const char after[] = "gateway = { runtime_dir = \"%s\";\n"
				    "log = { level = \"debug\"; };\ndns = [ ]; };\n";
	struct settings_problems problems = {0};
	struct gateway_settings *running;
	struct settings *settings;
	char text[256];

	snprintf(text, sizeof(text), before, settings_folder());
	settings = load(text);
	running = gateway_settings_copy(&settings->gateway);
	settings_free(settings);
	snprintf(text, sizeof(text), after, settings_folder());
	write_file("wsgated.conf", text);
	settings = settings_prepare("wsgated.conf", running, &problems);
	gateway_settings_free(running);
	ck_assert_ptr_nonnull(settings);
	assert_gateway(settings, "gateway.dns", "[\"127.0.0.1:53\"]| running wsgated.conf:3");
	assert_gateway(settings, "gateway.log.level", "\"debug\"| file wsgated.conf:2");
	settings_free(settings);
	settings_problems_release(&problems);
}
END_TEST

START_TEST(the_environment_is_named)
{
	struct settings *settings;

	setenv("RUNTIME_DIRECTORY", "/run/wsgated-x", 1);
	settings = load("");
	unsetenv("RUNTIME_DIRECTORY");
	assert_gateway(settings, "gateway.runtime_dir", "\"/run/wsgated-x\"| environment");
	settings_free(settings);
}
END_TEST

Suite *settings_effective_suite(void)
{
	Suite *suite = suite_create("settings: in force");
	TCase *effective = tcase_create("effective");

	settings_add_folders(effective);
	tcase_add_test(effective, each_value_says_where_it_stands);
	tcase_add_loop_test(effective, values_are_shown_as_the_file_has_them, 0, 14);
	tcase_add_test(effective, secrets_are_masked);
	tcase_add_test(effective, connections_written_alike_share_their_origins);
	tcase_add_test(effective, an_added_connection_knows_the_defaults_it_was_made_from);
	tcase_add_test(effective, what_needs_a_restart_is_shown_as_it_runs);
	tcase_add_test(effective, the_environment_is_named);
	suite_add_tcase(suite, effective);
	return suite;
}
