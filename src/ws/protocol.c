#include "ws/protocol.h"

#include <string.h>

bool ws_check_ping_payload(const char *payload, struct error *error)
{
	size_t length = strlen(payload);

	return length <= WS_CONTROL_MAX ||
		error_set(error, ERROR_WEBSOCKET, "must have at most %d bytes, not %zu",
			WS_CONTROL_MAX, length);
}

bool ws_close_code_valid(unsigned code)
{
	if (code >= 3000)
		return code <= 4999;
	return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

const char *ws_close_code_text(unsigned code)
{
	switch (code) {
	case WS_CLOSE_NORMAL:
		return "normal closure";
	case WS_CLOSE_GOING_AWAY:
		return "going away";
	case WS_CLOSE_PROTOCOL_ERROR:
		return "protocol error";
	case WS_CLOSE_UNSUPPORTED_DATA:
		return "unsupported data";
	case WS_CLOSE_NO_STATUS:
		return "no status received";
	case WS_CLOSE_ABNORMAL:
		return "abnormal closure";
	case WS_CLOSE_INVALID_DATA:
		return "invalid payload data";
	case WS_CLOSE_POLICY_VIOLATION:
		return "policy violation";
	case WS_CLOSE_TOO_BIG:
		return "message too big";
	case WS_CLOSE_MISSING_EXTENSION:
		return "missing extension";
	case WS_CLOSE_INTERNAL_ERROR:
		return "internal error";
	case WS_CLOSE_SERVICE_RESTART:
		return "service restart";
	case WS_CLOSE_TRY_AGAIN_LATER:
		return "try again later";
	case WS_CLOSE_BAD_GATEWAY:
		return "bad gateway";
	default:
		return "";
	}
}
