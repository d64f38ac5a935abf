noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	src/base/alloc.c src/base/alloc.h \
	src/base/budget.c src/base/budget.h \
	src/base/buffer.c src/base/buffer.h \
	src/base/choice.h \
	src/base/clock.c src/base/clock.h \
	src/base/container.h \
	src/base/counter.c src/base/counter.h \
	src/base/error.c src/base/error.h \
	src/base/event_type.c src/base/event_type.h \
	src/base/file.c src/base/file.h \
	src/base/folder.c src/base/folder.h \
	src/base/http_head.c src/base/http_head.h \
	src/base/json_put.c src/base/json_put.h \
	src/base/listener.c src/base/listener.h \
	src/base/log.c src/base/log.h src/base/log_private.h \
	src/base/log_limits.c src/base/log_limits.h \
	src/base/log_line.c src/base/log_line.h \
	src/base/loop.c src/base/loop.h \
	src/base/names.c src/base/names.h \
	src/base/notify.c src/base/notify.h \
	src/base/packet.c src/base/packet.h \
	src/base/rate.c src/base/rate.h \
	src/base/resume.c src/base/resume.h \
	src/base/socket_file.c src/base/socket_file.h \
	src/base/strings.c src/base/strings.h \
	src/base/text.c src/base/text.h \
	src/base/thread_pool.c src/base/thread_pool.h \
	src/base/timers.c src/base/timers.h \
	src/base/token.c src/base/token.h \
	src/base/turns.c src/base/turns.h \
	src/base/worker.c src/base/worker.h
BASE_LIBS = libbase.a $(EVENT_LIBS) $(SYSTEMD_LIBS)
