"""The command line. It discovers the commands of other packages by entry point and imports none of them."""
