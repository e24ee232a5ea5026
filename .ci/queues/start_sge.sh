#!/usr/bin/env bash
# Starts a Grid Engine of one node, as root and without systemd. May be called again at any time.
# It listens on all interfaces (it knows no other way): stop it when the tests are over.
#   SLOTS  how many jobs run at once
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
export SGE_ROOT=/var/lib/gridengine SGE_CELL=default SGE_SINGLE_LINE=1
host=$(hostname -s) slots=${SLOTS:-2} cell=$SGE_ROOT/$SGE_CELL/common
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
name_host "$host"
echo "$host localhost $(hostname)" >"$cell/host_aliases" # reverse look-up of 127.0.0.1
echo "$host" >"$cell/act_qmaster"

qconf -sh >/dev/null 2>&1 || /usr/sbin/sge_qmaster
within 20 qconf -sh
{ qconf -ah "$host" && qconf -as "$host"; } >/dev/null 2>&1 || true

if ! qconf -sel 2>/dev/null | grep -qx "$host"; then
    cat >"$new/node" <<CONF
hostname $host
load_scaling NONE
complex_values NONE
user_lists NONE
xuser_lists NONE
projects NONE
xprojects NONE
usage_scaling NONE
report_variables NONE
CONF
    qconf -Ae "$new/node"
fi

# Root may submit. This must be said before the node daemon starts.
mkdir "$new/conf"
qconf -sconf | sed '/^#/d; s/^\(min_[ug]id\) .*/\1 0/' >"$new/conf/global"
qconf -Mconf "$new/conf/global" >/dev/null
node_daemon() { # its folder is called after what the reverse look-up says
    local file
    for file in /var/spool/gridengine/execd/*/execd.pid; do alive "$file" && return; done
    return 1
}
node_daemon || /usr/sbin/sge_execd

if ! qconf -sp smp >/dev/null 2>&1; then
    cat >"$new/smp" <<'CONF'
pe_name smp
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
CONF
    qconf -Ap "$new/smp"
fi
if ! qconf -shgrp @allhosts >/dev/null 2>&1; then
    printf 'group_name @allhosts\nhostlist %s\n' "$host" >"$new/hosts"
    qconf -Ahgrp "$new/hosts"
fi
if ! qconf -sq standard >/dev/null 2>&1; then
    qconf -sq | sed -e 's/^qname .*/qname standard/' -e 's/^hostlist .*/hostlist @allhosts/' \
        -e "s/^slots .*/slots $slots/" -e 's/^pe_list .*/pe_list smp make/' \
        -e 's#^shell .*#shell /bin/bash#' -e 's/^shell_start_mode .*/shell_start_mode unix_behavior/' \
        -e 's/^load_thresholds .*/load_thresholds NONE/' >"$new/queue"
    qconf -Aq "$new/queue"
fi
qconf -ssconf | sed -e 's/^schedule_interval .*/schedule_interval 0:0:2/' \
    -e 's/^flush_submit_sec .*/flush_submit_sec 1/' \
    -e 's/^flush_finish_sec .*/flush_finish_sec 1/' >"$new/scheduler"
qconf -Msconf "$new/scheduler" >/dev/null
qmod -cq standard >/dev/null 2>&1 || true # clears the error state that an earlier start may have left

ready() { qstat -f | grep -qE "^standard@.* [0-9.]+ +[a-z0-9-]+ *$"; }
within 30 ready || { qstat -f; exit 1; }
qstat -f
