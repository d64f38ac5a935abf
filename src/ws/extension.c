#include "ws/extension.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/token.h"

static const char extension_name[] = "permessage-deflate";

enum {
	EXTENSION_BITS_MIN = 8,
	EXTENSION_BITS_MAX = 15,
	EXTENSION_QUOTE_SIZE = 128, /* of what the server sent, in an error */
};

/* The parameters of the response; 0 and false where absent. */
struct extension_reply {
	int client_bits;
	int server_bits;
	bool client_no_context_takeover;
	bool server_no_context_takeover;
};

void ws_extension_offer(struct buffer *out, const struct ws_deflate_parameters *offer)
{
	buffer_append_text(out, extension_name);
	if (offer->server_no_context_takeover)
		buffer_append_text(out, "; server_no_context_takeover");
	if (offer->client_no_context_takeover)
		buffer_append_text(out, "; client_no_context_takeover");
	if (offer->server_max_window_bits < EXTENSION_BITS_MAX)
		buffer_append_format(out, "; server_max_window_bits=%d",
			offer->server_max_window_bits);
	if (offer->client_max_window_bits)
		buffer_append_text(out, "; client_max_window_bits");
	if (offer->client_max_window_bits && offer->client_max_window_bits < EXTENSION_BITS_MAX)
		buffer_append_format(out, "=%d", offer->client_max_window_bits);
}

static bool extension_fail(struct error *error, const char *response, const char *what)
{
	char quote[EXTENSION_QUOTE_SIZE];

	text_printable(quote, sizeof(quote), response, strlen(response));
	return error_set(error, ERROR_WEBSOCKET,
		"the server answered with \"Sec-WebSocket-Extensions: %s\", %s", quote, what);
}

/* 8 to 15 in decimal, without a leading zero. 0 if it is anything else. */
static int extension_bits(struct token value)
{
	char digits[3] = "";
	int bits;

	if (value.length == 0 || value.length > 2)
		return 0;
	memcpy(digits, value.text, value.length);
	if (strspn(digits, "0123456789") != value.length || digits[0] == '0')
		return 0;
	bits = atoi(digits);
	return bits >= EXTENSION_BITS_MIN && bits <= EXTENSION_BITS_MAX ? bits : 0;
}

static bool extension_take_flag(bool *flag, bool has_value)
{
	bool first = !*flag;

	*flag = true;
	return first && !has_value;
}

static bool extension_take_bits(int *bits, struct token value)
{
	bool first = *bits == 0;

	*bits = extension_bits(value);
	return first && *bits;
}

/* Takes one parameter. False if it is unknown, repeated, or has an invalid value. */
static bool extension_take_parameter(struct extension_reply *reply, const char **text)
{
	struct token name, value = {0};
	bool has_value;

	if (!token_take(text, &name))
		return false;
	has_value = token_take_mark(text, '=');
	if (has_value && !token_take_value(text, &value))
		return false;

	if (token_is(name, "server_no_context_takeover"))
		return extension_take_flag(&reply->server_no_context_takeover, has_value);
	if (token_is(name, "client_no_context_takeover"))
		return extension_take_flag(&reply->client_no_context_takeover, has_value);
	if (token_is(name, "server_max_window_bits"))
		return extension_take_bits(&reply->server_bits, value);
	if (token_is(name, "client_max_window_bits"))
		return extension_take_bits(&reply->client_bits, value);
	return false;
}

/* Why the response does not accept the offer; NULL if it does. */
static const char *extension_objection(const struct extension_reply *reply,
	const struct ws_deflate_parameters *offer)
{
	if (reply->client_bits && !offer->client_max_window_bits)
		return "but client_max_window_bits was not offered";
	if (reply->client_bits > offer->client_max_window_bits)
		return "but a smaller client_max_window_bits was offered";
	if (reply->server_bits > offer->server_max_window_bits)
		return "but a smaller server_max_window_bits was asked for";
	if (!reply->server_bits && offer->server_max_window_bits < EXTENSION_BITS_MAX)
		return "but server_max_window_bits was asked for";
	if (!reply->server_no_context_takeover && offer->server_no_context_takeover)
		return "but server_no_context_takeover was asked for";
	return NULL;
}

/* The first of the two that is present, or the default of RFC 7692, section 7.1.2. */
static int extension_window_bits(int first, int second)
{
	return first ? first : second ? second : EXTENSION_BITS_MAX;
}

static void extension_agree(struct ws_deflate_parameters *agreed,
	const struct extension_reply *reply, const struct ws_deflate_parameters *offer)
{
	agreed->client_max_window_bits =
		extension_window_bits(reply->client_bits, offer->client_max_window_bits);
	agreed->server_max_window_bits = extension_window_bits(reply->server_bits, 0);
	agreed->client_no_context_takeover =
		reply->client_no_context_takeover || offer->client_no_context_takeover;
	agreed->server_no_context_takeover = reply->server_no_context_takeover;
}

bool ws_extension_accept(const char *response, const struct ws_deflate_parameters *offer,
	bool *accepted, struct ws_deflate_parameters *agreed, struct error *error)
{
	struct extension_reply parameters = {0};
	const char *text = response;
	const char *objection;
	struct token name;

	if (!token_take(&text, &name))
		return extension_fail(error, response, "which is not an extension");
	if (!offer || !token_is(name, extension_name))
		return extension_fail(error, response, "which was not offered");
	while (token_take_mark(&text, ';')) {
		if (!extension_take_parameter(&parameters, &text))
			return extension_fail(error, response, "which has an invalid parameter");
	}
	if (!token_at_end(text) || *accepted)
		return extension_fail(error, response, "but one extension was offered, and once");
	objection = extension_objection(&parameters, offer);
	if (objection)
		return extension_fail(error, response, objection);
	*accepted = true;
	extension_agree(agreed, &parameters, offer);
	return true;
}
