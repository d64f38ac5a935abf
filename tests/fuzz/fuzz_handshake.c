/*
 * The server's response to the opening handshake, and a request with the headers of whatever it
 * sent, which must not be torn apart. fuzz_http is for the parser itself.
 *
 * Input: the server's bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ws/handshake.h"

static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* An error's text is for a log: printable, and one line. */
static void check_error(const struct error *error)
{
	require(error->name && *error->text);
	for (const char *c = error->text; *c; c++)
		require(*c >= 0x20 && *c < 0x7F);
}

static void check_answer(const struct http_head *response)
{
	static const char *const protocols[] = {"chat", "v1.json"};
	static const struct ws_deflate_parameters offer = {
		.client_max_window_bits = 12,
		.server_max_window_bits = 15,
	};
	const struct ws_request request = {
		.host = "example.com",
		.resource = "/",
		.protocols = protocols,
		.protocol_count = 2,
		.deflate = &offer,
	};
	struct ws_agreement agreement;
	struct error error;

	if (!ws_handshake_check(response, &request, key, &agreement, &error)) {
		check_error(&error);
		return;
	}
	require(response->status == 101);
	if (agreement.deflate)
		require(agreement.deflate_parameters.client_max_window_bits >= 8 &&
			agreement.deflate_parameters.client_max_window_bits <= 12 &&
			agreement.deflate_parameters.server_max_window_bits >= 8 &&
			agreement.deflate_parameters.server_max_window_bits <= 15);
}

/* The server's headers as the user's: the request has a line for each, and ends where it should. */
static void check_request(const struct http_head *response)
{
	struct http_field field = {0};
	struct header_list headers = {0};
	struct ws_request request = {.host = "example.com", .resource = "/"};
	size_t lines = 0, hosts = 0;
	struct buffer out = {0};
	struct error error;

	while (http_head_next(response, &field)) {
		header_list_add(&headers, field.name, field.value);
		hosts += strcasecmp(field.name, "Host") == 0;
	}
	request.headers = headers.items;
	request.header_count = headers.count;
	if (!ws_handshake_request(&out, &request, key, &error)) {
		require(out.length == 0);
		check_error(&error);
		header_list_release(&headers);
		return;
	}
	for (size_t i = 0; i < out.length; i++)
		lines += out.memory[i] == '\n';
	require(lines == (hosts ? 6U : 7U) + headers.count);
	require(memcmp(out.memory + out.length - 4, "\r\n\r\n", 4) == 0);
	buffer_release(&out);
	header_list_release(&headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head response = {0};
	struct error error;
	size_t used;

	if (ws_handshake_parse(&response, data, size, &used, &error) == HTTP_HEAD_DONE) {
		check_answer(&response);
		check_request(&response);
	}
	http_head_release(&response);
	return 0;
}
