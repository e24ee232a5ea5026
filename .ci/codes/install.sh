#!/usr/bin/env bash
# GPAW (into .venv, built without MPI), CP2K and Quantum ESPRESSO (by apt) for the slow tests.
# For a bare Debian 12, as root; what is there already is left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export DEBIAN_FRONTEND=noninteractive PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
python=${PYTHON:-$PWD/.venv/bin/python}
upf=/usr/share/doc/quantum-espresso/examples

# The only pseudopotentials of Debian are examples of Quantum ESPRESSO below /usr/share/doc, which
# slim images leave out of every package unless it is asked for.
apt_install() {
    apt-get -o DPkg::Lock::Timeout=900 update -qq
    apt-get -o DPkg::Lock::Timeout=900 install -y -qq --no-install-recommends \
        -o Dpkg::Options::=--path-include='/usr/share/doc/quantum-espresso/*' "$@"
}

wanted=()
command -v g++ >/dev/null || wanted+=(g++ libc6-dev)
[ -e /usr/include/xc.h ] || wanted+=(libxc-dev)
compgen -G '/usr/include/*/cblas.h' >/dev/null || wanted+=(libopenblas-dev)
command -v cp2k_shell >/dev/null || wanted+=(cp2k cp2k-data)
command -v pw.x >/dev/null || wanted+=(quantum-espresso quantum-espresso-data)
[ -e "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] \
    || wanted+=(python3-dev)
if [ "${#wanted[@]}" -gt 0 ]; then
    echo "==> apt: ${wanted[*]} ..."
    apt_install "${wanted[@]}" >/dev/null
fi
if [ ! -d "$upf" ]; then
    echo "==> apt: quantum-espresso-data again, with its examples ..."
    apt_install --reinstall quantum-espresso-data >/dev/null
fi

if ! "$python" -c 'import _gpaw' 2>/dev/null; then
    echo "==> Building GPAW (about half a minute) ..."
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
    cp .ci/codes/siteconfig.py "$build/"
    if "$python" -c 'import pip' 2>/dev/null; then pip=("$python" -m pip)
    else pip=(python3 -m pip --python "$python"); fi
    # A wheel that another project built may lie in the cache, with MPI: built anew.
    GPAW_CONFIG="$build/siteconfig.py" "${pip[@]}" install --quiet --no-cache-dir --no-binary gpaw \
        -c constraints.txt 'gpaw==26.7.0' 'gpaw-data==1.2.1'
fi
echo "==> GPAW, CP2K and Quantum ESPRESSO are ready."
