"""What a user submits: a campaign, its primary comparisons, its budget and its expectations. Pure."""
