"""headgate's server: the truth about flow runs, over SQL, behind gRPC."""
