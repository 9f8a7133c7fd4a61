"""One file per trait, discovered: a test of what a datapath keeps or carries beside its speed."""
