"""What the ticker does: ends, retention, repaired clocks, and one question that asks whether anything is due."""
