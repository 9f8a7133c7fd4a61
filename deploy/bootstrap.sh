#!/usr/bin/env bash
# Prepares a Debian 12 host to build, test and run Showdown. Idempotent: it prints what it does, and nothing
# if there is nothing to do. It needs root only to install what is missing.
#
# With SHOWDOWN_PRODUCTION=1 it leaves out what only development needs, in Debian's packages and in Python's.
# apt and pip use the package indexes of their own configuration.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ARCH=$(dpkg --print-architecture)
KERNEL=$(uname -r)
MODULES=/lib/modules/$KERNEL
VENV=.venv
PACKAGES=(
    python3 python3-venv python3-bpfcc libbpfcc "linux-headers-$ARCH"        # Python, and BCC with its headers
    redis-server influxdb nginx-light libnginx-mod-stream haproxy wrk        # the private stack and the labs
    nftables iproute2 ethtool nghttp2-client openssl                         # the host's network tools
    gcc libc6-dev make libssl-dev libnghttp2-dev ca-certificates             # build
)
LOCK=requirements-production.lock
if [ "${SHOWDOWN_PRODUCTION:-0}" != 1 ]; then
    PACKAGES+=(clang-format git chromium) # check, test
    LOCK=requirements.lock
fi
DAEMONS=(redis-server influxdb nginx haproxy)

say() { printf 'bootstrap: %s\n' "$*"; }
fail() {
    printf 'bootstrap: %s\n' "$*" >&2
    exit 1
}
needs_root() { [ "$(id -u)" -eq 0 ] || fail "needs root to $1; run: sudo $PWD/deploy/bootstrap.sh"; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

APT_UPDATED=no
apt_update() {
    [ "$APT_UPDATED" = no ] || return 0
    say "reading the package lists"
    apt-get -q=2 -o DPkg::Lock::Timeout=300 update
    APT_UPDATED=yes
}

# That a daemon was not started is as hold_daemons wants it, and no error.
without_denials() { grep -v 'policy-rc.d denied execution' || true; }

apt_install() {
    apt_update
    say "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get -q=2 -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
        install --no-install-recommends "$@" 2>&1 >/dev/null | without_denials >&2
}

# Debian starts and enables a daemon when its package is installed; Showdown starts private ones instead.
POLICY=/usr/sbin/policy-rc.d
hold_daemons() {
    [ ! -e "$POLICY" ] || return 0
    trap 'rm -f "$POLICY"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

install_packages() {
    local package missing=() daemon fresh=()
    for package in "${PACKAGES[@]}"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    needs_root "install ${missing[*]}"
    for daemon in "${DAEMONS[@]}"; do
        installed "$daemon" || fresh+=("$daemon")
    done
    hold_daemons
    apt_install "${missing[@]}"
    for daemon in "${fresh[@]}"; do
        # Only daemons that this run installed; earlier ones belong to the host's owner.
        systemctl disable --quiet "$daemon" 2>/dev/null || true
    done
}

# BCC compiles against /lib/modules/<release>/{build,source}. If no package matches the running kernel,
# use Debian's own headers: the programs read no kernel structure through them.
link_headers() {
    [ ! -e "$MODULES/build" ] || return 0
    needs_root "provide kernel headers in $MODULES"
    apt_update
    if apt-cache show "linux-headers-$KERNEL" >/dev/null 2>&1; then
        apt_install "linux-headers-$KERNEL"
        [ ! -e "$MODULES/build" ] || return 0
    fi
    local build common
    build=$(printf '%s\n' /usr/src/linux-headers-[0-9]*-"$ARCH" | grep -Ev -- "-(rt|cloud)-$ARCH\$" | sort -V | tail -n 1)
    common=${build%-"$ARCH"}-common
    [ -d "$build" ] && [ -d "$common" ] ||
        fail "found no kernel headers for BCC in /usr/src; install linux-headers-$ARCH and run again"
    say "linking $MODULES/build to $build, as no package matches this kernel"
    mkdir -p "$MODULES"
    ln -sfnT "$build" "$MODULES/build"
    ln -sfnT "$common" "$MODULES/source"
}

# tracefs has the tracepoints' formats (BCC reads them below debugfs); bpffs holds pins.
mount_filesystem() { # type, where
    ! mountpoint -q "$2" || return 0
    needs_root "mount $1 on $2"
    if mount -t "$1" "$1" "$2" 2>/dev/null; then
        say "mounted $1 on $2"
    else
        say "could not mount $1 on $2; 'showdown doctor' lists what is unavailable without it"
    fi
}

make_venv() {
    if [ ! -x "$VENV/bin/python" ]; then
        say "making $VENV"
        # Debian's Python by its path: BCC is built for it, and PATH may find another one first.
        /usr/bin/python3 -m venv "$VENV"
    fi
    grep -qx 'home = /usr/bin' "$VENV/pyvenv.cfg" ||
        fail "$VENV was made by another Python than /usr/bin/python3; remove it and run again"
}

install_python() {
    local lock project
    lock=$(sha256sum <"$LOCK")
    project=$(sha256sum <pyproject.toml)
    if [ "$lock" != "$(cat "$VENV/.lock-hash" 2>/dev/null)" ]; then
        say "installing the locked Python packages"
        # The lock is complete, so pip must not resolve: it would consider a newer release of a requirement
        # with extras ("pydantic[email]"), and refuse it because it is not pinned.
        "$VENV/bin/python" -m pip install -qq --no-deps --require-hashes -r "$LOCK"
        "$VENV/bin/python" -m pip check >/dev/null || fail "$LOCK is not complete; run: make lock"
        printf '%s\n' "$lock" >"$VENV/.lock-hash"
    fi
    # pip creates the commands when it installs the project, so a changed pyproject.toml needs a new installation.
    if [ "$project" != "$(cat "$VENV/.project-hash" 2>/dev/null)" ]; then
        say "installing Showdown itself, editable"
        "$VENV/bin/python" -m pip install -qq --no-deps --no-build-isolation -e .
        printf '%s\n' "$project" >"$VENV/.project-hash"
    fi
}

link_bcc() { # The package "bcc" of pip is another project. Debian's BCC is pure Python over libbcc.
    local bcc=/usr/lib/python3/dist-packages/bcc site
    site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    [ "$(readlink "$site/bcc" || true)" != "$bcc" ] || return 0
    say "linking BCC into $VENV"
    ln -sfnT "$bcc" "$site/bcc"
}

install_packages
link_headers
mount_filesystem tracefs /sys/kernel/tracing
mount_filesystem debugfs /sys/kernel/debug
mount_filesystem bpf /sys/fs/bpf
make_venv
install_python
link_bcc
