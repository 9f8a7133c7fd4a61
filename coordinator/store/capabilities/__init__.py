"""What hosts can run, and what their trait matrices say."""
