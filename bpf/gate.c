// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The gate before the chain of programs on each tracepoint (bpf/chain.py). While it is closed, an event costs one read
 * of a word, however many probes are behind the gate. One write opens it for all of them at once.
 */

BPF_ARRAY(is_open, u64, 1);
/* The first program of each tracepoint's chain. Each gate has its slot as a constant, so that the kernel compiles the
 * tail call as a direct jump.
 */
BPF_PROG_ARRAY(first, GATES);

static __always_inline int pass(struct bpf_raw_tracepoint_args *ctx, int slot)
{
	int zero = 0;
	u64 *open = is_open.lookup(&zero);

	if (open && *open)
		first.call(ctx, slot);
	return 0;
}

#define GATE(slot)                                                                                                     \
	int gate_##slot(struct bpf_raw_tracepoint_args *ctx);                                                          \
	int gate_##slot(struct bpf_raw_tracepoint_args *ctx)                                                           \
	{                                                                                                              \
		return pass(ctx, slot);                                                                                \
	}

/* As many as GATES in bpf/chain.py. */
GATE(0)
GATE(1)
GATE(2)
GATE(3)
GATE(4)
GATE(5)
GATE(6)
GATE(7)
GATE(8)
GATE(9)
GATE(10)
GATE(11)
GATE(12)
GATE(13)
GATE(14)
GATE(15)
GATE(16)
GATE(17)
GATE(18)
GATE(19)
GATE(20)
GATE(21)
GATE(22)
GATE(23)
