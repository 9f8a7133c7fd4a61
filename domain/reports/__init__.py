"""What a campaign's report says, and the files that it is written to. Pure."""
