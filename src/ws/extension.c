#include "ws/extension.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/token.h"

static const char extension_name[] = "permessage-deflate";

enum { EXTENSION_QUOTE_SIZE = 128 }; /* of what the server sent, in an error */

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
	if (offer->server_max_window_bits < WS_WINDOW_BITS_MAX)
		buffer_append_format(out, "; server_max_window_bits=%d",
			offer->server_max_window_bits);
	if (offer->client_max_window_bits)
		buffer_append_text(out, "; client_max_window_bits");
	if (offer->client_max_window_bits && offer->client_max_window_bits < WS_WINDOW_BITS_MAX)
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
	return bits >= WS_WINDOW_BITS_MIN && bits <= WS_WINDOW_BITS_MAX ? bits : 0;
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
	static const struct token unlimited = {"15", 2};
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
		return extension_take_bits(&reply->client_bits, has_value ? value : unlimited);
	return false;
}

/* Why the response does not accept the offer; NULL if it does. */
static const char *extension_objection(const struct extension_reply *reply,
	const struct ws_deflate_parameters *offer)
{
	if (reply->server_bits > offer->server_max_window_bits)
		return "but a smaller server_max_window_bits was asked for";
	if (!reply->server_bits && offer->server_max_window_bits < WS_WINDOW_BITS_MAX)
		return "but server_max_window_bits was asked for";
	if (!reply->server_no_context_takeover && offer->server_no_context_takeover)
		return "but server_no_context_takeover was asked for";
	return NULL;
}

/* Without one, the default of RFC 7692, section 7.1.2. */
static int extension_window_bits(int bits)
{
	return bits ? bits : WS_WINDOW_BITS_MAX;
}

static void extension_agree(struct ws_deflate_parameters *agreed,
	const struct extension_reply *reply, const struct ws_deflate_parameters *offer)
{
	int granted = extension_window_bits(reply->client_bits);
	int wanted = extension_window_bits(offer->client_max_window_bits);

	agreed->client_max_window_bits = granted < wanted ? granted : wanted;
	agreed->server_max_window_bits = extension_window_bits(reply->server_bits);
	agreed->client_no_context_takeover =
		reply->client_no_context_takeover || offer->client_no_context_takeover;
	agreed->server_no_context_takeover = reply->server_no_context_takeover;
}

/* Takes the parameters of the extension, which was offered. Returns why they are not accepted; NULL
 * if they are. */
static const char *extension_take(const char **text, const struct ws_deflate_parameters *offer,
	struct ws_deflate_parameters *agreed)
{
	struct extension_reply reply = {0};
	const char *objection;

	while (token_take_mark(text, ';')) {
		if (!extension_take_parameter(&reply, text))
			return "which has an invalid parameter";
	}
	objection = extension_objection(&reply, offer);
	if (!objection)
		extension_agree(agreed, &reply, offer);
	return objection;
}

bool ws_extension_accept(const char *response, const struct ws_deflate_parameters *offer,
	bool *accepted, struct ws_deflate_parameters *agreed, struct error *error)
{
	const char *text = response;
	const char *objection;
	struct token name;

	do {
		if (!token_take(&text, &name))
			continue; /* an empty element */
		if (!offer || !token_is(name, extension_name))
			return extension_fail(error, response, "which was not offered");
		if (*accepted)
			return extension_fail(error, response,
				"but it may accept an extension only once");
		objection = extension_take(&text, offer, agreed);
		if (objection)
			return extension_fail(error, response, objection);
		*accepted = true;
	} while (token_take_mark(&text, ','));
	return token_at_end(text) ||
		extension_fail(error, response, "which is not a list of extensions");
}
