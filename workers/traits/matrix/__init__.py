"""The matrix of all traits of all datapaths on this host: run, kept on disk, printed, reported."""
