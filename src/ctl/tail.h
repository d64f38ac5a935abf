#ifndef CTL_TAIL_H
#define CTL_TAIL_H

#include "ctl/command.h"

/* The command `tail`: subscribes to an outlet as any program would, and prints what comes. */
int tail_run(struct ctl *ctl, int argc, char **argv);

#endif
