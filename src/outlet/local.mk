noinst_LIBRARIES += liboutlet.a
liboutlet_a_SOURCES = \
	src/outlet/cursors.c src/outlet/cursors.h \
	src/outlet/deliver.c \
	src/outlet/encode.h \
	src/outlet/encode_frames.c \
	src/outlet/encode_json.c \
	src/outlet/encode_lines.c \
	src/outlet/encode_packets.c \
	src/outlet/frames.h \
	src/outlet/input.c \
	src/outlet/input_turns.c \
	src/outlet/join.c \
	src/outlet/mapped.c \
	src/outlet/message.h \
	src/outlet/outlet.c src/outlet/outlet.h src/outlet/outlet_private.h \
	src/outlet/outlet_counts.def \
	src/outlet/outlet_stats.c src/outlet/outlet_stats.h \
	src/outlet/packets.c \
	src/outlet/room.c \
	src/outlet/ring.c src/outlet/ring.h \
	src/outlet/subscriber.c src/outlet/subscriber.h
OUTLET_LIBS = liboutlet.a $(WS_LIBS) $(EVENT_LIBS) $(JANSSON_LIBS)
