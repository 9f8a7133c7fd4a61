"""Where time and CPU went: kernel stages, their differences, and flame graphs. Pure."""
