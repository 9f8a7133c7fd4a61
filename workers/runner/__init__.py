"""Measures one block: set-up, warm-up, slices, readings, proof and validity."""
