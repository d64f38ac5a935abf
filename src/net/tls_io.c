#include "net/tls_io.h"

#include "net/net_private.h"
#include "net/tls.h"

static void tls_io_on_event(evutil_socket_t fd, short events, void *context);

/* Data in the memory of the layer below will not make the socket readable. */
static void tls_io_wait(struct tls_io *io, enum tls_status status)
{
	const struct stream *stream = *io->stream;
	bool reads = status == TLS_WANT_READ;

	event_assign(&io->event, io->net->base, stream->fd, reads ? EV_READ : EV_WRITE,
		tls_io_on_event, io);
	if (reads && stream_under_pending(stream))
		event_active(&io->event, EV_READ, 0);
	else
		event_add(&io->event, NULL);
}

static void tls_io_shake_hands(struct tls_io *io)
{
	const struct stream *stream = *io->stream;
	char name[URL_SERVER_SIZE];
	enum tls_status status;
	struct error error;

	url_format_server(io->peer.url, name);
	status = tls_handshake(stream->ssl, io->peer.settings, name, &error);
	switch (status) {
	case TLS_VERIFYING:
		return; /* until tls_io_on_verified() */
	case TLS_WANT_READ:
	case TLS_WANT_WRITE:
		tls_io_wait(io, status);
		return;
	case TLS_FAILED:
		stream_under_failed(stream, &error);
		io->done(&error, io->context);
		return;
	case TLS_DONE:
		io->done(NULL, io->context);
		return;
	}
}

static void tls_io_on_event(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	tls_io_shake_hands(context);
}

static void tls_io_on_verified(void *context)
{
	tls_io_shake_hands(context);
}

/* True if the stream has TLS now, its handshake to come. */
static bool tls_io_open(struct tls_io *io, const struct tls_material *material, struct error *error)
{
	char name[URL_SERVER_SIZE];
	const struct tls_order order = {
		.settings = io->peer.settings,
		.material = material,
		.bio = stream_bio(*io->stream, io->net->over_tls),
		.host = io->peer.url->host,
		.server = name,
		.resume = tls_io_on_verified,
		.context = io,
	};
	SSL *ssl;

	url_format_server(io->peer.url, name);
	ssl = tls_open(io->net->tls, &order, error);
	if (ssl)
		*io->stream = stream_secure(*io->stream, ssl, io->peer.is_proxy);
	return ssl != NULL;
}

static void tls_io_on_loaded(struct tls_material *material, const struct error *failure,
	void *context)
{
	struct tls_io *io = context;
	struct error error;
	bool opened = false;

	io->load = NULL;
	if (material) {
		opened = tls_io_open(io, material, &error);
		tls_material_release(material);
	} else {
		error = *failure;
	}
	if (opened)
		tls_io_shake_hands(io);
	else
		io->done(&error, io->context);
}

void tls_io_start(struct tls_io *io, struct net *net, struct stream **stream,
	const struct tls_io_peer *peer, void (*done)(struct error *error, void *context),
	void *context)
{
	*io = (struct tls_io){
		.peer = *peer,
		.net = net,
		.stream = stream,
		.done = done,
		.context = context,
	};
	event_assign(&io->event, net->base, -1, 0, tls_io_on_event, io);
	io->load = tls_load_start(net->loader, peer->settings, tls_io_on_loaded, io);
}

void tls_io_stop(struct tls_io *io)
{
	tls_load_cancel(io->load);
	io->load = NULL;
	if (io->net)
		event_del(&io->event);
}
