#!/usr/bin/env bash
# Durable commits of the store against a bare loop of the same rows and groups. See store.md beside this file.
set -euo pipefail

rounds=5
while getopts n:h option; do
	case $option in
	n) rounds=$OPTARG ;;
	*) echo "usage: bench/store.sh [-n ROUNDS] [forms]" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
name=Durable
[ "${1:-}" = forms ] && name=Forms

cd "$(dirname "$0")/.."
export CGO_ENABLED=0 GOMAXPROCS=2
pin=()
if [ "$(nproc)" -gt 2 ] && command -v taskset >/dev/null; then pin=(taskset -c 0,1); fi
out=$("${pin[@]}" go test -run '^$' -bench "$name" -benchtime "${rounds}x" -timeout 60m ./internal/store | tee /dev/stderr)
[ "$name" = Durable ] || exit 0
awk '
	/^BenchmarkDurable/ {
		n++
		for (i = 3; i < NF; i += 2) v[$(i + 1)] = $i
		verdict = v["of-bare"] >= 0.3 && v["p99-to-bare"] <= 4 ? "ok" : "MISSED"
		if (verdict != "ok") missed = 1
		printf "%s: %.0f %% of the bare loop (required: 30), p99 %.1f times its p99 (at most 4): %s\n", $1, 100 * v["of-bare"], v["p99-to-bare"], verdict
	}
	END { if (!n || missed) exit 1 }' <<<"$out"
