"""One block, from set-up to proof: time, warm-up, slices, readings, validity."""
