"""From stored attempts to the trials that count, by cell and by block, and to the figures of one cell. Pure."""
