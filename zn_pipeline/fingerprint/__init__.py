"""What makes a stage stale: digests of source code and of values."""
