// SPDX-License-Identifier: Apache-2.0
// health: accepts connections and closes them at once, for health checkers. Anyone may check, and no check is counted
// as a connection or as a wrong client.
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

static void answer_checks(struct server *s, struct peer *listener)
{
	int fd;
	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		close(fd);
		s->served.checks++;
	}
}

static const struct service health = {
	.name = "health",
	.help = "port that accepts connections and closes them at once, for health checks; 0: any free one",
	.socket_type = SOCK_STREAM,
	.accept = answer_checks,
};
SERVICE(health);
