"""What the service does: one public method for each call or pass."""
