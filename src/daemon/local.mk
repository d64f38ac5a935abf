noinst_LIBRARIES += libdaemon.a
libdaemon_a_SOURCES = \
	src/daemon/daemon.c src/daemon/daemon.h \
	src/daemon/process.c src/daemon/process.h \
	src/daemon/service.c src/daemon/service.h
DAEMON_LIBS = libdaemon.a $(CONTROL_LIBS)
