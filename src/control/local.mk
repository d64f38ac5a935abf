noinst_LIBRARIES += libcontrol.a
libcontrol_a_SOURCES = \
	src/control/control.c src/control/control.h \
	src/control/json_config.c src/control/json_config.h \
	src/control/methods.c src/control/methods.h \
	src/control/methods_connection.c \
	src/control/methods_counts.c \
	src/control/report.c src/control/report.h \
	src/control/rpc.c src/control/rpc.h \
	src/control/walk.c src/control/walk.h
CONTROL_LIBS = libcontrol.a $(GATEWAY_LIBS) $(JANSSON_LIBS)
