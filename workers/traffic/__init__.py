"""Traffic generators: drivers of programs that make the traffic of one slice."""
