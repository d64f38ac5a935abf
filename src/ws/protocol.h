#ifndef WS_PROTOCOL_H
#define WS_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* RFC 6455, section 5.2. */
enum ws_opcode {
	WS_CONTINUATION = 0x0,
	WS_TEXT = 0x1,
	WS_BINARY = 0x2,
	WS_CLOSE = 0x8,
	WS_PING = 0x9,
	WS_PONG = 0xA,
};

enum { WS_CONTROL_MAX = 125 }; /* payload bytes of a control frame: RFC 6455, section 5.5 */

enum {
	WS_REASON_MAX = WS_CONTROL_MAX - 2
}; /* bytes of the reason in a close frame: section 5.5.1 */

/* True if the text fits a ping; else the text of the error follows the name of the setting. */
bool ws_check_ping_payload(const char *payload, struct error *error);

/* RFC 6455, section 7.4.1, and the IANA registry of close codes. */
enum ws_close_code {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_GOING_AWAY = 1001,
	WS_CLOSE_PROTOCOL_ERROR = 1002,
	WS_CLOSE_UNSUPPORTED_DATA = 1003,
	WS_CLOSE_NO_STATUS = 1005, /* never on the wire: the close frame had no code */
	WS_CLOSE_ABNORMAL = 1006,  /* never on the wire: no close frame arrived */
	WS_CLOSE_INVALID_DATA = 1007,
	WS_CLOSE_POLICY_VIOLATION = 1008,
	WS_CLOSE_TOO_BIG = 1009,
	WS_CLOSE_MISSING_EXTENSION = 1010,
	WS_CLOSE_INTERNAL_ERROR = 1011,
	WS_CLOSE_SERVICE_RESTART = 1012,
	WS_CLOSE_TRY_AGAIN_LATER = 1013,
	WS_CLOSE_BAD_GATEWAY = 1014,
};

/* True if a close frame may carry the code: 1000-1014 except 1004-1006, and 3000-4999. */
bool ws_close_code_valid(unsigned code);

/* "going away" for 1001; "" for a code without a registered meaning. */
const char *ws_close_code_text(unsigned code);

#endif
