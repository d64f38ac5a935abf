# Man pages: one line each; scdoc makes doc/NAME.SECTION from doc/NAME.SECTION.scd.
MAN_PAGES = \
	doc/wsgate.3 \
	doc/wsgatectl.1 \
	doc/wsgated-protocol.7 \
	doc/wsgated.8 \
	doc/wsgated.conf.5

EXTRA_DIST += $(MAN_PAGES:=.scd) doc/architecture.md doc/performance.md doc/performance.svg doc/testing.md \
	doc/examples/wsgate.py doc/examples/wsgate_loop.c

if HAVE_SCDOC
man_MANS = $(MAN_PAGES)
CLEANFILES += $(MAN_PAGES)
endif

SUFFIXES = .scd
.scd:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
		directory=$$(echo '$(runstatedir)' | sed 's/_/\\\\_/g') && \
		sed "s|@runstate[d]ir@|$$directory|g" $< | $(SCDOC) > $@.tmp && \
		mv $@.tmp $@
