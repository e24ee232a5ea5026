"""Planning and running: what is stale and why, workers, the single writer, executors."""
