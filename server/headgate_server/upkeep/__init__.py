"""The clock's door: background passes, each through the same operations as a call."""
