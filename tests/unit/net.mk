check_PROGRAMS += unit_net
TESTS += unit_net
unit_net_SOURCES = \
	tests/unit/test_net.c tests/unit/test_net.h \
	tests/unit/test_net_certificates.c \
	tests/unit/test_net_dial.c \
	tests/unit/test_net_dns.c \
	tests/unit/test_net_failures.c \
	tests/unit/test_net_load.c \
	tests/unit/test_net_proxy.c \
	tests/unit/test_net_resolver.c \
	tests/unit/test_net_session.c \
	tests/unit/test_net_tls.c \
	tests/unit/test_net_tls_server.c \
	tests/unit/test_net_trust.c \
	tests/unit/test_net_tunnel.c \
	tests/unit/test_net_tunnel_tls.c \
	tests/unit/test_net_url.c
unit_net_CFLAGS = $(UNIT_CFLAGS)
unit_net_LDADD = $(NET_LIBS) $(CHECK_LIBS)

check_PROGRAMS += unit_network
TESTS += unit_network
unit_network_SOURCES = tests/unit/test_network.c
unit_network_CFLAGS = $(UNIT_CFLAGS)
unit_network_LDADD = $(NET_LIBS) $(CHECK_LIBS)
