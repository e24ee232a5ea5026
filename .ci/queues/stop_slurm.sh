#!/usr/bin/env bash
# Stops what start_slurm.sh started; its jobs end with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./processes.sh
shopt -s nullglob

if alive /run/slurmctld.pid; then
    timeout 15 squeue --noheader --format %A 2>/dev/null | xargs -r timeout 15 scancel || true
    sleep 1
fi
for file in /run/slurmd-*.pid /run/slurmctld.pid /run/munge/munged.pid; do
    end "$file"
done
