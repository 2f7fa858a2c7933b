#!/usr/bin/env bash
# Compares Tidemark with etcd: fetches etcd if it is not installed (Debian's package etcd-server, unpacked beside the
# build, so nothing is installed and no service starts), builds, runs, and leaves neither processes nor data behind.
# Arguments go to the benchmark: `run.sh --help` lists them. About ten minutes after the build, with
# `--quick` one; `--table disk` leaves the first table out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

target=${CARGO_TARGET_DIR:-target}
if ! command -v etcd >/dev/null; then
    fetched=$target/etcd-server
    if ! [ -x "$fetched/usr/bin/etcd" ]; then
        mkdir -p "$fetched"
        (cd "$fetched" && apt-get download etcd-server && dpkg-deb -x etcd-server_*.deb .)
    fi
    PATH=$(realpath "$fetched/usr/bin"):$PATH
fi

cargo bench -p tidemark --bench etcd --no-run
disk=$(mktemp -d /var/tmp/tidemark-etcd.XXXXXX)
memory=$(mktemp -d /dev/shm/tidemark-etcd.XXXXXX)
trap 'rm -rf "$disk" "$memory"' EXIT
trap 'exit 130' INT TERM
cargo bench -q -p tidemark --bench etcd -- --disk "$disk" --memory "$memory" "$@"
