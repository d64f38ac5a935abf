#ifndef GATEWAY_STATS_H
#define GATEWAY_STATS_H

#include <stdint.h>

#include "ws/endpoint.h"

/* Statistics of a connection, since it was made or they were cleared. */
struct stats {
	uint64_t since; /* ns since 1970 */
	struct ws_endpoint_counts wire;
	uint64_t us_sent; /* microseconds in transfers: from a message's first byte to its last */
	uint64_t us_recv;
	uint64_t messages_recv;
	uint64_t attempts; /* to connect */
	uint64_t opens;
	uint64_t failures;
	uint64_t closes;
	uint64_t send_refused; /* messages not sent: not open, or the queue was full */
	uint64_t send_expired; /* messages held too long for the connection to open */
};

#endif
