#!/usr/bin/env bash
# Installs SLURM, Grid Engine, sshd and rsync on Debian 12. Nothing is started.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
node=$(hostname -s)

apt-get update
apt-get install -y --no-install-recommends slurm-wlm munge openssh-server rsync
debconf-set-selections <<ANSWERS
gridengine-master shared/gridenginemaster string $node
gridengine-master shared/gridenginecell string default
gridengine-master shared/gridengineconfig boolean true
ANSWERS
apt-get install -y --no-install-recommends gridengine-master gridengine-exec gridengine-client

# qsub, qstat and qdel of PBS in front of SLURM. Their package would replace Grid Engine's commands
# of the same names, so they go into a folder of their own.
apt-get install -y --no-install-recommends libslurm-perl libslurmdb-perl libswitch-perl
place=/opt/pbs-for-slurm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download slurm-wlm-torque 2>/dev/null && dpkg -x slurm-wlm-torque_*.deb .)
rm -rf "$place" && mkdir -p "$place/bin"
cp "$work"/usr/bin/q* "$place/bin"
ln -s /usr/bin/s{batch,cancel,control,info,queue,run,alloc} "$place/bin"
printf '#!/bin/sh\nexit 1\n' >"$place/bin/qselect" # theirs has none, and Grid Engine's is another
chmod +x "$place/bin/qselect"
