#include "test_gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "gateway/cookies.h"

#define NOW 1000000000 /* seconds: 2001-09-09 01:46:40 */

static struct cookies cookies;

static void teardown(void)
{
	cookies_release(&cookies);
}

static struct url parse(const char *text)
{
	struct url url = {0};
	struct error error;

	ck_assert_msg(url_parse(&url, text, &error), "%s", error.text);
	return url;
}

/* Lines that a server sets, with '\n' between them; NULL: none. */
static void set_at(const char *from, const char *lines, uint64_t seconds)
{
	static const struct http_rules rules = {
		.kind = HTTP_RESPONSE,
		.subject = "it",
		.error = "",
		.bytes_max = 65535,
	};
	struct url url = parse(from);
	struct http_head head = {0};
	struct error error;
	char text[65536];
	size_t used, length;

	length = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 302 Found\r\n");
	while (lines && *lines) {
		size_t line = strcspn(lines, "\n");

		length += (size_t)snprintf(text + length, sizeof(text) - length,
			"Set-cookie: %.*s\r\n", (int)line, lines);
		lines += line + (lines[line] != '\0');
	}
	length += (size_t)snprintf(text + length, sizeof(text) - length, "\r\n");
	ck_assert_msg(http_head_parse(&head, &rules, text, length, &used, &error) == HTTP_HEAD_DONE,
		"%s", error.text);
	cookies_take(&cookies, &url, &head, seconds * CLOCK_NS_PER_SECOND);
	http_head_release(&head);
	url_release(&url);
}

static void assert_sent_at(const char *to, const char *own, const char *expected, uint64_t seconds)
{
	struct url url = parse(to);
	char *header = cookies_header(&cookies, &url, own, seconds * CLOCK_NS_PER_SECOND);

	if (expected)
		ck_assert_msg(header && strcmp(header, expected) == 0, "to %s: %.200s", to,
			header ? header : "nothing");
	else
		ck_assert_msg(!header, "to %s: %.200s", to, header);
	alloc_wipe(header);
	url_release(&url);
}

static const struct {
	const char *from;
	const char *set;
	const char *to;
	const char *sent; /* NULL: none */
} cases[] = {
	/* name and value (section 5.2) */
	{"ws://a.test/", "a=b", "ws://a.test/", "a=b"},
	{"ws://a.test/", " a = b ; x", "ws://a.test/", "a=b"},
	{"ws://a.test/", "a=\"b c\"", "ws://a.test/", "a=\"b c\""},
	{"ws://a.test/", "a=b=c", "ws://a.test/", "a=b=c"},
	{"ws://a.test/", "a=", "ws://a.test/", "a="},
	{"ws://a.test/", "a=b;", "ws://a.test/", "a=b"},
	{"ws://a.test/", "a", "ws://a.test/", NULL},
	{"ws://a.test/", "=b", "ws://a.test/", NULL},
	{"ws://a.test/", "; a=b", "ws://a.test/", NULL},
	{"ws://a.test/", "a=b\tc", "ws://a.test/", NULL},
	{"ws://a.test/", "a=b, c=d", "ws://a.test/", "a=b, c=d"},
	{"ws://a.test/", "a=1\nb=2\na=3", "ws://a.test/", "a=3; b=2"},
	{"ws://a.test/", "a=1\nA=2", "ws://a.test/", "a=1; A=2"},

	/* hosts (5.1.3, 5.3) */
	{"ws://a.test/", "a=b", "ws://A.TEST/", "a=b"},
	{"ws://a.test/", "a=b", "ws://a.test:81/", "a=b"},
	{"ws://a.test/", "a=b", "wss://a.test/", "a=b"},
	{"ws://a.test/", "a=b", "ws://b.a.test/", NULL},
	{"ws://a.test/", "a=b", "ws://b.test/", NULL},
	{"ws://a.test/", "a=b", "ws://xa.test/", NULL},
	{"ws://b.a.test/", "a=b; Domain=a.test", "ws://a.test/", "a=b"},
	{"ws://b.a.test/", "a=b; domain=.A.Test", "ws://c.a.test/", "a=b"},
	{"ws://a.test/", "a=b; Domain=a.test", "ws://b.a.test/", "a=b"},
	{"ws://a.test/", "a=b; Domain=a.test", "ws://xa.test/", NULL},
	{"ws://a.test/", "a=b; Domain=b.test", "ws://b.test/", NULL},
	{"ws://a.test/", "a=b; Domain=b.a.test", "ws://b.a.test/", NULL},
	{"ws://a.test/", "a=b; Domain=b.a.test", "ws://a.test/", NULL},
	{"ws://a.test/", "a=b; Domain=test", "ws://a.test/", NULL},
	{"ws://a.test/", "a=b; Domain=.test", "ws://b.test/", NULL},
	{"ws://a.test/", "a=b; Domain=.", "ws://a.test/", "a=b"},
	{"ws://a.test/", "a=b; Domain=", "ws://b.a.test/", NULL},
	{"ws://a.test/", "a=b; Domain=", "ws://a.test/", "a=b"},
	{"ws://a.test/", "a=b; Domain=b.test; Domain=a.test", "ws://x.a.test/", "a=b"},
	{"ws://localhost/", "a=b; Domain=localhost", "ws://localhost/", "a=b"},
	{"ws://localhost/", "a=b; Domain=localhost", "ws://b.localhost/", NULL},
	{"ws://127.0.0.1/", "a=b", "ws://127.0.0.1:81/", "a=b"},
	{"ws://127.0.0.1/", "a=b; Domain=127.0.0.1", "ws://127.0.0.1/", "a=b"},
	{"ws://127.0.0.1/", "a=b; Domain=0.0.1", "ws://127.0.0.1/", NULL},
	{"ws://127.0.0.1/", "a=b; Domain=127.0.0.1", "ws://1.127.0.0.1/", NULL},
	{"ws://[::1]/", "a=b", "ws://[::1]/", "a=b"},
	{"ws://[::1]/", "a=b; Domain=::1", "ws://[::1]/", "a=b"},
	{"ws+unix:///run/a.sock:/", "a=b", "ws+unix:///run/a.sock:/", "a=b"},

	/* paths (5.1.4) */
	{"ws://a.test/", "a=b; Path=/x", "ws://a.test/x", "a=b"},
	{"ws://a.test/", "a=b; Path=/x", "ws://a.test/x/y?q", "a=b"},
	{"ws://a.test/", "a=b; Path=/x", "ws://a.test/x?q", "a=b"},
	{"ws://a.test/", "a=b; Path=/x", "ws://a.test/xy", NULL},
	{"ws://a.test/", "a=b; Path=/x/", "ws://a.test/x", NULL},
	{"ws://a.test/", "a=b; Path=/x/", "ws://a.test/x/y", "a=b"},
	{"ws://a.test/", "a=b; Path=/x", "ws://a.test/?/x", NULL},
	{"ws://a.test/x/y", "a=b", "ws://a.test/x", "a=b"},
	{"ws://a.test/x/y", "a=b", "ws://a.test/x/z", "a=b"},
	{"ws://a.test/x/y", "a=b", "ws://a.test/y", NULL},
	{"ws://a.test/x?/y", "a=b", "ws://a.test/z", "a=b"},
	{"ws://a.test/x/y", "a=b; Path=z", "ws://a.test/x/", "a=b"},
	{"ws://a.test/x/y", "a=b; Path", "ws://a.test/z", NULL},
	{"ws://a.test/", "r=1\ns=2; Path=/x\nt=3\nu=4; Path=/x/y", "ws://a.test/x/y",
		"u=4; s=2; r=1; t=3"},

	/* Secure, and names with a prefix (6265bis, 4.1.3 and 5.7) */
	{"wss://a.test/", "a=b; Secure", "wss://a.test/", "a=b"},
	{"wss://a.test/", "a=b; secure=no", "ws://a.test/", NULL},
	{"ws://a.test/", "a=b; Secure", "wss://a.test/", NULL},
	{"wss://a.test/", "__Secure-a=b", "wss://a.test/", NULL},
	{"wss://a.test/", "__Secure-a=b; Secure", "wss://a.test/", "__Secure-a=b"},
	{"wss://a.test/", "__Host-a=b; Secure; Path=/", "wss://a.test/", "__Host-a=b"},
	{"wss://a.test/", "__host-a=b; Secure; Path=/; Domain=a.test", "wss://a.test/", NULL},
	{"wss://a.test/x/", "__Host-a=b; Secure", "wss://a.test/x/", NULL},

	/* expiry */
	{"ws://a.test/", "a=b; Max-Age=1", "ws://a.test/", "a=b"},
	{"ws://a.test/", "a=b; Max-Age=0", "ws://a.test/", NULL},
	{"ws://a.test/", "a=b; Max-Age=-1", "ws://a.test/", NULL},
	{"ws://a.test/", "a=b; Max-Age=1x", "ws://a.test/", "a=b"},
	{"ws://a.test/", "a=b; Max-Age=99999999999999999999", "ws://a.test/", "a=b"},
	{"ws://a.test/", "a=b; Max-Age=0; Expires=Sun, 09 Sep 2001 02:00:00 GMT", "ws://a.test/",
		NULL},
	{"ws://a.test/", "a=b; Expires=Sun, 09 Sep 2001 01:00:00 GMT; Max-Age=5", "ws://a.test/",
		"a=b"},
	{"ws://a.test/", "a=b; Expires=Sun, 09 Sep 2001 01:46:41 GMT", "ws://a.test/", "a=b"},
	{"ws://a.test/", "a=b; Expires=Sun, 09 Sep 2001 01:46:40 GMT", "ws://a.test/", NULL},
	{"ws://a.test/", "a=b; Expires=never", "ws://a.test/", "a=b"},
	{"ws://a.test/", "a=b\na=c; Max-Age=0", "ws://a.test/", NULL},
	{"ws://a.test/", "a=b\na=c; Max-Age=0; Path=/x", "ws://a.test/", "a=b"},
};

START_TEST(sent_where_it_belongs)
{
	set_at(cases[_i].from, cases[_i].set, NOW);
	assert_sent_at(cases[_i].to, NULL, cases[_i].sent, NOW);
}
END_TEST

static const struct {
	const char *text;
	int64_t seconds; /* -1: it is none */
} dates[] = {
	{"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
	{"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
	{"Sun Nov  6 08:49:37 1994", 784111777},
	{"1994 NOVEMBER 8:49:37 6th", 784111777},
	{"06-Nov-69 00:00:00", 3150921600},
	{"Thu, 01 Jan 1970 00:00:01 GMT", 1},
	{"Sun, 06 Nov 1994 24:49:37 GMT", -1},
	{"Sun, 06 Nov 1994 08:60:37 GMT", -1},
	{"Sun, 32 Nov 1994 08:49:37 GMT", -1},
	{"Sun, 06 Nov 1500 08:49:37 GMT", -1},
	{"Sun, 06 Nov 08:49:37 GMT", -1},
	{"06 Nov 1994", -1},
	{"", -1},
};

START_TEST(dates_are_lenient)
{
	int64_t seconds = -1;

	ck_assert(cookies_parse_date(dates[_i].text, &seconds) == (dates[_i].seconds != -1));
	ck_assert_int_eq(seconds, dates[_i].seconds);
}
END_TEST

/* Those of the settings come first, and hide those of the server. */
START_TEST(beside_those_of_the_settings)
{
	set_at("ws://a.test/", "a=1\nb=2", NOW);
	assert_sent_at("ws://a.test/", "c=3", "c=3; a=1; b=2", NOW);
	assert_sent_at("ws://a.test/", "x=y; b = 3", "x=y; b = 3; a=1", NOW);
	assert_sent_at("ws://a.test/", "a=3;b=4", NULL, NOW);
	assert_sent_at("ws://b.test/", "c=3", NULL, NOW);
}
END_TEST

START_TEST(they_end)
{
	set_at("ws://a.test/", "a=b; Max-Age=10\nc=d", NOW);
	assert_sent_at("ws://a.test/", NULL, "a=b; c=d", NOW + 9);
	assert_sent_at("ws://a.test/", NULL, "c=d", NOW + 10);
	set_at("ws://a.test/", NULL, NOW + 10);
	assert_sent_at("ws://a.test/", NULL, "c=d", NOW);
	cookies_release(&cookies);
	assert_sent_at("ws://a.test/", NULL, NULL, NOW);
}
END_TEST

/* A server without TLS, or somebody on the way to it, cannot put its own in the place of one. */
START_TEST(secure_ones_are_protected)
{
	set_at("wss://a.test/", "a=good; Secure; Domain=a.test", NOW);
	set_at("ws://b.a.test/", "a=bad; Domain=a.test", NOW);
	set_at("ws://a.test/", "a=bad", NOW);
	set_at("ws://a.test/", "a=; Max-Age=0; Domain=a.test", NOW);
	assert_sent_at("wss://a.test/", NULL, "a=good", NOW);
	set_at("wss://a.test/", "a=better; Domain=a.test", NOW);
	assert_sent_at("ws://a.test/", NULL, "a=better", NOW);
}
END_TEST

START_TEST(bounded)
{
	static char line[COOKIE_BYTES_MAX + 100];
	char expected[64];
	int count = 0;
	char *header;
	struct url url = parse("ws://a.test/");

	for (int i = 0; i < 3 * COOKIES_MAX; i++) {
		snprintf(line, sizeof(line), "c%03d=1", i);
		set_at("ws://a.test/", line, NOW);
	}
	header = cookies_header(&cookies, &url, NULL, NOW * CLOCK_NS_PER_SECOND);
	for (const char *c = header; (c = strchr(c, '=')); c++)
		count++;
	ck_assert_int_eq(count, COOKIES_MAX);
	snprintf(expected, sizeof(expected), "c%03d=1; ", 2 * COOKIES_MAX);
	ck_assert_int_eq(strncmp(header, expected, strlen(expected)), 0);
	alloc_wipe(header);
	cookies_release(&cookies);

	memset(line, 'x', COOKIE_BYTES_MAX + 1);
	line[1] = '=';
	line[COOKIE_BYTES_MAX + 1] = '\0';
	set_at("ws://a.test/", line, NOW);
	assert_sent_at("ws://a.test/", NULL, line, NOW);
	line[COOKIE_BYTES_MAX + 1] = 'x';
	line[0] = 'y';
	set_at("ws://a.test/", line, NOW);
	line[COOKIE_BYTES_MAX + 1] = '\0';
	line[0] = 'x';
	assert_sent_at("ws://a.test/", NULL, line, NOW);

	for (char name = 'a'; name <= 'h'; name++) {
		line[0] = name;
		set_at("ws://a.test/", line, NOW);
	}
	header = cookies_header(&cookies, &url, NULL, NOW * CLOCK_NS_PER_SECOND);
	ck_assert_uint_le(strlen(header), 8192);
	alloc_wipe(header);
	count = 0;
	for (char name = 'a'; name <= 'h'; name++) {
		char own[32] = "";

		for (char other = 'a'; other <= 'h'; other++) {
			if (other != name)
				snprintf(own + strlen(own), sizeof(own) - strlen(own), "%c=;",
					other);
		}
		header = cookies_header(&cookies, &url, own, NOW * CLOCK_NS_PER_SECOND);
		count += header != NULL;
		alloc_wipe(header);
	}
	ck_assert_int_eq(count, 3);
	url_release(&url);
}
END_TEST

Suite *cookies_suite(void)
{
	Suite *suite = suite_create("cookies");
	TCase *tests = tcase_create("cookies");

	tcase_add_checked_fixture(tests, NULL, teardown);
	tcase_add_loop_test(tests, sent_where_it_belongs, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(tests, dates_are_lenient, 0, sizeof(dates) / sizeof(dates[0]));
	tcase_add_test(tests, beside_those_of_the_settings);
	tcase_add_test(tests, they_end);
	tcase_add_test(tests, secure_ones_are_protected);
	tcase_add_test(tests, bounded);
	suite_add_tcase(suite, tests);
	return suite;
}
