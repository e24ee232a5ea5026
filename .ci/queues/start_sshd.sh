#!/usr/bin/env bash
# Starts an sshd of its own on loopback, with throw-away keys; ~/.ssh and /etc/ssh stay untouched.
#   start_sshd.sh FOLDER [PORT]     then: ssh -F FOLDER/ssh_config testing
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
folder=${1:?usage: start_sshd.sh FOLDER [PORT]} port=${2:-2222}
mkdir -p "$folder" /run/sshd
folder=$(cd "$folder" && pwd)
chmod 700 "$folder"

for key in host user; do
    [ -f "$folder/$key" ] || ssh-keygen -q -t ed25519 -N '' -f "$folder/$key"
done
install -m 600 "$folder/user.pub" "$folder/authorized_keys"
cat >"$folder/sshd_config" <<CONF
Port $port
ListenAddress 127.0.0.1
HostKey "$folder/host"
AuthorizedKeysFile "$folder/authorized_keys"
PidFile "$folder/sshd.pid"
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
MaxSessions 20
CONF
cat >"$folder/ssh_config" <<CONF
Host testing
  HostName 127.0.0.1
  Port $port
  User $(id -un)
  IdentityFile "$folder/user"
  IdentitiesOnly yes
  UserKnownHostsFile "$folder/known_hosts"
  StrictHostKeyChecking accept-new
  LogLevel ERROR
CONF
alive "$folder/sshd.pid" || /usr/sbin/sshd -f "$folder/sshd_config"
within 10 ssh -F "$folder/ssh_config" -o BatchMode=yes testing true
echo "sshd listens on 127.0.0.1:$port; ssh -F $folder/ssh_config testing"
