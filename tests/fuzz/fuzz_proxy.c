/*
 * The conversation with a proxy, HTTP CONNECT and SOCKS5. The outcome does not depend on the pieces
 * that the proxy's bytes arrive in, none of the target's are taken, and what is kept is bounded.
 *
 * Input: a byte of options, a byte with the size of the pieces, and then the proxy's bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "net/tunnel.h"

enum {
	OPTION_SOCKS = 1,
	OPTION_LOGIN = 2,
	OPTION_ADDRESS = 4, /* the target is an address, and no name */
};

enum { KEPT_MAX = 1 << 16, PIECE_MAX = 4096 }; /* a piece is what one read brings */

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

struct outcome {
	enum tunnel_status status;
	size_t used;
	struct buffer sent;
	struct error error;
};

static struct outcome converse(const struct proxy *proxy, const struct url *target,
	const uint8_t *data, size_t size, size_t step)
{
	struct outcome outcome = {.status = TUNNEL_MORE};
	struct tunnel tunnel;
	size_t used, piece;

	require(tunnel_start(&tunnel, proxy, target, &outcome.error));
	while (outcome.used < size && outcome.status == TUNNEL_MORE) {
		piece = step < size - outcome.used ? step : size - outcome.used;
		outcome.status =
			tunnel_receive(&tunnel, data + outcome.used, piece, &used, &outcome.error);
		require(used == piece || (used < piece && outcome.status == TUNNEL_OPEN));
		require(tunnel.in.capacity <= KEPT_MAX);
		outcome.used += used;
	}
	if (outcome.status == TUNNEL_MORE)
		tunnel_closed(&tunnel, &outcome.error);
	if (outcome.status != TUNNEL_OPEN)
		check_error(&outcome.error);
	buffer_append(&outcome.sent, buffer_data(&tunnel.out), tunnel.out.length);
	tunnel_release(&tunnel);
	return outcome;
}

/* How much of an invalid head is quoted depends on the pieces. */
static bool is_same_text(const char *one, const char *other)
{
	static const char invalid[] = "its response ";
	size_t length = strcspn(one, "\"");

	if (strncmp(one, invalid, strlen(invalid)) != 0)
		return strcmp(one, other) == 0;
	return strncmp(one, other, length) == 0 && strcspn(other, "\"") == length;
}

static void check_same(const struct outcome *one, const struct outcome *other)
{
	require(one->status == other->status);
	require(one->sent.length == other->sent.length);
	require(memcmp(one->sent.memory, other->sent.memory, one->sent.length) == 0);
	if (one->status == TUNNEL_OPEN)
		require(one->used == other->used);
	else
		require(is_same_text(one->error.text, other->error.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, pieces;
	struct proxy proxy;
	struct error error;
	struct url target;

	if (size < 3)
		return 0;
	require(proxy_parse(&proxy,
		data[0] & OPTION_SOCKS ? "socks5://127.0.0.1" : "http://127.0.0.1", &error));
	if (data[0] & OPTION_LOGIN)
		proxy_set_login(&proxy, "ann", "secret");
	require(url_parse(&target,
		data[0] & OPTION_ADDRESS ? "ws://[2001:db8::1]/" : "ws://example.com/", &error));
	whole = converse(&proxy, &target, data + 2, size - 2, PIECE_MAX);
	pieces = converse(&proxy, &target, data + 2, size - 2, data[1] % 32 + 1U);
	check_same(&whole, &pieces);
	buffer_release(&whole.sent);
	buffer_release(&pieces.sent);
	proxy_release(&proxy);
	url_release(&target);
	return 0;
}
