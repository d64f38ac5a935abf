check_PROGRAMS += unit_outlet
TESTS += unit_outlet
unit_outlet_SOURCES = \
	tests/unit/outlet_harness.c tests/unit/outlet_harness.h \
	tests/unit/outlet_suites.h \
	tests/unit/test_deliver.c \
	tests/unit/test_formats.c \
	tests/unit/test_input.c \
	tests/unit/test_join.c \
	tests/unit/test_lap.c \
	tests/unit/test_mapped.c \
	tests/unit/test_outlet.c \
	tests/unit/test_packets.c \
	tests/unit/test_readers.c \
	tests/unit/test_ring.c \
	tests/unit/test_ring_adopt.c \
	tests/unit/test_ring_hostile.c \
	tests/unit/test_room.c
unit_outlet_CFLAGS = $(UNIT_CFLAGS)
unit_outlet_LDADD = $(OUTLET_LIBS) $(CLIENT_LIBS) $(CHECK_LIBS)
