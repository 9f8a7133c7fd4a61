// SPDX-License-Identifier: Apache-2.0
#include "session_pool.h"

#include <stdlib.h>

#include "relay.h"

bool session_pool_open(struct session_pool *pool, uint32_t size)
{
	*pool = (struct session_pool){.lock = PTHREAD_MUTEX_INITIALIZER, .size = size};
	pool->all = calloc(size, sizeof *pool->all);
	return pool->all;
}

struct session *session_pool_take(struct session_pool *pool)
{
	struct session *session;
	pthread_mutex_lock(&pool->lock);
	session = pool->spare;
	if (session)
		pool->spare = session->next;
	else if (pool->touched < pool->size)
		session = &pool->all[pool->touched++];
	pthread_mutex_unlock(&pool->lock);
	return session;
}

void session_pool_return(struct session_pool *pool, struct session *session)
{
	pthread_mutex_lock(&pool->lock);
	session->next = pool->spare;
	pool->spare = session;
	pthread_mutex_unlock(&pool->lock);
}

void session_pool_close(struct session_pool *pool)
{
	free(pool->all);
	*pool = (struct session_pool){.lock = PTHREAD_MUTEX_INITIALIZER};
}
