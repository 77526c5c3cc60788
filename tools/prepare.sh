# What `run` and `test` share: a virtual environment, the web pages and the relay's compiled data path (where there is a C
# compiler), made once and again when their inputs change.
#
# Each step leaves its stamp last, so a step that was interrupted is done again. Everything is said on stderr: stdout
# belongs to the program. Two callers at once take turns on a lock.

say() { printf 'slidewire: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Install Debian packages, or say the command to type.
apt_install() {
    command -v apt-get >/dev/null || stop "please install these with your system's package manager: $*"
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || stop "please type this, then start again:  sudo apt-get install $*"
    say "installing Debian packages: $*"
    local log
    log=$(mktemp)
    # The lists may be absent or out of date; fetching them costs seconds, so only when it did not work without.
    if ! { apt_get install -y --no-install-recommends "$@" ||
        { apt_get update && apt_get install -y --no-install-recommends "$@"; }; } >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        stop "apt-get could not install: $* (what it said is above)"
    fi
    rm -f "$log"
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=500 -o Dpkg::Use-Pty=0 "$@"
}

find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    stop "needs Python 3.11 or newer, and found none. On Debian or Ubuntu:  apt-get install python3"
}

make_environment() {
    local python
    python=$(find_python) || exit 1
    # Debian packs the part that puts pip into a new environment separately.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        apt_install "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    fi
    say "making a virtual environment in .venv ($("$python" --version))"
    "$python" -m venv --clear "$root/.venv" >&2 || stop "python could not make the virtual environment .venv"
}

# From the locks, every file by its hash; Slidewire itself from here. What builds it comes first, so that pip need not make
# an environment for that, with packages that nobody has locked.
install_packages() {
    local pip=("$root/.venv/bin/python" -m pip install -qq --disable-pip-version-check)
    "${pip[@]}" --no-compile -r "$root/lock/build.txt" >&2 &&
        "${pip[@]}" --no-build-isolation -r "$root/lock/${1:-run}.txt" >&2 &&
        "${pip[@]}" --no-build-isolation --no-deps --editable "$root" >&2
}

fingerprint() { cat "$root/pyproject.toml" "$root/hatch_build.py" "$root"/lock/*.txt | cksum; }

# prepare EXTRA: .venv with the package (and what lock/EXTRA.txt has, if not empty), and the web pages.
prepare() {
    local extra=$1 stamp=$root/.venv/.ready${1:+-$1} wanted python=$root/.venv/bin/python
    wanted="$root $(fingerprint)"
    # The everyday case, in a few milliseconds: nothing that matters is newer than the last time all was well.
    if [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && [ -f "$root/src/slidewire/server/pages/.built-from" ] &&
        [ -z "$(find "$root/web" "$root/tools" "$root/src/slidewire/relay/_relay.c" \( -name node_modules -o -name dist -o -name __pycache__ \) -prune -o -newer "$stamp" -print -quit)" ]; then
        return
    fi
    (
        if command -v flock >/dev/null && ! flock -n 9; then
            say "waiting for another run that is preparing"
            flock 9
        fi
        # pip names the folder it lives in: an environment that was moved here, or never finished, is made anew.
        case $("$root/.venv/bin/pip" --version 2>/dev/null || true) in
            *" from $root/.venv/"*) ;;
            *) make_environment ;;
        esac
        touch "$root/.venv/.preparing"
        if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
            say "installing Slidewire and what it needs into .venv"
            install_packages "$extra" ||
                stop "pip could not install; what it said above tells why"
        fi
        "$python" "$root/tools/pages.py" || exit 1
        "$python" "$root/tools/compiled.py" || exit 1
        # The stamp bears the time at which we began, so that what changed meanwhile is looked at next time.
        echo "$wanted" >"$stamp"
        touch -r "$root/.venv/.preparing" "$stamp"
        [ -z "$extra" ] || cp -p "$stamp" "$root/.venv/.ready"
    ) 9<"$root/run" || exit 1
}
