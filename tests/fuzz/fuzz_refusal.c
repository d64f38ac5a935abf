/*
 * What is made of an answer that opens no WebSocket: where its Location leads, how long its
 * Retry-After asks to wait, and what its chunks hold, of which a part gives the beginning.
 *
 * Input: a byte of options, a byte with the size of the part, and then the server's answer.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/body.h"
#include "gateway/redirect.h"
#include "net/url.h"
#include "ws/handshake.h"

enum {
	OPTION_SECURE = 1,
	OPTION_SOCKET = 2,
};

#define NOW      (UINT64_C(1800000000) * CLOCK_NS_PER_SECOND)
#define WAIT_MAX (UINT64_C(366) * 86400 * CLOCK_NS_PER_SECOND)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* An error's text is one line; a name in it may be outside ASCII. */
static void check_error(const struct error *error)
{
	require(error->name && *error->text);
	for (const char *c = error->text; *c; c++)
		require((unsigned char)*c >= 0x20 && *c != 0x7F);
}

static void check_location(const struct http_head *response, unsigned options)
{
	const char *urls[] = {"ws://ann:secret@example.com/feeds/v1?a=b",
		"wss://ann:secret@example.com/feeds/v1?a=b", "ws+unix:///run/app.sock:/v1"};
	size_t which = options & OPTION_SOCKET ? 2 : options & OPTION_SECURE;
	struct url from, to;
	struct error error;
	char *target;

	if (!redirect_is(response))
		return;
	require(url_parse(&from, urls[which], &error));
	target = redirect_target(&from, http_head_find(response, "Location"), &error);
	if (!target) {
		check_error(&error);
	} else if (!url_parse(&to, target, &error)) {
		check_error(&error);
	} else {
		require(!from.secure || to.secure);
		require(!to.socket_path);
		redirect_stays(&from, &to);
		url_release(&to);
	}
	free(target);
	url_release(&from);
}

/* In memory of just its size, so that a byte too many is noticed. */
static char *unchunk(const uint8_t *data, size_t length, size_t *written, bool *complete)
{
	uint8_t *copy = malloc(length ? length : 1);
	char *out = malloc(length ? length : 1);

	require(copy && out);
	if (length)
		memcpy(copy, data, length);
	*written = body_unchunk(out, copy, length, complete);
	require(*written <= length);
	free(copy);
	return out;
}

static void check_body(const uint8_t *data, size_t length, size_t part)
{
	size_t written, part_written;
	bool complete, part_complete;
	char *whole = unchunk(data, length, &written, &complete);
	char *begin = unchunk(data, part < length ? part : length, &part_written, &part_complete);

	require(part_written <= written);
	require(memcmp(whole, begin, part_written) == 0);
	if (part_complete)
		require(complete && part_written == written);
	free(whole);
	free(begin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head response = {0};
	struct error error;
	size_t used = 0;

	if (size < 3)
		return 0;
	if (ws_handshake_parse(&response, data + 2, size - 2, &used, &error) == HTTP_HEAD_DONE) {
		check_location(&response, data[0]);
		require(redirect_retry_after(&response, NOW) <= WAIT_MAX);
		check_body(data + 2 + used, size - 2 - used, data[1]);
	}
	http_head_release(&response);
	return 0;
}
