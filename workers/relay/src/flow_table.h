// SPDX-License-Identifier: Apache-2.0
// The flows of all threads, by client and destination: a fixed number. Callers hold `lock`.
#ifndef SHOWDOWN_FLOW_TABLE_H
#define SHOWDOWN_FLOW_TABLE_H

#include <pthread.h>

#include "address.h"

struct flow;

struct flow_table {
	pthread_mutex_t lock;
	struct flow *all, *spare, **buckets;
	uint32_t size, bucket_mask;
	uint32_t touched; // flows that were ever used; the memory of the others is never touched
};

bool flow_table_open(struct flow_table *table, uint32_t size);
struct flow *flow_table_find(const struct flow_table *table, const union address *client,
			     const union address *destination);
// A flow for this pair, which has none yet. NULL: the table is full.
struct flow *flow_table_add(struct flow_table *table, const union address *client, const union address *destination);
void flow_table_remove(struct flow_table *table, struct flow *flow);
void flow_table_close(struct flow_table *table);

#endif
