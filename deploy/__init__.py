"""What surrounds the service: bootstrap, the private stack, the command line, campaign files, systemd, compose."""
