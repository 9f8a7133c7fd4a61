// SPDX-License-Identifier: Apache-2.0
// Parses --target: KEY=VALUE, separated by commas.
#include <stdio.h>
#include <string.h>

#include "load_options.h"

static bool read_sources(struct args *args, struct target *target, char *text)
{
	char *rest = NULL;
	for (char *item = strtok_r(text, "+", &rest); item; item = strtok_r(NULL, "+", &rest)) {
		if (target->sources_count == SOURCES_MAX)
			return args_refuse(args, "--target: at most %d sources", SOURCES_MAX);
		if (!address_parse(item, 0, &target->sources[target->sources_count++]))
			return args_refuse(args, "--target: source '%.60s' is not an IPv4 or IPv6 address", item);
	}
	return true;
}

static bool is_label(const char *text)
{
	size_t good = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_#.-");
	return good > 0 && good < LABEL_BYTES && !text[good];
}

static bool read_target_field(struct args *args, struct target *target, char *item, char **address, uint64_t *port)
{
	char *value = strchr(item, '=');
	if (!value)
		return args_refuse(args, "--target: '%.60s' is not KEY=VALUE", item);
	*value++ = '\0';
	if (!strcmp(item, "label")) {
		if (!is_label(value))
			return args_refuse(args, "--target: '%.60s' is not a label", value);
		strcpy(target->label, value);
	} else if (!strcmp(item, "netns")) {
		if (strlen(value) >= sizeof target->netns)
			return args_refuse(args, "--target: the netns path is too long");
		strcpy(target->netns, value);
	} else if (!strcmp(item, "tls")) {
		if (!value[0] || strlen(value) >= sizeof target->authority)
			return args_refuse(args, "--target: the path after tls= is %s",
					   value[0] ? "too long" : "empty");
		strcpy(target->authority, value);
	} else if (!strcmp(item, "address")) {
		*address = value;
	} else if (!strcmp(item, "port")) {
		return args_whole(args, "--target: port", value, 1, 65535, port);
	} else if (!strcmp(item, "rate")) {
		return args_real(args, "--target: rate", value, RATE_MIN, RATE_MAX, &target->rate_per_s);
	} else if (!strcmp(item, "source")) {
		return read_sources(args, target, value);
	} else {
		return args_refuse(args, "--target: '%.40s' is none of label, netns, address, port, rate, source, tls",
				   item);
	}
	return true;
}

static bool parse_fields(struct args *args, struct target *target, char *text)
{
	char *rest = NULL, *address = NULL;
	uint64_t port = 0;
	for (char *item = strtok_r(text, ",", &rest); item; item = strtok_r(NULL, ",", &rest))
		if (!read_target_field(args, target, item, &address, &port))
			return false;
	if (!address || !port)
		return args_refuse(args, "--target: give address= and port=");
	if (!address_parse(address, (uint16_t)port, &target->address))
		return args_refuse(args, "--target: '%.60s' is not an IPv4 or IPv6 address", address);
	for (int i = 0; i < target->sources_count; i++)
		if (target->sources[i].any.sa_family != target->address.any.sa_family)
			return args_refuse(args, "--target %s: source and address are of two families", target->label);
	address_text(&target->address, target->text, sizeof target->text);
	return true;
}

bool target_read(struct args *args, const struct option_row *row, const char *text, void *values)
{
	struct plan *plan = &((struct load_options *)values)->plan;
	char copy[4096];
	(void)row;
	if (plan->targets_count == TARGETS_MAX)
		return args_refuse(args, "--target: at most %d", TARGETS_MAX);
	if (strlen(text) >= sizeof copy)
		return args_refuse(args, "--target: too long");
	strcpy(copy, text);
	struct target *target = &plan->targets[plan->targets_count];
	*target = (struct target){.netns_fd = -1};
	snprintf(target->label, sizeof target->label, "target%d", plan->targets_count);
	if (!parse_fields(args, target, copy))
		return false;
	for (int i = 0; i < plan->targets_count; i++)
		if (!strcmp(plan->targets[i].label, target->label))
			return args_refuse(args, "--target: label '%s' is given twice", target->label);
	plan->targets_count++;
	return true;
}
