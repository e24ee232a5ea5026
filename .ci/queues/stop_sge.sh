#!/usr/bin/env bash
# Stops what start_sge.sh started; its jobs are deleted.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
export SGE_ROOT=/var/lib/gridengine SGE_CELL=default

qconf -sh >/dev/null 2>&1 || exit 0
qdel -f -u '*' >/dev/null 2>&1 || true
qconf -ke all >/dev/null 2>&1 || true
sleep 2
qconf -km >/dev/null
gone() {
    local file
    for file in /var/spool/gridengine/{qmaster/qmaster,execd/*/execd}.pid; do
        ! alive "$file" || return 1
    done
}
within 40 gone
