"""Traits of datapaths, one file each, discovered: tests of what a datapath preserves or carries, apart from speed."""
