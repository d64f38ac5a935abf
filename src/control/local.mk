noinst_LIBRARIES += libcontrol.a
libcontrol_a_SOURCES = \
	src/control/control.c src/control/control.h \
	src/control/control_client.c src/control/control_client.h \
	src/control/control_socket.c src/control/control_socket.h \
	src/control/control_turns.c src/control/control_turns.h \
	src/control/json_config.c src/control/json_config.h \
	src/control/method_context.c src/control/method_context.h \
	src/control/methods.c src/control/methods.h \
	src/control/methods_add.c \
	src/control/methods_config.c \
	src/control/methods_connect.c \
	src/control/methods_connection.c \
	src/control/methods_daemon.c \
	src/control/methods_stats.c \
	src/control/report.h \
	src/control/report_call.c \
	src/control/report_connection.c \
	src/control/report_event.c \
	src/control/report_outlet.c \
	src/control/report_value.c src/control/report_value.h \
	src/control/rpc.h src/control/rpc_private.h \
	src/control/rpc_call.c \
	src/control/rpc_channel.c src/control/rpc_channel.h \
	src/control/rpc_request.c src/control/rpc_request.h \
	src/control/walk.c src/control/walk.h
CONTROL_LIBS = libcontrol.a $(GATEWAY_LIBS) $(JANSSON_LIBS)
