"""Hostile and absurd input, and random faults in simulated time: what must never end in an error or a lost block."""
