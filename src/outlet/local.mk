noinst_LIBRARIES += liboutlet.a
liboutlet_a_SOURCES = \
	src/outlet/cursors.c src/outlet/cursors.h \
	src/outlet/deliver.c \
	src/outlet/format.c src/outlet/format.h \
	src/outlet/format_frames.c \
	src/outlet/format_input.c src/outlet/format_input.h \
	src/outlet/format_json.c \
	src/outlet/format_lines.c \
	src/outlet/format_packets.c \
	src/outlet/formats.h \
	src/outlet/frames.h \
	src/outlet/greeting.c \
	src/outlet/input.c \
	src/outlet/input_turns.c \
	src/outlet/mapped.c \
	src/outlet/message.h \
	src/outlet/outlet.c src/outlet/outlet.h src/outlet/outlet_private.h \
	src/outlet/outlet_counts.def \
	src/outlet/outlet_stats.c src/outlet/outlet_stats.h \
	src/outlet/packets.c \
	src/outlet/room.c \
	src/outlet/ring.c src/outlet/ring.h \
	src/outlet/ring_ledger.h \
	src/outlet/ring_memory.c \
	src/outlet/ring_names.c \
	src/outlet/sources.c src/outlet/sources.h \
	src/outlet/subscriber.c src/outlet/subscriber.h
OUTLET_LIBS = liboutlet.a $(WS_LIBS) $(EVENT_LIBS) $(JANSSON_LIBS)
