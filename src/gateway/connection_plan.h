#ifndef GATEWAY_CONNECTION_PLAN_H
#define GATEWAY_CONNECTION_PLAN_H

#include <stdbool.h>

/*
 * The next step of a connection: a pure function of its goal, which commands and events change, of
 * its phase, which follows from the sessions and calls that it has, and of a few facts.
 */

enum connection_goal {
	GOAL_NONE,   /* nobody has said yet what it is for */
	GOAL_REST,   /* closed, until somebody wants it open */
	GOAL_OPEN,   /* open, and opened again when it is lost */
	GOAL_REOPEN, /* open by a new call, at once: whatever there is makes way */
	GOAL_RENEW,  /* open with a new session in the place of one that is of age */
	GOAL_RETIRE, /* closed for good */
	GOAL_GONE,   /* closed for good, and its owner knows */
	GOALS,
};

enum connection_phase {
	PHASE_IDLE,     /* no session, and no call in sight */
	PHASE_WAITING,  /* until the next attempt is due */
	PHASE_CALLING,  /* or queued to call */
	PHASE_OPEN,     /* a session */
	PHASE_RENEWING, /* a session, and a call or a wait for one that is to replace it */
	PHASE_CLOSING,  /* a session whose closing handshake has begun */
	PHASES,
};

struct connection_facts {
	bool failed;     /* a call, or a session that was to stay open, has just ended */
	bool reconnects; /* the settings want it to be opened again */
	bool gives_up;   /* but not after this failure */
	bool overlap;    /* a new session opens before the old one closes */
	bool busy;       /* the session cannot be renewed now without losing messages */
	bool leaving;    /* a session that was replaced is still closing */
};

enum connection_step {
	STEP_NONE,     /* wait for the next event */
	STEP_CALL,     /* call, or join the queue */
	STEP_STOP,     /* end the call or the wait */
	STEP_CLOSE,    /* begin the closing handshake */
	STEP_RETRY,    /* call later */
	STEP_GIVE_UP,  /* rest, and say why */
	STEP_REST,     /* rest, without a word */
	STEP_POSTPONE, /* look at the renewal again soon */
	STEP_FINISH,   /* tell the owner that it is gone */
};

/* Any other step than STEP_NONE changes goal or phase, or has dealt with the failure: after a few of
 * them there is none. */
enum connection_step connection_plan(enum connection_goal goal, enum connection_phase phase,
	const struct connection_facts *facts);

#endif
