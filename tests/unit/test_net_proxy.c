#include <stdlib.h>
#include <string.h>

#include "net/tunnel.h"
#include "test_net.h"

/* The proxy's URL, what the environment says, and the conversation, without a network. */

struct good_proxy {
	const char *text;
	enum proxy_kind kind;
	const char *host;
	uint16_t port;
	const char *user;
	const char *password;
	const char *shown;
};

static const struct good_proxy good_proxies[] = {
	{"http://proxy.example:3128", PROXY_HTTP, "proxy.example", 3128, NULL, NULL,
		"http://proxy.example:3128"},
	{"http://proxy.example/", PROXY_HTTP, "proxy.example", 80, NULL, NULL,
		"http://proxy.example"},
	{"proxy.example:8080", PROXY_HTTP, "proxy.example", 8080, NULL, NULL,
		"http://proxy.example:8080"},
	{"ann:s%40crt@proxy.example:8080", PROXY_HTTP, "proxy.example", 8080, "ann", "s@crt",
		"http://***@proxy.example:8080"},
	{"https://ann:x@proxy.example", PROXY_HTTP, "proxy.example", 443, "ann", "x",
		"https://***@proxy.example"},
	{"HTTPS://proxy.example:3129/", PROXY_HTTP, "proxy.example", 3129, NULL, NULL,
		"https://proxy.example:3129"},
	{"socks5://[::1]", PROXY_SOCKS5, "::1", 1080, NULL, NULL, "socks5://[::1]"},
	{"SOCKS5H://ann:x@127.0.0.1:9050/", PROXY_SOCKS5, "127.0.0.1", 9050, "ann", "x",
		"socks5h://***@127.0.0.1:9050"},
};

static void assert_text(const char *actual, const char *expected)
{
	ck_assert_int_eq(actual != NULL, expected != NULL);
	if (expected)
		ck_assert_str_eq(actual, expected);
}

START_TEST(good_proxy)
{
	const struct good_proxy *good = &good_proxies[_i];
	struct proxy proxy;
	struct error error;

	ck_assert_msg(proxy_parse(&proxy, good->text, &error), "%s", error.text);
	ck_assert_int_eq(proxy.kind, good->kind);
	ck_assert_str_eq(proxy.url.host, good->host);
	ck_assert_uint_eq(proxy.url.port, good->port);
	assert_text(proxy.url.user, good->user);
	assert_text(proxy.url.password, good->password);
	ck_assert_str_eq(proxy.url.shown, good->shown);
	proxy_release(&proxy);
}
END_TEST

struct bad_proxy {
	const char *text;
	const char *error;
};

static const struct bad_proxy bad_proxies[] = {
	{"wss://h:1", "URL 'wss://h:1': the scheme must be http, https, socks5 or socks5h"},
	{"socks4://u:pw@h:1",
		"URL 'socks4://***@h:1': the scheme must be http, https, socks5 or socks5h"},
	{"socks4a://h", "URL 'socks4a://h': the scheme must be http, https, socks5 or socks5h"},
	{"http://ann#w@h:1", "URL 'http://***#…': it must not have a fragment ('#'); write %23"},
	{"", "URL 'http://': it has no host"},
	{"h:0", "URL 'http://h:0': the port must be 1 to 65535"},
	{"http://u:pw@h:1/x", "URL 'http://***@h:1/x': it has a path"},
	{"http:u:pw@h:x", "URL 'http://***@h:x': it is not a well-formed URL"},
	{"socks5:/u:pw@h", "URL 'http://***@h': it has a path"},
	{"h/pw?pw", "URL 'http://h/pw?…': it has a path"},
};

START_TEST(bad_proxy)
{
	const struct bad_proxy *bad = &bad_proxies[_i];
	struct proxy proxy;
	struct error error;

	ck_assert(!proxy_parse(&proxy, bad->text, &error));
	ck_assert_str_eq(error.name, ERROR_WEBSOCKET);
	ck_assert_str_eq(error.text, bad->error);
}
END_TEST

struct environment_case {
	const char *variables[4][2];
	const char *url;
	const char *proxy;
};

static const struct environment_case environment_cases[] = {
	{{{NULL}}, "ws://h/", NULL},
	{{{"http_proxy", "p:1"}}, "ws://h/", "p:1"},
	{{{"http_proxy", "p:1"}}, "wss://h/", NULL},
	{{{"HTTP_PROXY", "p:1"}}, "ws://h/", NULL},
	{{{"https_proxy", "p:1"}}, "wss://h/", "p:1"},
	{{{"https_proxy", "https://p:1"}}, "wss://h/", "https://p:1"},
	{{{"HTTPS_PROXY", "p:1"}}, "wss://h/", "p:1"},
	{{{"HTTPS_PROXY", "p:1"}, {"https_proxy", "p:2"}}, "wss://h/", "p:2"},
	{{{"HTTPS_PROXY", "p:1"}, {"https_proxy", ""}}, "wss://h/", "p:1"},
	{{{"https_proxy", "p:1"}}, "ws://h/", NULL},
	{{{"all_proxy", "p:1"}}, "ws://h/", "p:1"},
	{{{"ALL_PROXY", "p:1"}, {"https_proxy", "p:2"}}, "wss://h/", "p:2"},
	{{{"all_proxy", "p:1"}}, "ws+unix:///run/app.sock", NULL},
	{{{"all_proxy", "p:1"}, {"NO_PROXY", "h"}}, "ws://h/", NULL},
	{{{"all_proxy", "p:1"}, {"NO_PROXY", "h"}, {"no_proxy", "x"}}, "ws://h/", "p:1"},
};

START_TEST(environment)
{
	const struct environment_case *expected = &environment_cases[_i];
	struct error error;
	struct url url;

	clearenv();
	for (int i = 0; i < 4 && expected->variables[i][0]; i++)
		setenv(expected->variables[i][0], expected->variables[i][1], 1);
	ck_assert(url_parse(&url, expected->url, &error));
	assert_text(proxy_from_environment(&url), expected->proxy);
	url_release(&url);
}
END_TEST

struct exception_case {
	const char *list;
	const char *host;
	bool excepted;
};

static const struct exception_case exception_cases[] = {
	{"*", "any.example", true},
	{"other, *", "any.example", true},
	{"a,*b", "any.example", false},
	{"example.com", "example.com", true},
	{"example.com", "EXAMPLE.com", true},
	{"example.com", "a.b.example.com", true},
	{"example.com", "notexample.com", false},
	{"example.com", "example.com.evil.test", false},
	{".example.com", "example.com", true},
	{".example.com", "www.example.com", true},
	{".example.com", "wwwexample.com", false},
	{"*.example.com", "www.example.com", true},
	{"example.com.", "www.example.com", true},
	{"example.com", "www.example.com.", true},
	{"a b\tc ,  d", "c", true},
	{"a b\tc ,  d", "d", true},
	{" , ,", "d", false},
	{".", "d", false},
	{"example.com:80", "example.com", true},
	{"example.com:8080", "example.com", false},
	{"example.com:8080", "example.com:8080", true},
	{".example.com:8080", "www.example.com:8080", true},
	{"example.com:80x", "example.com", false},
	{"127.0.0.1", "127.0.0.1", true},
	{"127.0.0.1:80", "127.0.0.1", true},
	{"127.0.0.1:81", "127.0.0.1", false},
	{"0.0.1", "127.0.0.1", false},
	{"10.0.0.0/8", "10.9.8.7", true},
	{"10.0.0.0/8", "11.9.8.7", false},
	{"192.168.16.0/20", "192.168.31.255", true},
	{"192.168.16.0/20", "192.168.32.0", false},
	{"0.0.0.0/0", "192.0.2.1", true},
	{"0.0.0.0/0", "[::1]", false},
	{"10.0.0.0/33", "10.0.0.0", false},
	{"10.0.0.0/", "10.0.0.0", false},
	{"10.0.0.0/8x", "10.0.0.0", false},
	{"example.com/8", "example.com", false},
	{"::1", "[::1]", true},
	{"[::1]", "[0:0::1]", true},
	{"[::1]:80", "[::1]", true},
	{"[::1]:81", "[::1]", false},
	{"2001:db8::/32", "[2001:db8:ffff::1]", true},
	{"2001:db8::/33", "[2001:db8:ffff::1]", false},
};

START_TEST(exceptions)
{
	const struct exception_case *expected = &exception_cases[_i];
	char text[128];
	struct error error;
	struct url url;

	clearenv();
	setenv("all_proxy", "p:1", 1);
	setenv("no_proxy", expected->list, 1);
	snprintf(text, sizeof(text), "ws://%s/", expected->host);
	ck_assert(url_parse(&url, text, &error));
	ck_assert_int_eq(proxy_from_environment(&url) == NULL, expected->excepted);
	url_release(&url);
}
END_TEST

/* Bytes with a length, as they hold zeroes. */
struct bytes {
	const char *data;
	size_t length;
};
#define BYTES(text)                                                                                \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

struct tunnel_case {
	const char *proxy;
	const char *target;
	struct bytes sent;     /* all that the client says */
	struct bytes received; /* all that the proxy says */
	const char *error;     /* NULL: open */
	bool closed;           /* the error comes only when the proxy closes */
};

#define CONNECT  "CONNECT t:443 HTTP/1.1\r\nHost: t:443\r\n\r\n"
#define GREETING "\5\1\0"

static const struct tunnel_case tunnel_cases[] = {
	{"http://p", "wss://t/", BYTES(CONNECT), BYTES("HTTP/1.1 200 OK\r\n\r\n"), NULL, false},
	{"http://p", "wss://t/", BYTES(CONNECT), BYTES("HTTP/1.0 299\nContent-Length: 5\n\n"), NULL,
		false},
	{"http://p", "wss://t/", BYTES(CONNECT),
		BYTES("HTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nVia: p\r\n\r\n"), NULL,
		false},
	{"http://p", "ws://t:81/", BYTES("CONNECT t:81 HTTP/1.1\r\nHost: t:81\r\n\r\n"),
		BYTES("HTTP/1.1 200 OK\r\n\r\n"), NULL, false},
	{"http://p", "wss://[2001:db8::1]/",
		BYTES("CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"),
		BYTES("HTTP/1.1 200 OK\r\n\r\n"), NULL, false},
	{"http://ann:pass@p", "wss://t/",
		BYTES("CONNECT t:443 HTTP/1.1\r\nHost: t:443\r\n"
		      "Proxy-Authorization: Basic YW5uOnBhc3M=\r\n\r\n"),
		BYTES("HTTP/1.1 200 OK\r\n\r\n"), NULL, false},
	{"http://p", "wss://t/", BYTES(CONNECT),
		BYTES("HTTP/1.1 403 Filtered\r\nContent-Length: 78\r\n\r\n"
		      "<style>a{}</style><body >\n<html>\n<h1>No\tway,</h1> "
		      "<b>\x1b[1m this</b> host</html>"),
		"it refused the tunnel to t:443: 403 Filtered: No way, ?[1m this host", false},
	{"http://p", "wss://t/", BYTES(CONNECT),
		BYTES("HTTP/1.1 502 Bad Gateway\r\ncontent-length:0\r\n\r\n"),
		"it refused the tunnel to t:443: 502 Bad Gateway", false},
	{"http://p", "wss://t/", BYTES(CONNECT),
		BYTES("HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\nTry lat"),
		"it refused the tunnel to t:443: 503 Busy: Try lat", true},
	{"http://p", "wss://t/", BYTES(CONNECT),
		BYTES("HTTP/1.1 102 Processing\n\nHTTP/1.1 502 No\nContent-Length: 0\n\n"),
		"it refused the tunnel to t:443: 502 No", false},
	{"http://p", "wss://t/", BYTES(CONNECT),
		BYTES("HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n"),
		"it refused the tunnel to t:443: 101 Switching Protocols", false},
	{"http://p", "wss://t/", BYTES(CONNECT), BYTES("HTTP/1.1 301 Moved\r\n\r\n"),
		"it refused the tunnel to t:443: 301 Moved", true},
	{"http://p", "wss://t/", BYTES(CONNECT),
		BYTES("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n"
		      "Proxy-Authenticate:  Basic realm=\"x\"\r\n\r\n"),
		"it wants a user name and password: 407 Proxy Authentication Required "
		"(Proxy-Authenticate: Basic realm=\"x\")",
		false},
	{"http://a:b@p", "wss://t/",
		BYTES("CONNECT t:443 HTTP/1.1\r\nHost: t:443\r\n"
		      "Proxy-Authorization: Basic YTpi\r\n\r\n"),
		BYTES("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"),
		"it does not accept the user name and password: 407 No", false},
	{"http://a:b@p", "wss://t/",
		BYTES("CONNECT t:443 HTTP/1.1\r\nHost: t:443\r\n"
		      "Proxy-Authorization: Basic YTpi\r\n\r\n"),
		BYTES("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
		"it does not accept the user name and password: 401 Unauthorized", false},
	{"http://p", "wss://t/", BYTES(CONNECT), BYTES("SSH-2.0-x\r\n"),
		"its response is not HTTP/1.1: \"S", false},
	{"http://p", "wss://t/", BYTES(CONNECT), BYTES("HTTP/2 200 OK\r\n\r\n"),
		"its response is not HTTP/1.1: \"HTTP/2", false},
	{"http://p", "wss://t/", BYTES(CONNECT), BYTES("HTTP/1.1 20 OK\r\n\r\n"),
		"its response has an invalid status line: \"HTTP/1.1 20 OK\"", false},
	{"http://p", "wss://t/", BYTES(CONNECT), BYTES("HTTP/1.1\r\n\r\n"),
		"its response has an invalid status line: \"HTTP/1.1\"", false},
	{"http://p", "wss://t/", BYTES(CONNECT), BYTES("HTTP/1.1 200 OK\r\n"),
		"it closed the connection before the tunnel to t:443 was open", true},
	{"http://p", "wss://t/", BYTES(CONNECT), BYTES(""),
		"it closed the connection before the tunnel to t:443 was open", true},

	{"socks5://p", "wss://t/", BYTES(GREETING "\5\1\0\3\1t\1\xbb"),
		BYTES("\5\0\5\0\0\1\177\0\0\1\1\2"), NULL, false},
	{"socks5://p", "ws://192.0.2.1/", BYTES(GREETING "\5\1\0\1\300\0\2\1\0\120"),
		BYTES("\5\0\5\0\0\3\4name\1\2"), NULL, false},
	{"socks5h://p", "ws://[2001:db8::1]/",
		BYTES(GREETING "\5\1\0\4\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\120"),
		BYTES("\5\0\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\1\2"), NULL, false},
	{"socks5://ann:pass@p", "wss://t/", BYTES("\5\2\0\2\1\3ann\4pass\5\1\0\3\1t\1\xbb"),
		BYTES("\5\2\1\0\5\0\0\1\0\0\0\0\0\0"), NULL, false},
	{"socks5://ann@p", "wss://t/", BYTES("\5\2\0\2\5\1\0\3\1t\1\xbb"),
		BYTES("\5\0\5\0\0\1\0\0\0\0\0\0"), NULL, false},
	{"socks5://ann@p", "wss://t/", BYTES("\5\2\0\2\1\3ann\0"), BYTES("\5\2\1\1"),
		"it does not accept the user name and password", false},
	{"socks5://p", "wss://t/", BYTES(GREETING), BYTES("\5\xff"),
		"it does not take a client without user name and password", false},
	{"socks5://a@p", "wss://t/", BYTES("\5\2\0\2"), BYTES("\5\xff"),
		"it takes neither a user name and password nor a client without", false},
	{"socks5://p", "wss://t/", BYTES(GREETING), BYTES("\5\2"),
		"it chose the authentication method 2, which was not offered", false},
	{"socks5://p", "wss://t/", BYTES(GREETING), BYTES("HTTP/1.1 400 Bad\r\n"),
		"its response is not SOCKS5: is it an HTTP proxy?", false},
	{"socks5://p", "wss://t/", BYTES(GREETING "\5\1\0\3\1t\1\xbb"), BYTES("\5\0\4\0"),
		"its response is not SOCKS5: is it an HTTP proxy?", false},
	{"socks5://p", "wss://t/", BYTES(GREETING "\5\1\0\3\1t\1\xbb"), BYTES("\5\0\5\2"),
		"it refused the tunnel to t:443: not allowed by its rules (reply 2)", false},
	{"socks5://p", "wss://t/", BYTES(GREETING "\5\1\0\3\1t\1\xbb"), BYTES("\5\0\5\5"),
		"it refused the tunnel to t:443: connection refused (reply 5)", false},
	{"socks5://p", "wss://t/", BYTES(GREETING "\5\1\0\3\1t\1\xbb"), BYTES("\5\0\5\xf0"),
		"it refused the tunnel to t:443: unknown reason (reply 240)", false},
	{"socks5://p", "wss://t/", BYTES(GREETING "\5\1\0\3\1t\1\xbb"), BYTES("\5\0\5\0\0\7\0"),
		"its reply has an address of the unknown type 7", false},
	{"socks5://p", "wss://t/", BYTES(GREETING "\5\1\0\3\1t\1\xbb"), BYTES("\5\0\5\0\0\1\0"),
		"it closed the connection before the tunnel to t:443 was open", true},
};

struct conversation {
	struct proxy proxy;
	struct url url;
	struct tunnel tunnel;
	struct error error;
};

static bool conversation_start(struct conversation *talk, const char *proxy, const char *url)
{
	ck_assert_msg(proxy_parse(&talk->proxy, proxy, &talk->error), "%s", talk->error.text);
	ck_assert(url_parse(&talk->url, url, &talk->error));
	return tunnel_start(&talk->tunnel, &talk->proxy, &talk->url, &talk->error);
}

static void conversation_stop(struct conversation *talk)
{
	tunnel_release(&talk->tunnel);
	proxy_release(&talk->proxy);
	url_release(&talk->url);
}

/* In pieces of this size, and with bytes of the target behind, of which none may be taken. */
static void run_tunnel(const struct tunnel_case *expected, size_t step)
{
	static const char target_bytes[] = "\26\3\1";
	enum tunnel_status status = TUNNEL_MORE;
	struct conversation talk;
	char input[512];
	size_t length = expected->received.length, total = 0, used, piece;

	memcpy(input, expected->received.data, length);
	if (!expected->error) {
		memcpy(input + length, target_bytes, 3);
		length += 3;
	}
	ck_assert(conversation_start(&talk, expected->proxy, expected->target));
	while (total < length && status == TUNNEL_MORE) {
		piece = step < length - total ? step : length - total;
		status = tunnel_receive(&talk.tunnel, input + total, piece, &used, &talk.error);
		ck_assert(status == TUNNEL_OPEN || used == piece);
		total += used;
	}
	if (expected->closed) {
		ck_assert_int_eq(status, TUNNEL_MORE);
		tunnel_closed(&talk.tunnel, &talk.error);
	} else {
		ck_assert_int_eq(status, expected->error ? TUNNEL_FAILED : TUNNEL_OPEN);
	}
	if (expected->error) {
		assert_error_text(talk.error.text, expected->error);
		ck_assert_str_eq(talk.error.name, ERROR_SOCKET_CONNECT);
	} else {
		ck_assert_uint_eq(total, expected->received.length);
	}
	ck_assert_uint_eq(talk.tunnel.out.length, expected->sent.length);
	ck_assert_mem_eq(buffer_data(&talk.tunnel.out), expected->sent.data, expected->sent.length);
	conversation_stop(&talk);
}

START_TEST(conversations)
{
	const struct tunnel_case *expected = &tunnel_cases[_i];

	for (size_t step = 1; step <= 16; step++)
		run_tunnel(expected, step);
	run_tunnel(expected, 512);
}
END_TEST

/* What never ends is not waited for. */
START_TEST(endless)
{
	static const char *const starts[] = {
		"HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 403 No\r\n\r\n<p>", "HTTP/1.1 100 Go\r\n\r\n"};
	static const char *const errors[] = {
		"its response has a head longer than 8192 bytes",
		"it refused the tunnel to t:443: 403 No: ",
		"its response follows more than 16 interim responses",
	};
	enum tunnel_status status;
	struct conversation talk;
	size_t used, total = 0;

	ck_assert(conversation_start(&talk, "http://p", "wss://t/"));
	status = tunnel_receive(&talk.tunnel, starts[_i], strlen(starts[_i]), &used, &talk.error);
	while (status == TUNNEL_MORE && total++ < 10000)
		status = _i == 2 ? tunnel_receive(&talk.tunnel, starts[2], strlen(starts[2]), &used,
					   &talk.error)
				 : tunnel_receive(&talk.tunnel, "x", 1, &used, &talk.error);
	ck_assert_int_eq(status, TUNNEL_FAILED);
	if (_i == 1) { /* as much of the body as the text takes */
		ck_assert_mem_eq(talk.error.text, errors[1], strlen(errors[1]));
		ck_assert_uint_eq(strlen(talk.error.text), strlen(errors[1]) + 199);
	} else {
		ck_assert_str_eq(talk.error.text, errors[_i]);
	}
	conversation_stop(&talk);
}
END_TEST

START_TEST(logins)
{
	static const char *const proxies[] = {"socks5://p", "socks5://p", "socks5://p", "http://p"};
	static const char *const errors[] = {
		"a user name for SOCKS5 has 1 to 255 bytes",
		"a user name for SOCKS5 has 1 to 255 bytes",
		"a password for SOCKS5 has at most 255 bytes",
		"the user name for a proxy must not have a ':'",
	};
	struct conversation talk;
	char longest[257] = "";

	memset(longest, 'x', 256);
	ck_assert(conversation_start(&talk, proxies[_i], "wss://t/"));
	tunnel_release(&talk.tunnel);
	proxy_set_login(&talk.proxy, (const char *[]){"", longest, "ann", "a:b"}[_i], "first");
	proxy_set_login(&talk.proxy, NULL, _i == 2 ? longest : NULL);
	ck_assert(!tunnel_start(&talk.tunnel, &talk.proxy, &talk.url, &talk.error));
	ck_assert_str_eq(talk.error.text, errors[_i]);
	conversation_stop(&talk);
}
END_TEST

/* As from files: the user of the URL stays, the password is another one. */
START_TEST(password_of_its_own)
{
	static const char expected[] = "Proxy-Authorization: Basic YW5uOnBhc3M=\r\n\r\n";
	struct conversation talk;

	ck_assert(conversation_start(&talk, "http://ann:old@p", "wss://t/"));
	tunnel_release(&talk.tunnel);
	proxy_set_login(&talk.proxy, NULL, "pass");
	ck_assert(tunnel_start(&talk.tunnel, &talk.proxy, &talk.url, &talk.error));
	ck_assert_uint_ge(talk.tunnel.out.length, sizeof(expected) - 1);
	ck_assert_mem_eq(buffer_data(&talk.tunnel.out) + talk.tunnel.out.length -
			(sizeof(expected) - 1),
		expected, sizeof(expected) - 1);
	conversation_stop(&talk);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

TCase *test_net_proxy(void)
{
	TCase *tests = tcase_create("proxy");

	tcase_add_loop_test(tests, good_proxy, 0, COUNT(good_proxies));
	tcase_add_loop_test(tests, bad_proxy, 0, COUNT(bad_proxies));
	tcase_add_loop_test(tests, environment, 0, COUNT(environment_cases));
	tcase_add_loop_test(tests, exceptions, 0, COUNT(exception_cases));
	tcase_add_loop_test(tests, conversations, 0, COUNT(tunnel_cases));
	tcase_add_loop_test(tests, endless, 0, 3);
	tcase_add_loop_test(tests, logins, 0, 4);
	tcase_add_test(tests, password_of_its_own);
	return tests;
}
