"""The command line. It discovers the commands of other rooms by entry point and imports none of them."""
