"""The command line. Commands of other rooms are discovered by entry point, never imported."""
