# libwsgate: for programs that read an outlet. It knows the layout of the format, and no other room.
# A convenience library, from which both the installed library and our own programs are made: so
# those need no library to be found when they run.
noinst_LTLIBRARIES += libclient.la
libclient_la_SOURCES = \
	include/wsgate.h \
	src/client/bytes.c src/client/bytes.h \
	src/client/deadline.c src/client/deadline.h \
	src/client/error.c src/client/error.h \
	src/client/frame.h \
	src/client/gate.c src/client/gate.h \
	src/client/hello.c \
	src/client/names.c src/client/names.h \
	src/client/next.c \
	src/client/ring.c src/client/ring.h \
	src/client/send.c \
	src/client/socket.c
libclient_la_LIBADD = $(JANSSON_LIBS)
CLIENT_LIBS = libclient.la $(JANSSON_LIBS)

# current:revision:age as libtool wants them: a change that old programs do not survive raises
# current and sets age to 0; one that only adds raises both; any other raises revision.
lib_LTLIBRARIES += libwsgate.la
libwsgate_la_SOURCES =
libwsgate_la_LIBADD = libclient.la $(JANSSON_LIBS)
libwsgate_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 \
	-Wl,--version-script=$(top_srcdir)/src/client/libwsgate.map
EXTRA_libwsgate_la_DEPENDENCIES = src/client/libwsgate.map

include_HEADERS = include/wsgate.h
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = src/client/libwsgate.pc
EXTRA_DIST += src/client/libwsgate.map
