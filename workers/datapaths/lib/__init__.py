"""What several datapaths share: programs, steering, forwarding, balancing, proxies. No datapath is imported here."""
