#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "test_ws.h"
#include "ws/extension.h"
#include "ws/handshake.h"

#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define OPEN   "HTTP/1.1 101 Switching Protocols\r\n"
#define UP     "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static const char *const protocols[] = {"chat", "superchat"};

static const struct ws_deflate_parameters offer = {
	.client_max_window_bits = 15,
	.server_max_window_bits = 15,
};

static const struct ws_request simple = {.host = "server.example.com", .resource = "/chat"};

static const struct ws_request demanding = {
	.host = "server.example.com",
	.resource = "/chat",
	.protocols = protocols,
	.protocol_count = COUNT_OF(protocols),
	.deflate = &offer,
};

static char *request_text(const struct ws_request *request, struct error *error)
{
	struct buffer out = {0};

	if (!ws_handshake_request(&out, request, KEY, error)) {
		ck_assert_ptr_null(out.memory);
		return NULL;
	}
	buffer_append(&out, "", 1);
	return (char *)out.memory;
}

START_TEST(request_plain)
{
	struct error error;
	char *text = request_text(&simple, &error);

	ck_assert_str_eq(text,
		"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
		"Sec-WebSocket-Version: 13\r\n\r\n");
	free(text);
}
END_TEST

START_TEST(request_with_everything)
{
	static const struct header headers[] = {
		{"X-Api-Key", "k"}, {"user-agent", "mine/1"}, {"Cookie", "a=1"}, {"Cookie", "b=2"}};
	struct ws_request request = demanding;
	struct error error;
	char *text;

	request.headers = headers;
	request.header_count = COUNT_OF(headers);
	request.user_agent = "wsgated/0";
	request.origin = "https://example.com";
	request.authorization = "Bearer t";
	text = request_text(&request, &error);
	ck_assert_str_eq(text,
		"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\n"
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
		"Origin: https://example.com\r\nAuthorization: Bearer t\r\nX-Api-Key: k\r\n"
		"user-agent: mine/1\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n");
	free(text);
}
END_TEST

static const struct {
	struct header header;
	const char *error;
} bad_headers[] = {
	{{"", "x"}, "'' is not a header name"},
	{{"A b", "x"}, "'A b' is not a header name"},
	{{"A:", "x"}, "'A:' is not a header name"},
	{{"A\r\nB", "x"}, "'A??B' is not a header name"},
	{{"\xc3\xa4", "x"}, "'?\?' is not a header name"},
	{{"A", "secret\r\nB: c"}, "the value of the header 'A' has a control character"},
	{{"A", "secret\n"}, "the value of the header 'A' has a control character"},
	{{"A", "\x01"}, "the value of the header 'A' has a control character"},
	{{"A", "\x7f"}, "the value of the header 'A' has a control character"},
	{{"upgrade", "h2c"}, "the header 'upgrade' belongs to the handshake and cannot be set"},
	{{"Sec-WebSocket-Key", "x"},
		"the header 'Sec-WebSocket-Key' belongs to the handshake and cannot be set"},
	{{"Content-Length", "1"},
		"the header 'Content-Length' belongs to the handshake and cannot be set"},
};

START_TEST(request_refuses_header)
{
	for (size_t i = 0; i < COUNT_OF(bad_headers); i++) {
		struct ws_request request = simple;
		struct error error;

		request.headers = &bad_headers[i].header;
		request.header_count = 1;
		ck_assert_ptr_null(request_text(&request, &error));
		ck_assert_str_eq(error.name, ERROR_WEBSOCKET);
		ck_assert_str_eq(error.text, bad_headers[i].error);
	}
}
END_TEST

START_TEST(request_refuses)
{
	static const char *const twice[] = {"a", "a"};
	static const char *const no_token[] = {"a b"};
	static const struct {
		struct ws_request request;
		const char *error;
	} cases[] = {
		{{.host = "h\r\nX: y", .resource = "/"},
			"host: must be a host with or without a port such as \"example.com:8443\""},
		{{.host = "", .resource = "/"}, "host: must not be empty"},
		{{.host = "h", .resource = "/a b"},
			"the path '/a b' has a character that must be percent-encoded"},
		{{.host = "h", .resource = "/\r\nX: y"},
			"the path '/??X: y' has a character that must be percent-encoded"},
		{{.host = "h", .resource = "a"}, "the path 'a' does not begin with '/'"},
		{{.host = "h", .resource = "/", .user_agent = "a\nb"},
			"the value of the header 'User-Agent' has a control character"},
		{{.host = "h", .resource = "/", .origin = "a\nb"},
			"the value of the header 'Origin' has a control character"},
		{{.host = "h", .resource = "/", .authorization = "secret\n"},
			"the value of the header 'Authorization' has a control character"},
		{{.host = "h", .resource = "/", .protocols = twice, .protocol_count = 2},
			"subprotocols 1 and 2 are the same"},
		{{.host = "h", .resource = "/", .protocols = no_token, .protocol_count = 1},
			"subprotocol 1 must be a token: one word without separators"},
	};
	struct error error;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		ck_assert_ptr_null(request_text(&cases[i].request, &error));
		ck_assert_str_eq(error.text, cases[i].error);
	}
}
END_TEST

START_TEST(keys_are_fresh)
{
	char one[WS_KEY_SIZE], other[WS_KEY_SIZE];

	ws_handshake_key(one);
	ws_handshake_key(other);
	ck_assert_uint_eq(strlen(one), 24);
	ck_assert_str_eq(one + 22, "==");
	ck_assert_str_ne(one, other);
}
END_TEST

START_TEST(response_limits)
{
	struct http_head response = {0};
	struct buffer text = {0};
	struct error error;
	size_t used;

	buffer_append_text(&text, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 1000; i++)
		buffer_append_text(&text, "A: b\r\n");
	buffer_append_text(&text, "\r\n");
	ck_assert_int_eq(ws_handshake_parse(&response, buffer_data(&text), text.length, &used,
				 &error),
		HTTP_HEAD_DONE);
	ck_assert_uint_eq(http_head_count(&response), 1000);
	http_head_release(&response);

	buffer_clear(&text);
	buffer_append_text(&text, "HTTP/1.1 200 OK\r\nA: ");
	while (text.length < WS_RESPONSE_BYTES_MAX)
		buffer_append_text(&text, "x");
	ck_assert_int_eq(ws_handshake_parse(&response, buffer_data(&text), text.length, &used,
				 &error),
		HTTP_HEAD_INVALID);
	ck_assert_str_eq(error.text,
		"the server's HTTP response has a head longer than 32768 bytes");
	buffer_release(&text);
}
END_TEST

/* The error's text; NULL if the answer was taken. */
static const char *check_answer(const struct ws_request *request, const char *text,
	struct ws_agreement *agreement, struct error *error)
{
	struct http_head response = {0};
	bool good;
	size_t used;

	ck_assert_int_eq(ws_handshake_parse(&response, text, strlen(text), &used, error),
		HTTP_HEAD_DONE);
	good = ws_handshake_check(&response, request, KEY, agreement, error);
	http_head_release(&response);
	return good ? NULL : error->text;
}

START_TEST(answers_taken)
{
	static const char *const answers[] = {
		OPEN UP ACCEPT "\r\n",
		OPEN "upgrade: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n" ACCEPT "\r\n",
		OPEN "Upgrade: websocket\r\nConnection: close\r\nConnection: ,, Upgrade\r\n" ACCEPT
		     "\r\n",
		OPEN UP ACCEPT "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
		OPEN UP ACCEPT "Sec-WebSocket-Extensions:\r\nSec-WebSocket-Protocol:\r\n\r\n",
		OPEN UP ACCEPT "Sec-WebSocket-Extensions: \t , ,\r\n"
			       "Sec-WebSocket-Protocol: , ,\t\r\n\r\n",
		"HTTP/1.1 101\n" UP "X: a\n b\nno colon\nY : c\n\xff: d\n" ACCEPT "\n",
		"HTTP/1.1 103 Early Hints\r\nUpgrade: h2c\r\n\r\n" OPEN UP ACCEPT "\r\n",
	};
	struct ws_agreement agreement;
	struct error error;

	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		ck_assert_ptr_null(check_answer(&demanding, answers[i], &agreement, &error));
		ck_assert_ptr_null(agreement.protocol);
		ck_assert(!agreement.deflate);
	}
	ck_assert_ptr_null(check_answer(&demanding,
		OPEN UP ACCEPT "Sec-WebSocket-Protocol: superchat\r\n"
			       "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		&agreement, &error));
	ck_assert_ptr_eq(agreement.protocol, protocols[1]);
	ck_assert_uint_eq(agreement.protocol_number, 2);
	ck_assert(agreement.deflate);
	ck_assert_int_eq(agreement.deflate_parameters.server_max_window_bits, 15);
	ck_assert_ptr_null(check_answer(&demanding,
		OPEN UP ACCEPT "Sec-WebSocket-Protocol: ,\r\nSec-WebSocket-Protocol: , chat,\r\n"
			       "Sec-WebSocket-Extensions: ,, permessage-deflate ; "
			       "client_max_window_bits , \r\n"
			       "Sec-WebSocket-Extensions:\r\n\r\n",
		&agreement, &error));
	ck_assert_ptr_eq(agreement.protocol, protocols[0]);
	ck_assert(agreement.deflate);
}
END_TEST

static const struct {
	const char *answer;
	const char *error;
} refused[] = {
	{"HTTP/1.1 403 Forbidden\r\n\r\n",
		"the server answered 403 Forbidden instead of 101 Switching Protocols"},
	{"HTTP/1.1 500\r\n\r\n", "the server answered 500 instead of 101 Switching Protocols"},
	{"HTTP/1.0 101 Switching Protocols\r\n" UP ACCEPT "\r\n",
		"the server switches protocols in HTTP/1.0"},
	{OPEN "Connection: Upgrade\r\n" ACCEPT "\r\n",
		"the server answered without the header Upgrade"},
	{OPEN "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
		"the server answered with \"Upgrade: h2c\" instead of \"websocket\""},
	{OPEN "Upgrade: websocket\r\n" UP ACCEPT "\r\n",
		"the server answered with the header Upgrade twice"},
	{OPEN "Upgrade: websocket\r\n" ACCEPT "\r\n",
		"the server answered without the header Connection"},
	{OPEN "Upgrade: websocket\r\nConnection: keep-alive, upgrades\r\n" ACCEPT "\r\n",
		"the server answered with \"Connection: keep-alive, upgrades\" without "
		"\"Upgrade\""},
	{OPEN UP "\r\n", "the server answered without the header Sec-WebSocket-Accept"},
	{OPEN UP ACCEPT ACCEPT "\r\n",
		"the server answered with the header Sec-WebSocket-Accept twice"},
	{OPEN UP "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
		"the server answered with \"Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\", "
		"which does not match the key that it was sent"},
	{OPEN UP ACCEPT "Sec-WebSocket-Protocol: Chat\r\n\r\n",
		"the server answered with a subprotocol that was not offered"},
	{OPEN UP ACCEPT "Sec-WebSocket-Protocol: chat, superchat\r\n\r\n",
		"the server answered with more than one subprotocol"},
	{OPEN UP ACCEPT "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
		"the server answered with more than one subprotocol"},
	{OPEN UP ACCEPT "Sec-WebSocket-Protocol: chat superchat\r\n\r\n",
		"the server answered with a subprotocol that was not offered"},
	{OPEN UP ACCEPT "Sec-WebSocket-Protocol: \"chat\"\r\n\r\n",
		"the server answered with a subprotocol that was not offered"},
	{OPEN UP ACCEPT "Sec-WebSocket-Protocol: chat\r\n ,\r\n\r\n",
		"the server answered with a subprotocol that was not offered"},
	{OPEN UP ACCEPT "Sec-WebSocket-Protocol : chat\r\n\r\n",
		"the server answered with a subprotocol that was not offered"},
	{OPEN UP ACCEPT "Sec-WebSocket-Extensions: ;\r\n\r\n",
		"the server answered with \"Sec-WebSocket-Extensions: ;\", which is not a list "
		"of extensions"},
	{OPEN UP ACCEPT "Sec-WebSocket-Extensions : permessage-deflate\r\n\r\n",
		"the server answered with \"Sec-WebSocket-Extensions: ?permessage-deflate\", "
		"which is not a list of extensions"},
	{OPEN UP ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n ;x\r\n\r\n",
		"the server answered with \"Sec-WebSocket-Extensions: permessage-deflate?;x\", "
		"which is not a list of extensions"},
	{OPEN "Upgrade:\r\n websocket\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
		"the server answered with \"Upgrade: ?websocket\" instead of \"websocket\""},
	{OPEN "Upgrade : websocket\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
		"the server answered with \"Upgrade: ?websocket\" instead of \"websocket\""},
	{OPEN "Upgrade: websocket\x01\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
		"the server answered with \"Upgrade: websocket?\" instead of \"websocket\""},
	{OPEN "Upgrade: websocket\r\nConnection : Upgrade\r\n" ACCEPT "\r\n",
		"the server answered with \"Connection: ?Upgrade\" without \"Upgrade\""},
	{OPEN "Upgrade: websocket\r\nConnection: keep-alive,\r\n Upgrade\r\n" ACCEPT "\r\n",
		"the server answered with \"Connection: keep-alive,?Upgrade\" without "
		"\"Upgrade\""},
	{OPEN UP "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n \r\n\r\n",
		"the server answered with \"Sec-WebSocket-Accept: "
		"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=?\", which does not match the key that it was "
		"sent"},
	{OPEN UP ACCEPT "Sec-WebSocket-Extensions: x-other\r\n\r\n",
		"the server answered with \"Sec-WebSocket-Extensions: x-other\", which was not "
		"offered"},
	{OPEN UP ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n"
			"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		"the server answered with \"Sec-WebSocket-Extensions: permessage-deflate\", but "
		"it may accept an extension only once"},
};

START_TEST(answers_refused)
{
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		struct ws_agreement agreement;
		struct error error;

		ck_assert_str_eq(check_answer(&demanding, refused[i].answer, &agreement, &error),
			refused[i].error);
		ck_assert_str_eq(error.name,
			strncmp(refused[i].answer + strlen("HTTP/1.1 "), "101", 3) == 0
				? ERROR_WEBSOCKET
				: ERROR_HTTP_RESPONSE);
	}
}
END_TEST

START_TEST(nothing_was_offered)
{
	struct ws_agreement agreement;
	struct error error;

	ck_assert_str_eq(check_answer(&simple,
				 OPEN UP ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n", &agreement,
				 &error),
		"the server answered with a subprotocol that was not offered");
	ck_assert_str_eq(check_answer(&simple,
				 OPEN UP ACCEPT
				 "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
				 &agreement, &error),
		"the server answered with \"Sec-WebSocket-Extensions: permessage-deflate\", which "
		"was not offered");
}
END_TEST

/* A hint for who does not know zlib. */
START_TEST(smallest_window)
{
	struct ws_deflate_parameters smallest = {15, 8, false, false};
	struct ws_request request = {.deflate = &smallest};
	struct ws_agreement agreement;
	struct error error;

	ck_assert_str_eq(check_answer(&request, "HTTP/1.1 400 Bad Request\r\n\r\n", &agreement,
				 &error),
		"the server answered 400 Bad Request instead of 101 Switching Protocols (maybe "
		"because it was offered window bits of 8)");
	smallest.server_max_window_bits = 9;
	ck_assert_str_eq(check_answer(&request, "HTTP/1.1 400 Bad Request\r\n\r\n", &agreement,
				 &error),
		"the server answered 400 Bad Request instead of 101 Switching Protocols");
}
END_TEST

START_TEST(extension_offers)
{
	static const struct {
		struct ws_deflate_parameters offer;
		const char *text;
	} offers[] = {
		{{15, 15, false, false}, "permessage-deflate; client_max_window_bits"},
		{{0, 15, false, false}, "permessage-deflate"},
		{{9, 8, true, true},
			"permessage-deflate; server_no_context_takeover; "
			"client_no_context_takeover; server_max_window_bits=8; "
			"client_max_window_bits=9"},
	};

	for (size_t i = 0; i < COUNT_OF(offers); i++) {
		struct buffer out = {0};

		ws_extension_offer(&out, &offers[i].offer);
		buffer_append(&out, "", 1);
		ck_assert_str_eq((const char *)buffer_data(&out), offers[i].text);
		buffer_release(&out);
	}
}
END_TEST

static const struct {
	struct ws_deflate_parameters offer;
	const char *parameters; /* of the answer */
	const char *error;      /* the end of its text; NULL: the answer is taken */
	struct ws_deflate_parameters agreed;
} negotiations[] = {
	{{15, 15, false, false}, "", NULL, {15, 15, false, false}},
	{{0, 15, false, false}, "", NULL, {15, 15, false, false}},
	{{12, 15, true, false}, "", NULL, {12, 15, true, false}},
	{{15, 15, false, false},
		" ; client_max_window_bits=10;server_max_window_bits=\"11\" ; "
		"client_no_context_takeover; Server_No_Context_Takeover ",
		NULL, {10, 11, true, true}},
	{{15, 12, false, true}, "; server_max_window_bits=8; server_no_context_takeover", NULL,
		{15, 8, false, true}},
	{{15, 15, false, false}, "; client_max_window_bits=8", NULL, {8, 15, false, false}},

	{{15, 15, false, false}, ",", NULL, {15, 15, false, false}},
	{{15, 15, false, false}, "; server_max_window_bits=15", NULL, {15, 15, false, false}},
	{{15, 15, false, false}, "; client_max_window_bits", NULL, {15, 15, false, false}},
	/* more than we want to use, or may */
	{{10, 15, false, false}, "; client_max_window_bits", NULL, {10, 15, false, false}},
	{{10, 15, false, false}, "; client_max_window_bits=11", NULL, {10, 15, false, false}},
	{{10, 15, false, false}, "; client_max_window_bits=9", NULL, {9, 15, false, false}},
	{{0, 15, false, false}, "; client_max_window_bits=10", NULL, {10, 15, false, false}},

	{{15, 10, false, false}, "; server_max_window_bits=11",
		"but a smaller server_max_window_bits was asked for", {0}},
	{{15, 10, false, false}, "", "but server_max_window_bits was asked for", {0}},
	{{15, 15, false, true}, "", "but server_no_context_takeover was asked for", {0}},
	{{15, 15, false, false}, ", permessage-deflate", "but it may accept an extension only once",
		{0}},
	{{15, 15, false, false}, ",,x-other", "which was not offered", {0}},
	{{15, 15, false, false}, " x", "which is not a list of extensions", {0}},
#define BAD(text)                                                                                  \
	{                                                                                          \
		{15, 15, false, false}, text, "which has an invalid parameter",                    \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}
	BAD("; unknown"),
	BAD(";"),
	BAD("; client_max_window_bits="),
	BAD("; client_max_window_bits=16"),
	BAD("; client_max_window_bits; client_max_window_bits"),
	BAD("; server_max_window_bits"),
	BAD("; server_max_window_bits="),
	BAD("; server_max_window_bits=7"),
	BAD("; server_max_window_bits=16"),
	BAD("; server_max_window_bits=08"),
	BAD("; server_max_window_bits=1x"),
	BAD("; server_max_window_bits=100"),
	BAD("; server_max_window_bits=\"10"),
	BAD("; server_max_window_bits=\"1\\0\""),
	BAD("; server_max_window_bits=10; server_max_window_bits=10"),
	BAD("; client_max_window_bits=10; client_max_window_bits=10"),
	BAD("; server_no_context_takeover=1"),
	BAD("; server_no_context_takeover; server_no_context_takeover"),
	BAD("; client_no_context_takeover; client_no_context_takeover"),
};

START_TEST(negotiates)
{
	for (size_t i = 0; i < COUNT_OF(negotiations); i++) {
		struct ws_deflate_parameters agreed;
		bool accepted = false;
		struct error error;
		char answer[256];
		bool good;

		strcpy(stpcpy(answer, "permessage-deflate"), negotiations[i].parameters);
		good = ws_extension_accept(answer, &negotiations[i].offer, &accepted, &agreed,
			&error);
		ck_assert_msg(good == !negotiations[i].error, "%s", answer);
		ck_assert(!good || accepted);
		if (!good) {
			ck_assert_msg(strstr(error.text, negotiations[i].error), "%s", error.text);
			continue;
		}
		ck_assert_int_eq(agreed.client_max_window_bits,
			negotiations[i].agreed.client_max_window_bits);
		ck_assert_int_eq(agreed.server_max_window_bits,
			negotiations[i].agreed.server_max_window_bits);
		ck_assert(agreed.client_no_context_takeover ==
			negotiations[i].agreed.client_no_context_takeover);
		ck_assert(agreed.server_no_context_takeover ==
			negotiations[i].agreed.server_no_context_takeover);
	}
}
END_TEST

Suite *suite_handshake(void)
{
	Suite *suite = suite_create("ws handshake");
	TCase *tcase = tcase_create("handshake");

	tcase_add_test(tcase, request_plain);
	tcase_add_test(tcase, request_with_everything);
	tcase_add_test(tcase, request_refuses_header);
	tcase_add_test(tcase, request_refuses);
	tcase_add_test(tcase, keys_are_fresh);
	tcase_add_test(tcase, response_limits);
	tcase_add_test(tcase, answers_taken);
	tcase_add_test(tcase, answers_refused);
	tcase_add_test(tcase, nothing_was_offered);
	tcase_add_test(tcase, smallest_window);
	tcase_add_test(tcase, extension_offers);
	tcase_add_test(tcase, negotiates);
	suite_add_tcase(suite, tcase);
	return suite;
}
