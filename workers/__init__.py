"""Worker hosts: labs, datapaths, workloads and traffic; one block from set-up to proof."""
