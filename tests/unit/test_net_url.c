#include <stdlib.h>
#include <string.h>

#include "net/url.h"
#include "test_net.h"

struct good_url {
	const char *text;
	bool secure;
	const char *host;
	uint16_t port;
	const char *resource;
	const char *user;
	const char *password;
	const char *authority;
	const char *shown;
};

static const struct good_url good_urls[] = {
	{"ws://example.com", false, "example.com", 80, "/", NULL, NULL, "example.com",
		"ws://example.com/"},
	{"wss://example.com/v1", true, "example.com", 443, "/v1", NULL, NULL, "example.com",
		"wss://example.com/v1"},
	{"WSS://Example.com:8443/a/b?c=d&e", true, "Example.com", 8443, "/a/b?c=d&e", NULL, NULL,
		"Example.com:8443", "wss://Example.com:8443/a/b?…"},
	{"ws://example.com?token=x", false, "example.com", 80, "/?token=x", NULL, NULL,
		"example.com", "ws://example.com/?…"},
	{"ws://example.com/?", false, "example.com", 80, "/?", NULL, NULL, "example.com",
		"ws://example.com/?…"},
	{"ws://example.com:/", false, "example.com", 80, "/", NULL, NULL, "example.com",
		"ws://example.com/"},
	{"wss://example.com:80/", true, "example.com", 80, "/", NULL, NULL, "example.com:80",
		"wss://example.com:80/"},
	{"wss://example.com:443/", true, "example.com", 443, "/", NULL, NULL, "example.com",
		"wss://example.com/"},
	{"ws://127.0.0.1:65535/", false, "127.0.0.1", 65535, "/", NULL, NULL, "127.0.0.1:65535",
		"ws://127.0.0.1:65535/"},
	{"ws://[::1]", false, "::1", 80, "/", NULL, NULL, "[::1]", "ws://[::1]/"},
	{"wss://[2001:db8::1]:9001/x", true, "2001:db8::1", 9001, "/x", NULL, NULL,
		"[2001:db8::1]:9001", "wss://[2001:db8::1]:9001/x"},
	{"ws://ann:s%3Acr%20t@example.com/", false, "example.com", 80, "/", "ann", "s:cr t",
		"example.com", "ws://***@example.com/"},
	{"ws://ann:a:b@example.com/", false, "example.com", 80, "/", "ann", "a:b", "example.com",
		"ws://***@example.com/"},
	{"ws://ann@example.com/", false, "example.com", 80, "/", "ann", NULL, "example.com",
		"ws://***@example.com/"},
	{"ws://ann:@example.com/", false, "example.com", 80, "/", "ann", "", "example.com",
		"ws://***@example.com/"},
	{"ws://a%2Bb+c:p+q@example.com/", false, "example.com", 80, "/", "a+b+c", "p+q",
		"example.com", "ws://***@example.com/"},
	{"ws://ex%61mple.com/%7e/a%20b", false, "example.com", 80, "/%7e/a%20b", NULL, NULL,
		"example.com", "ws://example.com/%7e/a%20b"},
	{"ws://my_host-1/@me", false, "my_host-1", 80, "/@me", NULL, NULL, "my_host-1",
		"ws://my_host-1/@me"},
	/* IDNA, as UTS 46 maps it without transition: upper case, sharp s, a full-width dot */
	{"wss://m\xc3\xbcnchen.example:8443/\x78", true, "xn--mnchen-3ya.example", 8443, "/x", NULL,
		NULL, "xn--mnchen-3ya.example:8443", "wss://xn--mnchen-3ya.example:8443/x"},
	{"ws://M%C3%9CNCHEN.example/", false, "xn--mnchen-3ya.example", 80, "/", NULL, NULL,
		"xn--mnchen-3ya.example", "ws://xn--mnchen-3ya.example/"},
	{"ws://fa\xc3\x9f.example/", false, "xn--fa-hia.example", 80, "/", NULL, NULL,
		"xn--fa-hia.example", "ws://xn--fa-hia.example/"},
	{"ws://\xe4\xbe\x8b\xe3\x80\x82jp/", false, "xn--fsq.jp", 80, "/", NULL, NULL, "xn--fsq.jp",
		"ws://xn--fsq.jp/"},
};

/* A dot at the end, and zones. */
static const struct {
	const char *text;
	const char *host;
	const char *lookup;
	const char *authority;
	const char *reference;
} hosts[] = {
	{"wss://example.com/", "example.com", "example.com", "example.com", "example.com"},
	{"wss://example.com./", "example.com", "example.com.", "example.com.", "example.com."},
	{"ws://localhost.:81/", "localhost", "localhost.", "localhost.:81", "localhost.:81"},
	{"ws://m\xc3\xbcnchen.example\xe3\x80\x82/", "xn--mnchen-3ya.example",
		"xn--mnchen-3ya.example.", "xn--mnchen-3ya.example.", "xn--mnchen-3ya.example."},
	{"ws://192.0.2.1./", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"},
	{"ws://[::1]/", "::1", "::1", "[::1]", "[::1]"},
	{"ws://[fe80::1%25eth0]:81/", "fe80::1", "fe80::1%eth0", "[fe80::1]:81",
		"[fe80::1%25eth0]:81"},
	{"ws://u:p%5B@[fe80::1%eth0]/", "fe80::1", "fe80::1%eth0", "[fe80::1]", "[fe80::1%25eth0]"},
	{"ws://[fe80::1%252]/", "fe80::1", "fe80::1%2", "[fe80::1]", "[fe80::1%252]"},
	{"ws://[fe80::1%25]/", "fe80::1", "fe80::1%25", "[fe80::1]", "[fe80::1%2525]"},
	{"ws://[fe80::1%25wlan%2D1]/", "fe80::1", "fe80::1%wlan-1", "[fe80::1]",
		"[fe80::1%25wlan-1]"},
};

struct unix_url {
	const char *text;
	const char *socket_path;
	const char *resource;
	const char *shown;
};

static const struct unix_url unix_urls[] = {
	{"ws+unix:///run/app.sock:/path?query=1", "/run/app.sock", "/path?query=1",
		"ws+unix:///run/app.sock:/path?…"},
	{"ws+unix:/run/app.sock:/path", "/run/app.sock", "/path", "ws+unix:///run/app.sock:/path"},
	{"WS+UNIX:///run/app.sock", "/run/app.sock", "/", "ws+unix:///run/app.sock:/"},
	{"ws+unix:///run/app.sock:", "/run/app.sock", "/", "ws+unix:///run/app.sock:/"},
	{"ws+unix:///run/app.sock:?q", "/run/app.sock", "/?q", "ws+unix:///run/app.sock:/?…"},
	{"ws+unix:///run/a%3Ab%20c:/x:y", "/run/a:b c", "/x:y", "ws+unix:///run/a%3Ab%20c:/x:y"},
};

struct bad_url {
	const char *text;
	const char *error;
};

static const struct bad_url bad_urls[] = {
	{"", "URL '': the scheme must be ws, wss or ws+unix"},
	{"example.com", "URL 'example.com': the scheme must be ws, wss or ws+unix"},
	{"http://example.com/", "URL 'http://example.com/': the scheme must be ws, wss or ws+unix"},
	{"ws:", "URL 'ws:': it has no host"},
	{"ws:/path", "URL 'ws:/path': it has no host"},
	{"ws://", "URL 'ws://': it has no host"},
	{"ws:///path", "URL 'ws:///path': it has no host"},
	{"ws://:80/", "URL 'ws://:80/': it has no host"},
	{"ws://h/#", "URL 'ws://h/#…': it must not have a fragment ('#'); write %23"},
	{"ws://h/a#secret", "URL 'ws://h/a#…': it must not have a fragment ('#'); write %23"},
	{"ws://h:0/", "URL 'ws://h:0/': the port must be 1 to 65535"},
	{"ws://h:65536/", "URL 'ws://h:65536/': it is not a well-formed URL"},
	{"ws://h:8o/", "URL 'ws://h:8o/': it is not a well-formed URL"},
	{"ws://h:-1/", "URL 'ws://h:-1/': it is not a well-formed URL"},
	{"ws://h/a b", "URL 'ws://h/a b': it has a space or control character"},
	{"ws://h/a\r\nX: y", "URL 'ws://h/a  X: y': it has a space or control character"},
	{"ws://h/\x7f", "URL 'ws://h/ ': it has a space or control character"},
	{"ws://h%00.example/", "URL 'ws://h%00.example/': the host has a control character"},
	{"ws://h%2f.example/",
		"URL 'ws://h%2f.example/': the host has a character that is not allowed in host names"},
	{"ws://a,b/",
		"URL 'ws://a,b/': the host has a character that is not allowed in host names"},
	{"wss://.example.org/", "URL 'wss://.example.org/': the host begins with a dot"},
	{"ws://./", "URL 'ws://./': the host begins with a dot"},
	{"ws://h../", "URL 'ws://h../': the host has two dots in a row"},
	{"ws://a..b/", "URL 'ws://a..b/': the host has two dots in a row"},
	{"ws://[fe80::1%]/",
		"URL 'ws://[fe80::1%]/': the zone of the address is not the name or index of an "
		"interface"},
	{"ws://[fe80::1%25a%2Fb]/",
		"URL 'ws://[fe80::1%25a%2Fb]/': the zone of the address is not the name or index "
		"of an interface"},
	{"ws://[fe80::1%25longer-than-it-may]/",
		"URL 'ws://[fe80::1%25longer-than-it-may]/': the zone of the address is not the "
		"name or index of an interface"},
	{"ws://[2001:db8::1%25eth0]/",
		"URL 'ws://[2001:db8::1%25eth0]/': only a link-local address (fe80::…) has a zone"},
	{"ws://[::1/", "URL 'ws://[::1/': it is not a well-formed URL"},
	{"ws://[v1.fe]/", "URL 'ws://[v1.fe]/': the host is not an IPv6 address"},
	{"ws://::1/", "URL 'ws://::1/': it is not a well-formed URL"},
	{"ws://h/%zz", "URL 'ws://h/%zz': it is not a well-formed URL"},
	{"ws://u:pw%0d%0a@h/", "URL 'ws://***@h/': user name or password has a control character"},
	{"ws://a%3Ab:pw@h/", "URL 'ws://***@h/': the user name has a ':'"},
	{"ws://u:pw@h:0/", "URL 'ws://***@h:0/': the port must be 1 to 65535"},
	{"ws://u:p/pw@h/", "URL 'ws://***@h/': it is not a well-formed URL"},
	{"u:pw@h", "URL '***@h': the scheme must be ws, wss or ws+unix"},
	{"u:pw@h://x", "URL '***@h://x': the scheme must be ws, wss or ws+unix"},
	{"ws://h/\xc3\xbc",
		"URL 'ws://h/\xc3\xbc': it has a character outside ASCII; after the host, write it "
		"percent-encoded"},
	{"ws://\xff/",
		"URL 'ws://\xef\xbf\xbd/': the host is not a valid internationalised name (IDNA): "
		"string encoding error"},
	{"ws://\xe2\x80\xae.example/",
		"URL 'ws://\xef\xbf\xbd.example/': the host is not a valid internationalised name (IDNA): "
		"string contains a disallowed character"},
	{"ws+unix:",
		"URL 'ws+unix:': the socket's path must be absolute: "
		"ws+unix:///run/app.sock:/path"},
	{"ws+unix://host/run/app.sock",
		"URL 'ws+unix://host/run/app.sock': the socket's path must be absolute: "
		"ws+unix:///run/app.sock:/path"},
	{"ws+unix:///a.sock?q",
		"URL 'ws+unix:///a.sock?…': a query comes after the socket's path and ':', as in "
		"ws+unix:///run/app.sock:/?query"},
	{"ws+unix:///a.sock:x",
		"URL 'ws+unix:///a.sock:x': after the socket's path comes ':' and a path that "
		"begins with '/'"},
	{"ws+unix:///a%00b.sock:/",
		"URL 'ws+unix:///a%00b.sock:/': the socket's path has a control character"},
	{"ws+unix:///a.sock:/#f",
		"in 'ws+unix:///a.sock:/#…': URL 'ws://localhost/#…': it must not have a "
		"fragment ('#'); write %23"},
	{"ws://u:p w@h/", "URL 'ws://***@h/': it has a space or control character"},
	{"ws://h:0/?token=secret", "URL 'ws://h:0/?…': the port must be 1 to 65535"},
	{"ws://h/#token=a@secret",
		"URL 'ws://***#…': it must not have a fragment ('#'); write %23"},
	{"ws://h:0/#secret?x", "URL 'ws://h:0/#…': it must not have a fragment ('#'); write %23"},
	{"ws://h:0/?token=a@secret", "URL 'ws://***?…': the port must be 1 to 65535"},
	{"ws://u:p?w@h:0/", "URL 'ws://***?…': it is not a well-formed URL"},
	{"ws://u:pw@h:0/?to=ws://secret", "URL 'ws://***@h:0/?…': the port must be 1 to 65535"},
	{"ws+unix:///a%00b.sock:/?secret",
		"URL 'ws+unix:///a%00b.sock:/?…': the socket's path has a control character"},
	{"ws+unix:///a.sock:/?secret#f",
		"in 'ws+unix:///a.sock:/?…': URL 'ws://localhost/?…': it must not have a "
		"fragment ('#'); write %23"},
};

static void assert_text(const char *actual, const char *expected)
{
	ck_assert_ptr_eq((void *)(uintptr_t)!actual, (void *)(uintptr_t)!expected);
	if (expected)
		ck_assert_str_eq(actual, expected);
}

START_TEST(good_url)
{
	const struct good_url *good = &good_urls[_i];
	struct error error;
	struct url url;

	ck_assert_msg(url_parse(&url, good->text, &error), "%s", error.text);
	ck_assert_int_eq(url.secure, good->secure);
	ck_assert_str_eq(url.host, good->host);
	ck_assert_uint_eq(url.port, good->port);
	ck_assert_str_eq(url.resource, good->resource);
	ck_assert_ptr_null(url.socket_path);
	assert_text(url.user, good->user);
	assert_text(url.password, good->password);
	ck_assert_str_eq(url.authority, good->authority);
	ck_assert_str_eq(url.shown, good->shown);
	url_release(&url);
}
END_TEST

START_TEST(host)
{
	struct error error;
	struct url url;

	ck_assert_msg(url_parse(&url, hosts[_i].text, &error), "%s", error.text);
	ck_assert_str_eq(url.host, hosts[_i].host);
	ck_assert_str_eq(url.lookup, hosts[_i].lookup);
	ck_assert_str_eq(url.authority, hosts[_i].authority);
	ck_assert_str_eq(url.reference, hosts[_i].reference);
	url_release(&url);
}
END_TEST

START_TEST(unix_url)
{
	const struct unix_url *good = &unix_urls[_i];
	struct error error;
	struct url url;

	ck_assert_msg(url_parse(&url, good->text, &error), "%s", error.text);
	ck_assert(!url.secure);
	ck_assert_str_eq(url.socket_path, good->socket_path);
	ck_assert_str_eq(url.resource, good->resource);
	ck_assert_str_eq(url.shown, good->shown);
	ck_assert_str_eq(url.host, "localhost");
	ck_assert_str_eq(url.authority, "localhost");
	url_release(&url);
}
END_TEST

START_TEST(bad_url)
{
	const struct bad_url *bad = &bad_urls[_i];
	struct error error;
	struct url url;

	ck_assert_msg(!url_parse(&url, bad->text, &error), "%s", bad->text);
	ck_assert_str_eq(error.name, ERROR_WEBSOCKET);
	ck_assert_str_eq(error.text, bad->error);
	ck_assert_ptr_null(url.host);
}
END_TEST

START_TEST(long_url)
{
	char text[4096] = "ws://";
	struct error error;
	struct url url;

	memset(text + 5, 'a', 254);
	ck_assert(!url_parse(&url, text, &error));
	ck_assert_ptr_nonnull(strstr(error.text, "longer than 253"));

	strcpy(text, "ws+unix:///");
	memset(text + 11, 'a', 106);
	text[11 + 106] = '\0';
	ck_assert(url_parse(&url, text, &error));
	ck_assert_uint_eq(strlen(url.socket_path), 107);
	url_release(&url);
	text[11 + 106] = 'a';
	text[11 + 107] = '\0';
	ck_assert(!url_parse(&url, text, &error));
	ck_assert_ptr_nonnull(strstr(error.text, "longer than 107 bytes"));

	strcpy(text, "ws://");
	memset(text + 5, 'a', sizeof(text) - 6);
	text[sizeof(text) - 2] = ' ';
	ck_assert(!url_parse(&url, text, &error));
	ck_assert_ptr_nonnull(strstr(error.text, "space or control character"));
}
END_TEST

TCase *test_net_url(void)
{
	TCase *tests = tcase_create("url");

	tcase_add_loop_test(tests, good_url, 0, sizeof(good_urls) / sizeof(good_urls[0]));
	tcase_add_loop_test(tests, host, 0, sizeof(hosts) / sizeof(hosts[0]));
	tcase_add_loop_test(tests, unix_url, 0, sizeof(unix_urls) / sizeof(unix_urls[0]));
	tcase_add_loop_test(tests, bad_url, 0, sizeof(bad_urls) / sizeof(bad_urls[0]));
	tcase_add_test(tests, long_url);
	return tests;
}
