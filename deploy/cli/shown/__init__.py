"""Parts of a report, of a campaign's state and of hosts, as text on a terminal."""
