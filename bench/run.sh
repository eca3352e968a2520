#!/usr/bin/env bash
# The benchmark: makes its own data, runs daozhang and DuckDB in turn, prints times, ratios and memory.
# See README.md beside this file.
set -euo pipefail

usage() {
	cat <<'USAGE'
usage: bench/run.sh [-n RUNS] [-k] [-y] 1m|10m|ndjson
  1m      1,000,000 payments: daozhang check against DuckDB, in turn
  10m     10,000,000 payments against 1,000,000 in the same run, DuckDB beside them
  ndjson  the NDJSON reader against encoding/json
  -n RUNS measured runs of each after one warm-up (default 5; 10m: 3)
  -k      keep the data and the outputs (their folder is printed)
  -y      the yardstick alone: DuckDB without daozhang
environment: DIR  folder for data and outputs; what is there already is used again, and kept
USAGE
	exit 2
}

runs= keep= yardstick=
while getopts n:kyh option; do
	case $option in
	n) runs=$OPTARG ;;
	k) keep=1 ;;
	y) yardstick=1 ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || usage
mode=$1

bench=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$bench")
cd "$root"
export CGO_ENABLED=0 GOMAXPROCS=2
# Both sides get the same two processors, also on a larger machine.
pin=()
if [ "$(nproc)" -gt 2 ] && command -v taskset >/dev/null; then pin=(taskset -c 0,1); fi

if [ "$mode" = ndjson ]; then
	out=$(go test -run '^$' -bench 'NDJSON|EncodingJSON' -benchmem -count "${runs:-5}" ./internal/evidence | tee /dev/stderr)
	awk '
		function middle(list, count,   i, j, t) {
			for (i = 2; i <= count; i++) for (j = i; j > 1 && list[j-1] > list[j]; j--) { t = list[j]; list[j] = list[j-1]; list[j-1] = t }
			return count % 2 ? list[(count+1)/2] : (list[count/2] + list[count/2+1]) / 2
		}
		/^BenchmarkEncodingJSON/ { theirs[++m] = $3 }
		/^BenchmarkReadNDJSON/ { ours[++n] = $3 }
		END {
			if (!m || !n) { print "BenchmarkReadNDJSON or BenchmarkEncodingJSON is missing in internal/evidence"; exit 1 }
			printf "encoding/json : ours, median of %d: %.2f (required: 5)\n", n, middle(theirs, m) / middle(ours, n)
		}' <<<"$out"
	exit
fi

case $mode in
1m) sizes=(1m) runs=${runs:-5} ;;
10m) sizes=(1m 10m) runs=${runs:-3} ;;
*) usage ;;
esac

if [ -n "${DIR:-}" ]; then
	dir=$DIR keep=1
	mkdir -p "$dir"
else
	dir=$(mktemp -d -t daozhang-bench.XXXXXX)
fi
finish() { if [ -n "$keep" ]; then echo "kept: $dir" >&2; else rm -rf "$dir"; fi; }
trap finish EXIT

go build -o "$dir/gen" ./bench/gen
go build -o "$dir/timeit" ./bench/timeit
if [ -z "$yardstick" ]; then
	go build -trimpath -o "$dir/daozhang" ./cmd/daozhang
fi
if [ ! -d bench/duckdb/node_modules/@duckdb/node-api ]; then
	echo "installing DuckDB from npm into bench/duckdb/node_modules" >&2
	npm --prefix bench/duckdb ci --no-audit --no-fund >&2
fi

for size in "${sizes[@]}"; do
	data=$dir/$size
	if [ ! -f "$data/truth.json" ]; then
		echo "making $data" >&2
		"$dir/gen" -n "${size/m/000000}" -dir "$data" >/dev/null
	fi
	(cd "$data" && du -h --apparent-size pos.csv settlement.csv statement.xml terms.ndjson)
done
as_of=$("$dir/gen" -as-of)

yardstick() { # SIZE LOG
	"$dir/timeit" -label "duckdb $1" -log "$2" -o "$dir/$1/duckdb.log" -- \
		"${pin[@]}" node bench/duckdb/join.mjs "$dir/$1" "$dir/$1/duckdb.csv" --log "$2" --label "duckdb $1, SQL alone"
}
daozhang() { # SIZE LOG
	(cd "$dir/$1" && "$dir/timeit" -label "daozhang $1" -log "$2" -o daozhang.ndjson -- \
		"${pin[@]}" "$dir/daozhang" check -o ndjson --advice code --as-of "$as_of" pos.csv settlement.csv statement.xml terms.ndjson)
}
round() { # LOG
	local size
	for size in "${sizes[@]}"; do
		rm -f "$dir/$size/duckdb.csv"
		yardstick "$size" "$1"
		if [ -z "$yardstick" ]; then daozhang "$size" "$1"; fi
	done
}

field() { sed -n "s/.*\"$2\": *\([0-9]*\).*/\1/p" "$dir/$1/truth.json"; }
say() { # WHAT EXPECTED FOUND
	if [ "$2" = "$3" ]; then echo "  $1: $3"; else
		echo "  $1: $3, EXPECTED $2"
		wrong=1
	fi
}
wrong=
# A fast wrong answer is worth nothing: both outputs are held against what the generator knows.
verify() { # SIZE
	local class of
	echo "$1, DuckDB:"
	for class in arrived missing_in_settlement missing_in_journal amount_mismatch payout_not_on_statement; do
		say "$class" "$(field "$1" $class)" "$(grep -c ",$class\$" "$dir/$1/duckdb.csv" || true)"
	done
	[ -z "$yardstick" ] || return 0
	of=$dir/$1/daozhang.ndjson
	echo "$1, daozhang:"
	say payments "$(field "$1" payments)" "$(wc -l <"$of")"
	say record.not_in_settlement "$(field "$1" missing_in_settlement)" "$(grep -c '"cause":{"code":"record.not_in_settlement"' "$of" || true)"
	echo "  by status: $(grep -o '"status":"[a-z_]*"' "$of" | sort | uniq -c | sed 's/"status"://' | tr -s ' \n' ' ')"
}

: >"$dir/warm-up.log"
: >"$dir/runs.log"
round "$dir/warm-up.log"
for size in "${sizes[@]}"; do verify "$size"; done
for _ in $(seq "$runs"); do round "$dir/runs.log"; done
"$dir/timeit" -report "$dir/runs.log" -pairs \
	"daozhang 1m/duckdb 1m;daozhang 1m/duckdb 1m, SQL alone;daozhang 10m/daozhang 1m;daozhang 10m/duckdb 10m;duckdb 10m/duckdb 1m"
[ -z "$wrong" ] || { echo "an output differs from what the data holds" >&2; exit 1; }
