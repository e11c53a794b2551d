"""Who wants to know: the log's one reader, fanned out to watchers."""
