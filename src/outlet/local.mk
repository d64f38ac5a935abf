noinst_LIBRARIES += liboutlet.a
liboutlet_a_SOURCES = \
	src/outlet/cursors.c src/outlet/cursors.h \
	src/outlet/escaped.c src/outlet/escaped.h \
	src/outlet/flush.c src/outlet/flush.h \
	src/outlet/format.c src/outlet/format.h \
	src/outlet/format_frames.c \
	src/outlet/format_input.c src/outlet/format_input.h \
	src/outlet/format_json.c \
	src/outlet/format_lines.c \
	src/outlet/format_packets.c \
	src/outlet/formats.h \
	src/outlet/frames.h \
	src/outlet/inputs.c src/outlet/inputs.h \
	src/outlet/mapped.c src/outlet/mapped.h \
	src/outlet/message.h \
	src/outlet/outlet.c src/outlet/outlet.h \
	src/outlet/outlet_core.c src/outlet/outlet_core.h \
	src/outlet/outlet_counts.def \
	src/outlet/outlet_flush.c \
	src/outlet/outlet_private.h \
	src/outlet/outlet_publish.c \
	src/outlet/outlet_room.c \
	src/outlet/outlet_stats.c src/outlet/outlet_stats.h \
	src/outlet/readers.c src/outlet/readers.h \
	src/outlet/readers_room.c \
	src/outlet/ring.c src/outlet/ring.h \
	src/outlet/ring_ledger.h \
	src/outlet/ring_memory.c \
	src/outlet/ring_names.c \
	src/outlet/sources.c src/outlet/sources.h \
	src/outlet/subscriber.c src/outlet/subscriber.h \
	src/outlet/subscriber_greeting.c \
	src/outlet/subscriber_input.c \
	src/outlet/subscriber_packets.c \
	src/outlet/subscriber_send.c \
	src/outlet/subscribers.c src/outlet/subscribers.h
OUTLET_LIBS = liboutlet.a $(WS_LIBS) $(EVENT_LIBS) $(JANSSON_LIBS)
