"""Measurements of the service against its bars. Run `make bench`, or `python -m benchmarks --help`."""
