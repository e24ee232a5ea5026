# Sourced by the scripts beside it: daemons by their pid files, on a machine without systemd.

# alive PIDFILE: the process runs. One that has ended and was never reaped does not count.
alive() {
    local pid state
    [ -f "$1" ] && pid=$(cat "$1" 2>/dev/null) || return 1
    state=$(ps -o stat= -p "$pid" 2>/dev/null) || return 1
    [ "${state:0:1}" != Z ]
}

# within SECONDS COMMAND...: repeat a command until it succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.3
    done
}

# end PIDFILE: ask a process to end, kill it after ten seconds, remove its pid file.
end() {
    local pid
    if alive "$1"; then
        pid=$(cat "$1") # a daemon that ends removes the file
        kill "$pid"
        within 10 dead "$1" || kill -KILL "$pid"
    fi
    rm -f "$1"
}

dead() { ! alive "$1"; }

# The name of this host must lead to loopback, where all daemons listen.
name_host() {
    grep -qE "^127\.0\.0\.1\s.*\b$1\b" /etc/hosts || echo "127.0.0.1 $1" >>/etc/hosts
}
