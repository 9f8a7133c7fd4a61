// SPDX-License-Identifier: Apache-2.0
#include "flow_table.h"

#include <stdlib.h>
#include <string.h>

#include "relay.h"

bool flow_table_open(struct flow_table *table, uint32_t size)
{
	uint32_t buckets = 1;
	while (buckets < size)
		buckets *= 2;
	*table = (struct flow_table){.lock = PTHREAD_MUTEX_INITIALIZER, .size = size, .bucket_mask = buckets - 1};
	table->all = calloc(size, sizeof *table->all);
	table->buckets = calloc(buckets, sizeof(struct flow *));
	return table->all && table->buckets;
}

// FNV-1a, over the bytes in which two addresses differ.
static uint32_t mixed(uint32_t hash, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ ((const uint8_t *)bytes)[i]) * 16777619u;
	return hash;
}

static uint32_t hash_of(uint32_t hash, const union address *address)
{
	if (address->any.sa_family == AF_INET6) {
		hash = mixed(hash, &address->v6.sin6_addr, sizeof address->v6.sin6_addr);
		return mixed(hash, &address->v6.sin6_port, sizeof address->v6.sin6_port);
	}
	hash = mixed(hash, &address->v4.sin_addr, sizeof address->v4.sin_addr);
	return mixed(hash, &address->v4.sin_port, sizeof address->v4.sin_port);
}

static struct flow **bucket_of(const struct flow_table *table, const union address *client,
			       const union address *destination)
{
	return &table->buckets[hash_of(hash_of(2166136261u, client), destination) & table->bucket_mask];
}

struct flow *flow_table_find(const struct flow_table *table, const union address *client,
			     const union address *destination)
{
	struct flow *flow = *bucket_of(table, client, destination);
	while (flow && !(address_same(&flow->client, client) && address_same(&flow->destination, destination)))
		flow = flow->next;
	return flow;
}

struct flow *flow_table_add(struct flow_table *table, const union address *client, const union address *destination)
{
	struct flow **bucket = bucket_of(table, client, destination), *flow = table->spare;
	if (flow)
		table->spare = flow->next;
	else if (table->touched < table->size)
		flow = &table->all[table->touched++];
	else
		return NULL;
	*flow = (struct flow){.client = *client, .destination = *destination, .next = *bucket};
	*bucket = flow;
	return flow;
}

void flow_table_remove(struct flow_table *table, struct flow *flow)
{
	struct flow **at = bucket_of(table, &flow->client, &flow->destination);
	while (*at != flow)
		at = &(*at)->next;
	*at = flow->next;
	flow->next = table->spare;
	table->spare = flow;
}

void flow_table_close(struct flow_table *table)
{
	free(table->all);
	free(table->buckets);
	*table = (struct flow_table){.lock = PTHREAD_MUTEX_INITIALIZER};
}
