#!/usr/bin/env bash
# Stops what start_sshd.sh started:  stop_sshd.sh FOLDER
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
end "${1:?usage: stop_sshd.sh FOLDER}/sshd.pid"
