#ifndef NET_NET_PRIVATE_H
#define NET_NET_PRIVATE_H

#include <event2/event.h>
#include <openssl/bio.h>

#include "base/timers.h"
#include "net/resolve.h"
#include "net/tls.h"
#include "net/tls_loader.h"

/* For this room only: what a dial takes from the net. */
struct net {
	struct event_base *base;
	struct timers *timers;
	struct resolver *resolver;
	struct tls_cache *tls;
	BIO_METHOD *over_tls; /* for stream_bio() */
	struct tls_loader *loader;
};

#endif
