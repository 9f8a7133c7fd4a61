"""Everything around the service: bootstrap, private stack, command line, campaign files, systemd, compose."""
