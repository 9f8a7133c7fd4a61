"""The database, which is authoritative. It imports nothing from the layers above: requests, pages, the ticker."""
