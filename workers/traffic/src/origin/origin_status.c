// SPDX-License-Identifier: Apache-2.0
#include "origin_status.h"

#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "peer.h"

static const struct server *servers;
static int servers_count;

void origin_status_of(const struct server *all, int count)
{
	servers = all;
	servers_count = count;
}

static void print_named(void)
{
	printf("\"named\":{");
	for (int name = 0; name < NAMED; name++) {
		uint64_t sum = 0;
		for (int i = 0; i < servers_count; i++)
			sum += counter_read(&servers[i].named[name]);
		if (name < LLM_MODELS)
			printf("\"model %s\":%" PRIu64 ",", llm_model_names[name], sum);
		else
			printf("\"failed\":%" PRIu64 "},", sum);
	}
}

static void print_served(void)
{
	struct served sum = {0};
	for (int i = 0; i < servers_count; i++) {
#define ADD_COUNTER(name) sum.name += counter_read(&servers[i].served.name);
		SERVED_COUNTERS(ADD_COUNTER)
#undef ADD_COUNTER
	}
#define PRINT_COUNTER(name) json_whole(#name, sum.name);
	SERVED_COUNTERS(PRINT_COUNTER)
#undef PRINT_COUNTER
	print_named();
	printf("\"last_wrong_client\":");
	json_text(peer_last_wrong_client());
	printf("}\n");
	fflush(stdout);
}

// Listeners are in the same order in every thread: by service, then by address.
static uint64_t accepted_at(int address)
{
	uint64_t sum = 0;
	for (int i = 0; i < servers_count; i++)
		for (int j = address; j < servers[i].listeners_count; j += servers[i].plan->addresses_count)
			sum += counter_read(&servers[i].listeners[j].accepted);
	return sum;
}

void origin_print_ready(const struct origin_plan *plan)
{
	const struct service *service;
	printf("{\"type\":\"ready\"");
	for (size_t i = 0; (service = service_at(i)); i++)
		if (plan->ports[i] != PORT_NONE)
			printf(",\"%s\":%d", service->name, plan->ports[i]);
	printf("}\n");
	fflush(stdout);
}

void origin_print_status(void)
{
	const struct origin_plan *plan = servers[0].plan;
	printf("{\"type\":\"status\",\"by_address\":{");
	for (int i = 0; i < plan->addresses_count; i++) {
		char text[ADDRESS_TEXT_BYTES];
		address_host_text(&plan->addresses[i], text, sizeof text);
		printf("%s\"%s\":%" PRIu64, i ? "," : "", text, accepted_at(i));
	}
	printf("},");
	print_served();
}

void origin_print_final(const char *failure)
{
	printf("{\"type\":\"final\",\"schema_version\":1,\"failure\":");
	json_text(failure);
	putchar(',');
	print_served();
}
