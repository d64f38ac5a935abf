#ifndef GATEWAY_STATS_H
#define GATEWAY_STATS_H

#include <stdint.h>

/* What a connection has done since it was made or its statistics were cleared. */
struct stats {
	uint64_t since; /* ns since 1970 */
	uint64_t bytes_sent;
	uint64_t bytes_recv;
	uint64_t us_sent; /* microseconds in transfers: from a message's first byte to its last */
	uint64_t us_recv;
	uint64_t messages_sent;
	uint64_t messages_recv;
	uint64_t frames_sent;
	uint64_t frames_recv;
	uint64_t pings_sent;
	uint64_t pongs_recv;
	uint64_t pings_recv;
	uint64_t rtt_us; /* of the last ping, its least and most; 0: none yet */
	uint64_t rtt_min_us;
	uint64_t rtt_max_us;
	uint64_t attempts; /* to connect */
	uint64_t opens;
	uint64_t failures;
	uint64_t closes;
	uint64_t send_refused; /* messages that could not be sent: not open, or the queue was full */
	uint64_t compressed_sent; /* payload of the messages that went compressed, as it went */
	uint64_t uncompressed_sent; /* and before */
	uint64_t compressed_recv; /* payload of the messages that came compressed, as it came */
	uint64_t uncompressed_recv; /* and inflated */
	uint64_t bombs; /* messages refused with 1009 only once inflated */
	uint64_t send_expired; /* messages that were held too long for the connection to open */
	uint64_t heartbeats_sent;
};

#endif
