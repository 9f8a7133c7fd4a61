"""What a trial measures: histograms, counters, evidence, figures, and the reasons against it. Pure."""
