/*
 * A gateway as one writes it with libwebsockets: messages of all servers become lines in a
 * lws_ring, in which each subscriber of a UNIX socket has its own tail. Whoever is writeable gets
 * one message, as in the examples of the library; with a BATCH above 1, up to so many in one write.
 * A ring that is full stops the servers (lws_rx_flow_control).
 *
 *     gateway_lws BATCH SOCKET SUBSCRIBERS URL...
 *
 * Prints "ready" when it listens; connects when all subscribers are there.
 */
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	RING_MESSAGES = 16 * 1024,
	RING_BYTES = 16 << 20, /* of messages in the ring, then the servers wait */
	MESSAGE_MAX = 1 << 20,
	WRITE_BYTES = 64 * 1024, /* of one write of several messages */
	READ_BYTES = 64 * 1024,  /* of one read of lws */
};

struct message {
	struct gateway *gateway;
	size_t length;
	unsigned char *line; /* LWS_PRE bytes into what was allocated */
};

struct subscriber {
	struct lws *wsi;
	struct subscriber *next;
	uint32_t tail;
};

struct server {
	struct lws *wsi;
	size_t length; /* of the message that is arriving, as far as it is there */
	char message[MESSAGE_MAX];
};

struct gateway {
	struct lws_ring *ring;
	struct subscriber *subscribers;
	struct server *servers;
	size_t server_count;
	size_t batch; /* messages in one write */
	size_t bytes; /* in the ring */
	bool full;    /* the servers wait */
};

static void fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* What the library has read already still comes when a server has been told to wait. */
static bool gateway_has_room(const struct gateway *gateway)
{
	return gateway->bytes < RING_BYTES &&
		lws_ring_get_count_free_elements(gateway->ring) > RING_MESSAGES / 2;
}

static void gateway_let_servers_run(struct gateway *gateway, bool run)
{
	gateway->full = !run;
	for (size_t i = 0; i < gateway->server_count; i++)
		if (gateway->servers[i].wsi)
			lws_rx_flow_control(gateway->servers[i].wsi, run);
}

static void message_destroy(void *element)
{
	struct message *message = element;

	message->gateway->bytes -= message->length;
	free(message->line - LWS_PRE);
}

static void gateway_publish(struct gateway *gateway, const char *text, size_t length)
{
	unsigned char *memory = malloc(LWS_PRE + length + 1);
	struct message message = {.gateway = gateway, .length = length + 1};

	if (!memory)
		fail("malloc");
	message.line = memory + LWS_PRE;
	memcpy(message.line, text, length);
	message.line[length] = '\n';
	if (lws_ring_insert(gateway->ring, &message, 1) != 1)
		fail("lws_ring_insert");
	gateway->bytes += message.length;
	for (struct subscriber *each = gateway->subscribers; each; each = each->next)
		lws_callback_on_writable(each->wsi);
	if (!gateway->full && !gateway_has_room(gateway))
		gateway_let_servers_run(gateway, false);
}

/* Gathers what waits behind `tail`. Returns how many messages that is. */
static size_t subscriber_gather(struct gateway *gateway, uint32_t tail, unsigned char *buffer,
	size_t *length)
{
	const struct message *message;
	size_t count = 0;

	*length = 0;
	while (count < gateway->batch && (message = lws_ring_get_element(gateway->ring, &tail)) &&
		*length + message->length <= WRITE_BYTES) {
		memcpy(buffer + *length, message->line, message->length);
		*length += message->length;
		lws_ring_consume(gateway->ring, &tail, NULL, 1);
		count++;
	}
	return count;
}

static void subscriber_write(struct gateway *gateway, struct subscriber *subscriber)
{
	static unsigned char buffer[LWS_PRE + WRITE_BYTES];
	const struct message *message = lws_ring_get_element(gateway->ring, &subscriber->tail);
	unsigned char *data = buffer + LWS_PRE;
	size_t count = 0, length;

	if (!message)
		return;
	if (gateway->batch > 1)
		count = subscriber_gather(gateway, subscriber->tail, data, &length);
	if (count == 0) {
		count = 1;
		data = message->line;
		length = message->length;
	}
	if (lws_write(subscriber->wsi, data, length, LWS_WRITE_RAW) < 0)
		exit(EXIT_FAILURE);
	lws_ring_consume_and_update_oldest_tail(gateway->ring, struct subscriber, &subscriber->tail,
		count, gateway->subscribers, tail, next);
	if (lws_ring_get_element(gateway->ring, &subscriber->tail))
		lws_callback_on_writable(subscriber->wsi);
	if (gateway->full && gateway_has_room(gateway))
		gateway_let_servers_run(gateway, true);
}

static int subscriber_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
	size_t length)
{
	struct gateway *gateway = lws_context_user(lws_get_context(wsi));
	struct subscriber *subscriber = user;

	(void)in;
	(void)length;
	if (reason == LWS_CALLBACK_RAW_ADOPT) {
		subscriber->wsi = wsi;
		subscriber->next = gateway->subscribers;
		gateway->subscribers = subscriber;
	} else if (reason == LWS_CALLBACK_RAW_WRITEABLE) {
		subscriber_write(gateway, subscriber);
	} else if (reason == LWS_CALLBACK_RAW_CLOSE) {
		exit(EXIT_SUCCESS);
	}
	return 0;
}

/* A message comes in parts, each as large as what was read. */
static void server_receive(struct gateway *gateway, struct server *server, const char *part,
	size_t length)
{
	if (length > sizeof(server->message) - server->length)
		fail("a message that is too long");
	memcpy(server->message + server->length, part, length);
	server->length += length;
	if (lws_remaining_packet_payload(server->wsi) || !lws_is_final_fragment(server->wsi))
		return;
	gateway_publish(gateway, server->message, server->length);
	server->length = 0;
}

static int server_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
	size_t length)
{
	struct gateway *gateway = lws_context_user(lws_get_context(wsi));

	if (reason == LWS_CALLBACK_CLIENT_RECEIVE) {
		server_receive(gateway, user, in, length);
	} else if (reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR) {
		fprintf(stderr, "gateway_lws: %s\n", in ? (const char *)in : "no connection");
		exit(EXIT_FAILURE);
	}
	return 0;
}

static const struct lws_protocols protocols[] = {
	{"server", server_event, 0, READ_BYTES, 0, NULL, 0},
	{"subscriber", subscriber_event, sizeof(struct subscriber), 0, 0, NULL, 0},
	{NULL, NULL, 0, 0, 0, NULL, 0},
};

static int listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
		listen(listener, SOMAXCONN))
		fail(path);
	return listener;
}

static void accept_subscribers(struct lws_vhost *vhost, int listener, unsigned long count)
{
	while (count--) {
		lws_sock_file_fd_type fd = {.sockfd = accept(listener, NULL, NULL)};

		if (fd.sockfd < 0 ||
			!lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_SOCKET, fd, "subscriber",
				NULL))
			fail("accept");
	}
}

static void server_connect(struct lws_context *context, struct server *server, char *url)
{
	struct lws_client_connect_info info = {.context = context,
		.local_protocol_name = "server",
		.userdata = server,
		.pwsi = &server->wsi};
	const char *scheme, *path;

	if (lws_parse_uri(url, &scheme, &info.address, &info.port, &path))
		fail(url);
	info.path = "/";
	info.host = info.origin = info.address;
	if (strcmp(scheme, "wss") == 0)
		info.ssl_connection = LCCSCF_USE_SSL | LCCSCF_ALLOW_SELFSIGNED |
			LCCSCF_ALLOW_INSECURE | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
	if (!lws_client_connect_via_info(&info))
		fail("lws_client_connect_via_info");
}

int main(int argc, char **argv)
{
	struct gateway gateway = {
		.ring = lws_ring_create(sizeof(struct message), RING_MESSAGES, message_destroy)};
	struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.pt_serv_buf_size = READ_BYTES,
		.user = &gateway};
	struct lws_context *context;
	int listener;

	if (argc < 5)
		fail("gateway_lws BATCH SOCKET SUBSCRIBERS URL...");
	lws_set_log_level(LLL_ERR, NULL);
	gateway.server_count = (size_t)argc - 4;
	gateway.batch = strtoul(argv[1], NULL, 10);
	gateway.servers = calloc(gateway.server_count, sizeof(*gateway.servers));
	context = lws_create_context(&info);
	if (!gateway.ring || !gateway.servers || !context)
		fail("no memory");
	listener = listen_unix(argv[2]);
	puts("ready");
	fflush(stdout);
	accept_subscribers(lws_get_vhost_by_name(context, "default"), listener,
		strtoul(argv[3], NULL, 10));
	for (size_t i = 0; i < gateway.server_count; i++)
		server_connect(context, &gateway.servers[i], argv[i + 4]);
	while (lws_service(context, 0) >= 0)
		;
	return EXIT_SUCCESS;
}
