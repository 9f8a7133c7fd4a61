"""The servers that answer in a lab, one file each."""
