noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	src/net/address.c src/net/address.h \
	src/net/dial.c src/net/dial.h \
	src/net/dns_names.c \
	src/net/failures.c src/net/failures.h \
	src/net/hosts.c src/net/hosts.h \
	src/net/lookup.h \
	src/net/name_server.c src/net/name_server.h src/net/name_service.h \
	src/net/net.c src/net/net.h src/net/net_private.h \
	src/net/netlink.c src/net/netlink.h \
	src/net/network_watch.c src/net/network_watch.h \
	src/net/proxy.c src/net/proxy.h \
	src/net/proxy_environment.c \
	src/net/race.c src/net/race.h \
	src/net/resolve.c src/net/resolve.h \
	src/net/resolver.c src/net/resolver.h \
	src/net/stamp.c src/net/stamp.h \
	src/net/stream.c src/net/stream.h src/net/stream_traffic.c \
	src/net/system_names.c \
	src/net/tcp.c src/net/tcp.h \
	src/net/tls.c src/net/tls.h \
	src/net/tls_cache.c src/net/tls_cache.h \
	src/net/tls_certificate.c src/net/tls_certificate.h \
	src/net/tls_client.c src/net/tls_client.h \
	src/net/tls_guard.c src/net/tls_guard.h \
	src/net/tls_io.c src/net/tls_io.h \
	src/net/tls_loader.c src/net/tls_loader.h \
	src/net/tls_material.c src/net/tls_material.h \
	src/net/tls_sessions.c src/net/tls_sessions.h \
	src/net/tls_settings.c src/net/tls_settings.h \
	src/net/tls_stores.c src/net/tls_stores.h \
	src/net/tls_trust.c src/net/tls_trust.h \
	src/net/tls_verify.c src/net/tls_verify.h \
	src/net/tunnel.c src/net/tunnel.h \
	src/net/tunnel_http.c \
	src/net/tunnel_io.c src/net/tunnel_io.h \
	src/net/tunnel_socks.c \
	src/net/url.c src/net/url.h
NET_LIBS = libnet.a $(BASE_LIBS) $(EVENT_LIBS) $(SSL_LIBS) $(IDN_LIBS) $(CARES_LIBS)
