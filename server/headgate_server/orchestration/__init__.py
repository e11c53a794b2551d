"""What is allowed: pure rules over a proposed state. No I/O, no clock, no SQL, no wire."""
