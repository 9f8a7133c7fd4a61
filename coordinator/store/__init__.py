"""The database: the only truth. Nothing above it (requests, pages, the ticker) may be imported here."""
