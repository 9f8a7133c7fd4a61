"""The database, its tables, and rows that cannot be read."""
