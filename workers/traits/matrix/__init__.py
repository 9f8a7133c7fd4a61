"""All traits of all datapaths on this host: collected, kept on disk, printed, reported."""
