"""Values to files and back, records to text and back. Knows nothing of Git, DVC or Dask."""
