#include <stdlib.h>

#include "ws/endpoint_private.h"

enum {
	ENDPOINT_PONGS_MAX = 64 << 10, /* bytes of output, beyond which a ping goes unanswered */
	ENDPOINT_INFLATE_MAX = 4096,   /* bytes at a time: they can grow a thousandfold */
};

void ws_endpoint_init(struct ws_endpoint *endpoint, struct ws_endpoint_shared *shared,
	const struct ws_endpoint_settings *settings, struct ws_endpoint_counts *counts,
	uint64_t now)
{
	*endpoint = (struct ws_endpoint){
		.shared = shared,
		.counts = counts,
		.last_message = now,
	};
	ws_endpoint_configure(endpoint, settings, now);
}

void ws_endpoint_compress(struct ws_endpoint *endpoint, const struct ws_deflate_parameters *agreed,
	int level, size_t threshold)
{
	endpoint->receiver.inflater = ws_inflater_new(agreed);
	endpoint->deflater = ws_deflater_new(agreed, level, threshold);
}

void ws_endpoint_release(struct ws_endpoint *endpoint)
{
	ws_inflater_free(endpoint->receiver.inflater);
	ws_receiver_release(&endpoint->receiver);
	ws_deflater_free(endpoint->deflater);
	buffer_release(&endpoint->out);
	buffer_release(&endpoint->out_marks);
	if (endpoint->throttle)
		ws_message_queue_release(&endpoint->throttle->waiting);
	free(endpoint->throttle);
	free(endpoint->close_reason);
	free(endpoint->error);
}

void ws_endpoint_configure(struct ws_endpoint *endpoint,
	const struct ws_endpoint_settings *settings, uint64_t now)
{
	endpoint->settings = settings;
	endpoint->receiver.message_max = settings->max_message;
	endpoint->receiver.policy = settings->utf8;
	endpoint_set_intervals(endpoint, now);
	endpoint_set_rate(endpoint);
}

/* As ws_receiver_next(), but inflates little at a time. */
enum ws_received ws_endpoint_inflate(struct ws_endpoint *endpoint, struct ws_input *input,
	struct ws_message *message, struct ws_failure *failure)
{
	struct ws_input piece = *input;
	enum ws_received received;

	if (piece.length > ENDPOINT_INFLATE_MAX)
		piece.length = ENDPOINT_INFLATE_MAX;
	received = ws_receiver_next(&endpoint->receiver, &piece, message, failure);
	input->length -= (size_t)(piece.data - input->data);
	input->data = piece.data;
	return received;
}

/* RFC 6455, section 5.5.3: not every ping needs an answer of its own. */
static void endpoint_take_ping(struct ws_endpoint *endpoint, const struct ws_message *message,
	uint64_t now)
{
	endpoint->counts->pings_recv++;
	if (endpoint->state == WS_ENDPOINT_OPEN && endpoint->out.length < ENDPOINT_PONGS_MAX)
		endpoint_queue(endpoint, WS_PONG, message->data, message->length, now);
}

void ws_endpoint_take_control(struct ws_endpoint *endpoint, const struct ws_message *message,
	uint64_t now)
{
	if (message->opcode == WS_PING)
		endpoint_take_ping(endpoint, message, now);
	else if (message->opcode == WS_PONG)
		endpoint_take_pong(endpoint, message, now);
	else
		endpoint_take_close(endpoint, message, now);
}

void ws_endpoint_count_received(struct ws_endpoint *endpoint, uint64_t now)
{
	struct ws_endpoint_counts *counts = endpoint->counts;
	struct ws_deflate_volume volume;

	if (endpoint->receiver.took_part || endpoint->last_message == now)
		ws_endpoint_note_arrival(endpoint, now);
	endpoint->receiver.took_part = false;
	counts->frames_recv += endpoint->receiver.frames;
	endpoint->receiver.frames = 0;
	counts->texts_repaired += endpoint->receiver.repaired;
	endpoint->receiver.repaired = 0;
	if (!endpoint->receiver.inflater)
		return;
	volume = ws_inflater_take_volume(endpoint->receiver.inflater);
	counts->compressed_recv += volume.compressed;
	counts->uncompressed_recv += volume.uncompressed;
}
