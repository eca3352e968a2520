// Command gen writes the data set of the benchmark: a POS journal, a settlement file, bank statements and
// terms for so many payments, with known faults in them. The same flags always give the same bytes, and
// memory does not grow with the number of payments.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

func main() {
	payments := flag.Uint64("n", 1_000_000, "number of payments")
	merchants := flag.Int("merchants", 200, "number of merchants")
	seed := flag.Uint64("seed", 1, "another seed gives another data set")
	dir := flag.String("dir", "", "folder to write into (made if missing)")
	showAsOf := flag.Bool("as-of", false, "print the moment at which the data set is to be judged, and stop")
	flag.Parse()
	if *showAsOf {
		fmt.Println(asOf)
		return
	}
	if *dir == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: gen -n 1000000 -dir FOLDER")
		os.Exit(2)
	}
	t, err := newTrade(*payments, *merchants, *seed)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(2)
	}
	found, err := writeAll(t, *dir)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
