// SPDX-License-Identifier: Apache-2.0
#ifndef SHOWDOWN_OUTCOME_H
#define SHOWDOWN_OUTCOME_H

// What one step means for its session. Only session.c acts on it.
enum outcome {
	OUTCOME_CONTINUE, // the session stays open
	OUTCOME_DONE,	  // both directions are shut: close the session
	OUTCOME_RESET,	  // a peer or the network ended the connection: reset both sides
	OUTCOME_FAILED,	  // the relay cannot serve the session: count a failure and reset both sides
};

#endif
