#!/usr/bin/env bash
# Starts SLURM on loopback, as root and without systemd. May be called again at any time.
#   NODES  1 (this host) or more (n1, n2, ...: as many node daemons on this host)   CPUS  of a node
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./processes.sh
nodes=${NODES:-1} cpus=${CPUS:-2} memory_mb=${MEMORY_MB:-4000}
host=$(hostname -s)
name_host "$host"

install -d -o munge -g munge -m 0755 /run/munge
install -d -o munge -g munge -m 0700 /var/log/munge /var/lib/munge
install -d /var/spool/slurmctld /var/log/slurm

if [ "$nodes" = 1 ]; then
    names=("$host") list=$host line="NodeName=$host NodeAddr=127.0.0.1"
else
    mapfile -t names < <(seq -f "n%g" "$nodes")
    list="n[1-$nodes]"
    line="NodeName=$list NodeHostname=$host NodeAddr=127.0.0.1 Port=[6821-$((6820 + nodes))]"
fi

settings=$(cat <<CONF
ClusterName=testing
SlurmctldHost=$host(127.0.0.1)
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=/var/spool/slurmctld
SlurmctldPidFile=/run/slurmctld.pid
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdSpoolDir=/var/spool/slurmd-%n
SlurmdPidFile=/run/slurmd-%n.pid
SlurmdLogFile=/var/log/slurm/slurmd-%n.log
# A node may offer more cores than the machine has.
SlurmdParameters=config_overrides
# No cgroups, no accounting database.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
ReturnToService=2
JobRequeue=0
MinJobAge=3600
KillWait=2
SlurmctldTimeout=30
# A node that is silent for so many seconds has failed.
SlurmdTimeout=20
$line CPUs=$cpus Boards=1 SocketsPerBoard=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=$memory_mb State=UNKNOWN
PartitionName=standard Nodes=$list Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=$list MaxTime=00:01:00 State=UP
CONF
)
# Another layout than the one that runs: begin anew.
if [ "$settings" != "$(cat /etc/slurm/slurm.conf 2>/dev/null)" ]; then
    ./stop_slurm.sh
    printf '%s\n' "$settings" >/etc/slurm/slurm.conf
fi

round_trip() { munge -n | unmunge; }
round_trip >/dev/null 2>&1 || setpriv --reuid=munge --regid=munge --clear-groups /usr/sbin/munged --force
within 10 round_trip
alive /run/slurmctld.pid || slurmctld -c
for name in "${names[@]}"; do
    install -d "/var/spool/slurmd-$name"
    alive "/run/slurmd-$name.pid" || slurmd -N "$name"
done

all_ready() { [ "$(sinfo -h -N -p standard -t idle,mixed,allocated | wc -l)" = "$nodes" ]; }
within 40 all_ready
sinfo -N -l
