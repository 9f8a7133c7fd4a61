"""A campaign's report and its answer on one screen. Pure."""
