"""What a person may answer: placeholders filled in, answers held against a JSON schema. Pure."""
