"""Comparisons and their words: families, primary questions, carried loads, expectations, power. Pure."""
