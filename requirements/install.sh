#!/bin/sh
# Makes .venv from a hashed lock: requirements/install.sh runtime.txt|dev.txt
# Says one clear sentence when it cannot; pip's own words are in .venv/install.log.
set -eu
cd "$(dirname "$0")/.."
lock="requirements/$1"
log=.venv/install.log
needed_mb=1500

fail() {
    echo "install: $1" >&2
    exit 1
}

names="python3.14 python3.13 python3.12 python3.11 python3 python"
systems="/usr/bin/python3.14 /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11"

# Prints "MINOR OPTIMIZED PROGRAM" for each Python 3.11 to 3.14 that can make virtual environments, the best first.
# OPTIMIZED is 1 where it was built with profiles, as distributions do and pyenv does not unless asked: a fifth less
# time for all that runs. PYTHON, where set, is taken as it is.
suitable() {
    for program in ${PYTHON:-$names $systems}; do
        "$program" -c '
import sys, sysconfig
minor = sys.version_info[1]
if sys.version_info[0] == 3 and 11 <= minor <= 14:
    import ensurepip, venv
    said = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    print(minor, int(said or sys.base_prefix == "/usr"), sys.executable)
' 2>/dev/null || true
    done | sort -s -k 1,1nr -k 2,2nr
}

# Prints what was found instead, for the sentence.
found_instead() {
    for program in ${PYTHON:-$names}; do
        "$program" -c 'import sys; sys.stdout.write("%d.%d " % sys.version_info[:2])' 2>/dev/null || true
    done
}

stamp=".venv/$1.installed"
wanted="$(cksum <"$lock") $(pwd)"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

python=$(suitable | head -n 1 | cut -d ' ' -f 3-)
if [ -z "$python" ]; then
    versions=$(found_instead | tr ' ' '\n' | sort -u | tr '\n' ' ')
    case " $versions" in
    *" 3.11 "* | *" 3.12 "* | *" 3.13 "* | *" 3.14 "*)
        fail "this Python cannot make virtual environments (its venv module is missing): install it, e.g. with: apt-get install python3-venv" ;;
    *)
        fail "Python 3.11 to 3.14 is needed, found ${versions:-none}: install one, e.g. apt-get install python3.11 python3.11-venv, or brew install python@3.13; PYTHON=/path/to/python makes use of one that is not on the PATH" ;;
    esac
fi

free_mb=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
if [ ! -f "$stamp" ] && [ "$free_mb" -lt "$needed_mb" ]; then
    fail "the disk is full: $free_mb MB are free here and $needed_mb MB are needed; free some space and run make again"
fi

# An environment of a Python that is gone, or that was moved here from another folder, is made anew.
if [ -d .venv ]; then
    if .venv/bin/python -c 'import pip' 2>/dev/null && grep -qF "$(pwd)/.venv" .venv/pyvenv.cfg; then
        python=.venv/bin/python
    else
        rm -rf .venv
    fi
fi
mkdir -p .venv || fail "the folder $(pwd) cannot be written to: clone the project into a folder of your own"
rm -f "$stamp"
echo "Installing $lock into .venv with $python; about a minute (details: $log)"

explain() {
    [ -f "$log" ] || fail "the log $log could not be written: is the disk full?"
    if grep -qi 'no space left on device\|disk quota exceeded' "$log"; then
        fail "the disk became full: free $needed_mb MB and run make again (details: $log)"
    elif grep -qi 'do not match the hashes' "$log"; then
        fail "a downloaded package is not the one that was pinned: do not trust this package index or mirror (details: $log)"
    elif grep -qi 'failed to establish a new connection\|name resolution\|network is unreachable\|timed out\|connection refused\|proxyerror\|sslerror' "$log"; then
        fail "the package index cannot be reached: check the network and proxy (HTTPS_PROXY, pip config) and run make again (details: $log)"
    fi
    reason=$(grep -i '^error' "$log" | tail -n 1)
    fail "the packages could not be installed: ${reason:-the log says why} (details: $log)"
}

: >"$log" || explain
[ "$python" = .venv/bin/python ] || "$python" -m venv .venv >"$log" 2>&1 || explain
# The lock is complete. Resolving it anew would let a release made after it in: older pips take the newest
# package[extra] where the lock pins the bare package, and then refuse it for want of a hash.
.venv/bin/python -m pip install --disable-pip-version-check --no-input --retries 2 \
    --no-deps --require-hashes -r "$lock" >>"$log" 2>&1 </dev/null || explain
.venv/bin/python -m pip check --disable-pip-version-check >>"$log" 2>&1 || explain
echo "$wanted" >"$stamp"
