"""Statistics: intervals, tests, sequential looks, weights and change points. They know no campaign. Pure."""
