#include "test_gateway.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/placeholders.h"
#include "settings_harness.h"

START_TEST(problems_in_conf_d_name_their_file)
{
	ck_assert_int_eq(mkdir("conf.d", 0700), 0);
	write_file("wsgated.conf", ONE_CONNECTION);
	write_file("conf.d/10-a.conf",
		"gateway = { };\n"
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
	snprintf(file, sizeof(file), "%s/wsgated.conf", settings_folder());
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_ptr_null(settings_load(file, &problems));
	ck_assert_int_eq(chdir(settings_folder()), 0);
	ck_assert_uint_eq(problems.errors.count, 1);
	snprintf(expected, sizeof(expected),
		"%s/included.conf:3: connections[0].url: must be a string", settings_folder());
	ck_assert_str_eq(problems.errors.items[0], expected);
	settings_problems_release(&problems);
}
END_TEST

START_TEST(lines_are_counted_through_included_files)
{
	write_file("wsgated.conf",
		"# 1\n\t@include  \"one.conf\" # the rest\ncolour = 1;\n"
		"/* @include \"none.conf\"\n@include \"none.conf\"\n*/\n"
		"@include \"two.conf\"\nshape = ;\n");
	write_file("one.conf", "\nsize = 1;");
	write_file("two.conf", "# nothing");
	assert_problems((const char *const[]){"wsgated.conf:8: syntax error", NULL});
	write_file("wsgated.conf",
		"# 1\n\t@include  \"one.conf\" # the rest\ncolour = 1;\n"
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
	write_file("wsgated.conf",
		"# \\x00 \"\\x00\"\n/* \"\\x00\n*/ // \"\\x00\n"
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
	assert_problems((const char *const[]){"wsgated.conf: is a FIFO, not a regular file", NULL});
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
	write_file("included.conf",
		"@include \"included.conf\"\n"
		"@include \"included.conf\"\n@include \"included.conf\"\n");
	assert_problems((const char *const[]){
		"./included.conf:1: cannot include ./included.conf: nested too deep", NULL});
}
END_TEST

START_TEST(all_problems_are_told_in_one_go)
{
	write_file("wsgated.conf",
		"gatway = { };\n"
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
	{"origin = 2.5;", "origin: must be a string, not 2.5"},
	{"origin = true;", "origin: must be a string, not true"},
	{"origin = { };", "origin: must be a string, not a group"},
	{"origin = [ 1 ];", "origin: must be a string, not an array"},
	{"origin = ( 1 );", "origin: must be a string, not a list"},
	{"on_open = ( \"a\", 5 );", "on_open[1]: must be a string"},
	{"protocols = \"a\";", "protocols: must be an array of strings such as [ \"a\", \"b\" ]"},
	{"protocols = [ \"a\", \"b c\" ];",
		"protocols: subprotocol 2 must be a token: one word without separators"},
	{"protocols = [ \"a\", \"a\" ];", "protocols: subprotocols 1 and 2 are the same"},
	{"headers = [ \"a\" ];", "headers: must be a group such as { X-Api-Key = \"k\"; }"},
	{"headers = { X = 5; };", "headers.X: must be a string"},
	{"headers = { X = \"secret\\r\\nY: 1\"; };", "headers.X: must not have control characters"},
	{"headers = { upgrade = \"x\"; };",
		"headers: the header 'upgrade' belongs to the handshake and cannot be set"},
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
	{"utf8 = \"ignore\";", "utf8: must be \"check\", \"replace\" or \"pass\", not \"ignore\""},
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
		"header_files: the header 'Upgrade' belongs to the handshake and cannot be set"},
	{"headers = { X = \"1\"; }; header_files = { x = \"/x\"; };",
		"header_files: the header 'x' is in 'headers' too"},
	{"host = \"b\u00fccher.example\";",
		"host: must be a host with or without a port such as \"example.com:8443\""},
	{"host = \"http://h/\";",
		"host: must be a host with or without a port such as \"example.com:8443\""},
	{"password_file = \"/p\";",
		"password_file: needs the 'username' that it is the password of"},
	{"username = \"a:b\";", "username: must not have a ':'"},
	{"username = \"a\"; bearer_file = \"/b\";",
		"username: there can be only one of 'username' and 'bearer_file'"},
	{"redirect_hosts = [ \"wss://b.example\" ];",
		"redirect_hosts[0]: must be a host or a pattern such as \"*.example.com\", without "
		"scheme and port, not \"wss://b.example\""},
	{"redirect_hosts = [ \"b.example:443\" ];",
		"redirect_hosts[0]: must be a host or a pattern such as \"*.example.com\", without "
		"scheme and port, not \"b.example:443\""},
	{"redirect_hosts = [ \"wss://u:secret@b.example\" ];",
		"redirect_hosts[0]: must be a host or a pattern such as \"*.example.com\", without "
		"scheme and port, not \"wss://***@b.example\""},
	{"redirect_hosts = [ \"[::1]\" ];",
		"redirect_hosts[0]: must be an IPv6 address without brackets, not \"[::1]\""},
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
		"on_open[1]: has a '%' that does not begin %n, %{VARIABLE} or %%"},
	{"proxy = { url = \"wss://u:s3cr3t@p:1\"; };",
		"proxy.url: URL 'wss://***@p:1': the scheme must be http, https, socks5 or socks5h"},
	{"proxy = { url = \"http://p:1/x\"; };", "proxy.url: URL 'http://p:1/x': it has a path"},
	{"proxy = { url = \"socks5:/u:s3cr3t@p\"; };",
		"proxy.url: URL 'http://***@p': it has a path"},
	{"proxy = { url = \"socks5://:1\"; };", "proxy.url: URL 'socks5://:1': it has no host"},
	{"proxy = { url = \"p:0\"; };", "proxy.url: URL 'http://p:0': the port must be 1 to 65535"},
	{"proxy = { url = \"http://p:1\"; username = \"a:b\"; };",
		"proxy.username: must not have a ':'"},
	{"proxy = { url = \"http://u@p:1\"; username = \"u\"; };",
		"proxy.username: the 'url' has a user name too"},
	{"proxy = { password_file = \"/p\"; };",
		"proxy: 'password_file' needs the 'username' that it is the password of"},
	{"ping = { payload = \"" BYTES_126 "\"; };",
		"ping.payload: must have at most 125 bytes, not 126"},
	{"heartbeat = { every = \"1s\"; };", "heartbeat: 'every' needs the 'message' to send"},
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
		"address.source: must be an IPv6 address, as 'family' says, not \"127.0.0.1\""},
	{"address = { interface = \"0123456789abcdef\"; };",
		"address.interface: must be the name of an interface, at most 15 bytes, not "
		"\"0123456789abcdef\""},
	{"tls = { key_passphrase_file = \"/k\"; };",
		"tls: 'key_passphrase_file' needs the 'cert_file' whose key it opens"},
	{"tls = { pins = [ \"" PIN "\", \"sha256//YQ==\" ]; };",
		"tls.pins[1]: must be \"sha256//\" and the Base64 of a SHA-256, not "
		"\"sha256//YQ==\""},
	{"tls = { pins = [ \"" BYTES_44 "\" ]; };",
		"tls.pins[0]: must be \"sha256//\" and the Base64 of a SHA-256, not "
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
		"wsgated.conf:2: gateway.dns[1]: must be the address of a name server such as "
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
		"wsgated.conf:1: gateway.control.path: the file name of a socket can have at most 82 bytes, "
		"that of '/r/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' "
		"has 83",
		NULL});
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
	"proxy = { url = \"http://h\"; };",
	"proxy = { url = \"[::1]:3128\"; };",
	"proxy = { url = \"proxy.example:3128\"; };",
	"proxy = { url = \"socks5h://h\"; username = \"a:b\"; };",
	"proxy = { url = \"https://h\"; ca_file = \"/ca.pem\"; };",
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
		ck_assert_msg(placeholders_check(valid[i], &error), "%s", valid[i]);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!placeholders_check(wrong[i], &error), "%s", wrong[i]);
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
	ck_assert_uint_eq(problems.errors.count, 18);
	for (size_t i = 0; i < problems.errors.count; i++)
		ck_assert_msg(!strstr(problems.errors.items[i], "s3cr3t"), "%s",
			problems.errors.items[i]);
	settings_problems_release(&problems);
}
END_TEST

Suite *settings_problems_suite(void)
{
	Suite *suite = suite_create("settings: problems");
	TCase *problems = tcase_create("problems");

	settings_add_folders(problems);
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
	return suite;
}
