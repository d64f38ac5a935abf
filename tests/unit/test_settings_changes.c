#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "settings_harness.h"

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
	{"", "utf8 = \"pass\";", SETTINGS_LIVE},
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
	connection = settings_connection(config_root_setting(&config), settings, trusted, problems);
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
			strstr(not_for_everybody[_i], "url = \"WS")
		? ""
		: "url = \"ws://h/\";";
	char *text = alloc_format("name = \"n\"; %s %s", url, not_for_everybody[_i]);
	struct settings_problems problems = {0};

	ck_assert_ptr_null(add_over("", text, false, &problems));
	ck_assert_uint_ge(problems.errors.count, 1);
	ck_assert_ptr_nonnull(strstr(problems.errors.items[0],
		": only root and the daemon's user may "));
	settings_problems_release(&problems);

	connection_config_free(add_over("", text, true, &problems));
	for (size_t i = 0; i < problems.errors.count; i++)
		ck_assert_ptr_null(strstr(problems.errors.items[i], "only root"));
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

	ck_assert_msg(connection != NULL, "%s",
		problems.errors.count ? problems.errors.items[0] : "");
	s = connection->settings;
	ck_assert_uint_eq(s->endpoint.idle_timeout, 9 * CLOCK_NS_PER_SECOND);
	ck_assert_int_eq(s->tls.min_version, TLS_VERSION_1_3);
	ck_assert_uint_eq(s->headers.count, 1);
	ck_assert_str_eq(s->headers.items[0].name, "Z");
	ck_assert_uint_eq(s->header_files.count + s->protocols.count + s->on_open.count, 0);
	ck_assert_uint_eq(s->endpoint.heartbeat.every, 0);
	ck_assert_ptr_null(s->endpoint.heartbeat.message);
	ck_assert_ptr_null(s->on_open_file);
	ck_assert_ptr_null(s->username);
	ck_assert_ptr_null(s->password_file);
	ck_assert_ptr_null(s->proxy.url);
	ck_assert_ptr_null(s->proxy.username);
	ck_assert_ptr_null(s->proxy.password_file);
	ck_assert_ptr_null(s->tls.cert_file);
	ck_assert_ptr_null(s->tls.key_file);
	ck_assert_ptr_null(s->tls.key_passphrase_file);
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
	ck_assert_uint_eq(connection->settings->endpoint.idle_timeout, 9 * CLOCK_NS_PER_SECOND);
	ck_assert_uint_eq(connection->settings->endpoint.ping.interval, 1 * CLOCK_NS_PER_SECOND);
	connection_config_free(connection);
}
END_TEST

START_TEST(an_added_connection_is_checked)
{
	struct settings_problems problems = {0};

	ck_assert_ptr_null(add("name = \"n\"; ping = { interval = 5; };", &problems));
	ck_assert_uint_eq(problems.errors.count, 2);
	ck_assert_str_eq(problems.errors.items[0],
		"ping.interval: must be a duration such as \"5s\", not 5");
	ck_assert_str_eq(problems.errors.items[1], "has no 'url'");
	settings_problems_release(&problems);
}
END_TEST

Suite *settings_changes_suite(void)
{
	Suite *suite = suite_create("settings: changes");
	TCase *changing = tcase_create("changing");

	settings_add_folders(changing);
	tcase_add_loop_test(changing, a_change_says_what_it_asks_for, 0, COUNT(changes));
	tcase_add_test(changing, a_connection_is_added_over_the_defaults);
	tcase_add_loop_test(changing, not_everybody_may_name_files, 0,
		sizeof(not_for_everybody) / sizeof(*not_for_everybody));
	tcase_add_test(changing, not_everybody_inherits_how_to_log_in);
	tcase_add_loop_test(changing, only_a_group_that_is_named_may_use_the_control_socket, 0, 5);
	tcase_add_test(changing, an_added_connection_is_checked);
	suite_add_tcase(suite, changing);
	return suite;
}
