/*
 * The server's answer to the opening handshake, and the request built of whatever it said. The
 * outcome does not depend on the pieces that the answer arrives in, and no request is torn apart.
 *
 * Input: a byte with the size of the pieces, and then the server's bytes.
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

static enum ws_response_state parse(struct ws_response *response, const uint8_t *data, size_t size,
	size_t step, size_t *total)
{
	enum ws_response_state state = WS_RESPONSE_MORE;
	struct error error;

	*total = 0;
	while (*total < size && state == WS_RESPONSE_MORE) {
		size_t piece = step < size - *total ? step : size - *total;
		size_t used;

		state = ws_response_parse(response, data + *total, piece, &used, &error);
		require(used <= piece);
		*total += used;
	}
	if (state == WS_RESPONSE_INVALID)
		check_error(&error);
	return state;
}

static void check_same(const struct ws_response *one, const struct ws_response *other)
{
	require(one->status == other->status && strcmp(one->reason, other->reason) == 0);
	require(one->header_count == other->header_count);
	for (size_t i = 0; i < one->header_count; i++) {
		require(strcmp(one->headers[i].name, other->headers[i].name) == 0);
		require(strcmp(one->headers[i].value, other->headers[i].value) == 0);
	}
}

static void check_answer(const struct ws_response *response)
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
static void check_request(const struct ws_response *response)
{
	const struct ws_request request = {
		.host = "example.com",
		.resource = "/",
		.headers = response->headers,
		.header_count = response->header_count,
	};
	size_t lines = 0, hosts = 0;
	struct buffer out = {0};
	struct error error;

	if (!ws_handshake_request(&out, &request, key, &error)) {
		require(out.length == 0);
		check_error(&error);
		return;
	}
	for (size_t i = 0; i < request.header_count; i++)
		hosts += strcasecmp(request.headers[i].name, "Host") == 0;
	for (size_t i = 0; i < out.length; i++)
		lines += out.memory[i] == '\n';
	require(lines == 6 + !hosts + request.header_count);
	require(memcmp(out.memory + out.length - 4, "\r\n\r\n", 4) == 0);
	buffer_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ws_response whole = {0}, pieces = {0};
	size_t whole_used, pieces_used;
	enum ws_response_state state;

	if (size < 2)
		return 0;
	state = parse(&whole, data + 1, size - 1, size, &whole_used);
	require(parse(&pieces, data + 1, size - 1, data[0] % 32 + 1U, &pieces_used) == state);
	if (state == WS_RESPONSE_DONE) {
		require(whole_used == pieces_used);
		check_same(&whole, &pieces);
		check_answer(&whole);
		check_request(&whole);
	}
	ws_response_release(&whole);
	ws_response_release(&pieces);
	return 0;
}
