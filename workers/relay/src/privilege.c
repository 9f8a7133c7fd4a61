// SPDX-License-Identifier: Apache-2.0
#include "privilege.h"

#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534

#ifndef CAP_BPF
#define CAP_BPF 39
#endif

static bool keep(uint64_t capabilities)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t word = (uint32_t)(capabilities >> (32 * i));
		data[i] = (struct __user_cap_data_struct){.effective = word, .permitted = word};
	}
	return syscall(SYS_capset, &header, data) == 0;
}

bool privileges_drop(const struct relay_options *options)
{
	uint64_t needed = 0;
	pid_t parent = getppid();
	int death = 0;
	if (geteuid() != 0)
		return true; // an ordinary user has no privileges to drop
	if (options->transparent)
		needed |= 1ull << CAP_NET_RAW; // IP_TRANSPARENT: bind to the client's address
	if (options->transparent && options->udp)
		needed |= 1ull << CAP_NET_BIND_SERVICE; // bind to the port that the client asked for
	if (options->maps.verdict_fd >= 0)
		needed |= 1ull << CAP_BPF; // put sockets into the maps
	// setresuid(2) clears the parent-death signal, so it is read here and set again below.
	if (prctl(PR_GET_PDEATHSIG, &death) != 0 || prctl(PR_SET_KEEPCAPS, 1) != 0 || setgroups(0, NULL) != 0 ||
	    setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0 || !keep(needed) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return false;
	if (death) {
		if (prctl(PR_SET_PDEATHSIG, death) != 0)
			return false;
		if (getppid() != parent)
			raise(death); // the parent died in between
	}
#ifdef __SANITIZE_ADDRESS__
	prctl(PR_SET_DUMPABLE, 1); // LeakSanitizer attaches to the process with ptrace(2) at exit
#endif
	return true;
}
