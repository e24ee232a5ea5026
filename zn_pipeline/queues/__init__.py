"""Batch jobs that need no driver: a folder with a command, on this machine or behind a queue.

- ``pools``: what ``pools.toml`` says;
- ``jobs``: launch, watch, fetch and forget jobs;
- ``job``: what runs inside a job;
- ``schedulers``: SLURM, Grid Engine, PBS, and a queue of this machine's own;
- ``transport``: commands and files, here or over ssh;
- ``dask_cluster``: Dask workers as batch jobs.
"""
