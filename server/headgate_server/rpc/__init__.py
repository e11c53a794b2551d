"""The callers' door: protobuf in, protobuf out."""
