#!/usr/bin/env bash
# Speaks with a cluster by gRPC reflection alone, once with `buf curl` and once with Python's grpcio, without a .proto
# file or generated code, and compares what was said with transcript-buf.txt and transcript-python.txt.
# `UPDATE=1` writes these two anew; the README quotes the first. TIDEMARK names a program that is built already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

for needed in npm python3; do
    if ! command -v "$needed" >/dev/null; then
        echo "skipped: there is no $needed on this machine" >&2
        exit 0
    fi
done

here=experiments/by_hand
tools=${CARGO_TARGET_DIR:-target}/by_hand
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
npm install --silent --no-audit --no-fund --prefix "$tools" @bufbuild/buf@1.75.0
[ -x "$tools/venv/bin/python" ] || python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet --disable-pip-version-check \
    grpcio==1.85.1 grpcio-reflection==1.85.1 protobuf==7.36.2
if [ -z "${TIDEMARK:-}" ]; then
    cargo build --quiet --package tidemark
    TIDEMARK=${CARGO_TARGET_DIR:-target}/debug/tidemark
fi

work=$(mktemp -d)
up=
cleanup() {
    [ -z "$up" ] || kill "$up" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

differ=0
for with in buf python; do
    # Every answer is determined: the network adds nothing, every node holds every key, and requests name their quorums.
    "$TIDEMARK" cluster up quickstart --out "$work" \
        --set cluster.nodes=3 --set replication.timeout=10s --set 'network=[]' --set 'fault=[]' >"$work/up.txt" 2>&1 &
    up=$!
    for _ in {1..300}; do
        [ ! -s "$work/cluster.json" ] || break
        if ! kill -0 "$up" 2>/dev/null; then
            cat "$work/up.txt" >&2
            exit 1
        fi
        sleep 0.1
    done
    PATH="$tools/node_modules/.bin:$PATH" \
        "$tools/venv/bin/python" "$here/story.py" "$with" "$work/cluster.json" >"$work/$with.txt"
    "$TIDEMARK" cluster down --out "$work" >/dev/null
    wait "$up"
    up=
    if [ -n "${UPDATE:-}" ]; then
        cp "$work/$with.txt" "$here/transcript-$with.txt"
    elif ! diff -u "$here/transcript-$with.txt" "$work/$with.txt"; then
        differ=1
    else
        echo "transcript-$with.txt: as it was said"
    fi
done
exit "$differ"
