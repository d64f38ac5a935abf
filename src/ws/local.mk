noinst_LIBRARIES += libws.a
libws_a_SOURCES = \
	src/ws/deflate.c src/ws/deflate.h \
	src/ws/endpoint.c src/ws/endpoint.h src/ws/endpoint_private.h \
	src/ws/endpoint_closing.c \
	src/ws/endpoint_counts.def \
	src/ws/endpoint_liveness.c \
	src/ws/endpoint_sending.c \
	src/ws/extension.c src/ws/extension.h \
	src/ws/handshake.c src/ws/handshake.h \
	src/ws/message_queue.c src/ws/message_queue.h \
	src/ws/outgoing.c src/ws/outgoing.h \
	src/ws/protocol.c src/ws/protocol.h \
	src/ws/receiver.c src/ws/receiver.h \
	src/ws/sender.c src/ws/sender.h \
	src/ws/utf8.c src/ws/utf8.h \
	src/ws/watch.c src/ws/watch.h
WS_LIBS = libws.a $(BASE_LIBS) $(SSL_LIBS) $(ZLIB_LIBS)
