// SPDX-License-Identifier: Apache-2.0
// A fixed number of sessions that all threads share.
#ifndef SHOWDOWN_SESSION_POOL_H
#define SHOWDOWN_SESSION_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct session;

struct session_pool {
	pthread_mutex_t lock;
	struct session *all, *spare;
	uint32_t size;
	uint32_t touched; // sessions that were ever used; the memory of the others is never touched
};

bool session_pool_open(struct session_pool *pool, uint32_t size);
struct session *session_pool_take(struct session_pool *pool); // NULL: all are in use
void session_pool_return(struct session_pool *pool, struct session *session);
void session_pool_close(struct session_pool *pool);

#endif
