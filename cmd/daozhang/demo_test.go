package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/world/demo"
)

// port is what differs from one run of a story to the next: where it can be asked.
var port = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// sameStory holds what was told against a golden file.
func sameStory(t *testing.T, file, out string) {
	t.Helper()
	got := port.ReplaceAllString(out, "127.0.0.1:8080")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the story differs from %s; look at it, and if it is right run go test ./cmd/daozhang -update\n%s", file, firstDifference(got, string(want)))
	}
}

// room is an empty folder for temporary files, in memory where there is such a place.
func room(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "daozhang-test-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	return dir
}

// TestDemo tells the story in English, asks about payments while it stays up, and
// ends it as Ctrl-C does: its files are gone.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("it plays two weeks")
	}
	room := room(t)
	r := begin(t, map[string]string{"TMPDIR": room}, "demo")
	awaitLong(t, r, "Ctrl-C")
	out := r.out.String()
	story, hints, found := strings.Cut(out, "\nAsk about any payment")
	if !found || strings.Count(story, "/overview") != 2 {
		t.Fatalf("no hints:\n%s", out)
	}
	sameStory(t, "testdata/demo/en.txt", story)
	key := regexp.MustCompile(`DAOZHANG_API_KEY=(\S+)`).FindStringSubmatch(hints)
	asked := regexp.MustCompile(`daozhang trace (\d{12}) --server (\S+) +# (¥[\d,.]+), (.*)`).FindAllStringSubmatch(hints, -1)
	if key == nil || len(asked) != 4 {
		t.Fatalf("hints:\n%s", hints)
	}
	says := map[string]string{"it has arrived": "Arrived", "taken back": "Not charged", "held": "Held", "waits for Monday": "On its way"}
	for _, x := range asked {
		code, card, stderr := runMain(t, map[string]string{apiKeyVariable: key[1]}, "trace", x[1], "--server", x[2])
		first, _, _ := strings.Cut(card, "\n")
		if code != 0 || !strings.Contains(first, x[3]) || !strings.HasSuffix(first, says[x[4]]) {
			t.Errorf("trace %s (%s): exit code %d, %q\n%s", x[1], x[4], code, first, stderr)
		}
	}
	if code, _, _ := runMain(t, nil, "trace", asked[0][1], "--server", asked[0][2]); code != fault.ExitCode(fault.New(fault.NotAllowed, "", "", nil, "")) {
		t.Errorf("without the key: exit code %d", code)
	}
	whereabouts(t, asked[0][2], asked[0][1], key[1])
	if code := r.end(t); code != 0 {
		t.Errorf("it ends with %d\n%s", code, r.err.String())
	}
	if left, err := os.ReadDir(room); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v %v", left, err)
	}
}

// whereabouts asks as the hint's curl does.
func whereabouts(t *testing.T, server, rrn, key string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+"/v1/payments/"+rrn+"/whereabouts", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var p struct {
		Status string
		Amount int64
	}
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil || res.StatusCode != 200 || p.Status != "arrived" || p.Amount != 8800 {
		t.Errorf("whereabouts: %s %+v %v", res.Status, p, err)
	}
}

// TestDemoKept tells the same story in Chinese, in a folder that stays: its books
// are sound, and its files say what the tills and the network saw.
func TestDemoKept(t *testing.T) {
	if testing.Short() {
		t.Skip("it plays two weeks")
	}
	dir := filepath.Join(room(t), "kept")
	code, out, stderr := runMain(t, nil, "demo", "--exit", "--lang", "zh", "--data", dir)
	if code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", code, out, stderr)
	}
	sameStory(t, "testdata/demo/zh.txt", out)
	if strings.Contains(out, "http://") {
		t.Errorf("it names a server that is no more:\n%s", out)
	}
	if code, out, stderr := runMain(t, nil, "doctor", filepath.Join(dir, "data")); code != 0 {
		t.Errorf("doctor: %d\n%s%s", code, out, stderr)
	}
	for _, pattern := range []string{"tills/*/pos.csv", "network/clearing/*.csv", "bank/orders/*.xml", "bank/replies/*.xml", "bank/statements/*.xml", "bank/payees/*", "advice/*/*.xml"} {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(found) == 0 {
			t.Errorf("no %s", pattern)
		}
	}
	if code, _, stderr := runMain(t, nil, "demo", "--exit", "--data", dir); code != fault.ExitCode(fault.New(fault.Conflict, "", "", nil, "")) {
		t.Errorf("in a folder that is not empty: exit code %d %s", code, stderr)
	}
}

// TestDemoInterrupted ends a story in its middle.
func TestDemoInterrupted(t *testing.T) {
	room := room(t)
	r := begin(t, map[string]string{"TMPDIR": room}, "demo")
	awaitLong(t, r, "Tue 9 June")
	if code := r.end(t); code != 0 {
		t.Errorf("it ends with %d\n%s", code, r.err.String())
	}
	if left, err := os.ReadDir(room); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v %v", left, err)
	}
}

// TestDemoOfOtherSeed: another trade, the same troubles, and again all adds up.
func TestDemoOfOtherSeed(t *testing.T) {
	if testing.Short() {
		t.Skip("it plays two weeks")
	}
	script, err := demo.Fortnight(20260608)
	if err != nil {
		t.Fatal(err)
	}
	var out, stderr buffer
	m := mainFor(nil, &out, &stderr)
	m.lang = "en"
	if err := m.runDemo(t.Context(), script, room(t), true, true); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), stderr.String())
	}
	for _, part := range []string{"the account is closed (AC04)", "goes out again, to the new account", "has no line for a sale of ¥326.00 at Tea House",
		"The bank does not answer", "Merchant's account frozen", "Held for a risk review", "Bank has not booked it yet", "Taken back by a chargeback",
		"Every fen is placed", "none of them paid twice"} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), part) {
			t.Errorf("%q is not told:\n%s", part, out.String())
		}
	}
}

// awaitLong waits, however busy the machine is, until a command has said something.
func awaitLong(t *testing.T, r *running, what string) {
	t.Helper()
	for until := time.Now().Add(4 * time.Minute); !strings.Contains(r.out.String(), what); time.Sleep(20 * time.Millisecond) {
		select {
		case code := <-r.code:
			r.code <- code
			t.Fatalf("it ended with %d\n%s\n%s", code, r.out.String(), r.err.String())
		default:
		}
		if time.Now().After(until) {
			t.Fatalf("it does not say %q:\n%s", what, r.out.String())
		}
	}
}

// TestReadmeStory: the READMEs show two days of the story as it is told.
func TestReadmeStory(t *testing.T) {
	const begin, end = "<!-- two days of the demo: go test ./cmd/daozhang -update -->\n```\n", "```\n<!-- end of the two days -->\n"
	for _, x := range []struct{ readme, story, first, next string }{
		{"README.md", "en.txt", "Tue 16 June", "\nThu 18 June"}, {"README.zh-CN.md", "zh.txt", "6月16日 周二", "\n6月18日 周四"},
	} {
		story, err := os.ReadFile(filepath.Join("testdata", "demo", x.story))
		if err != nil {
			t.Fatal(err)
		}
		_, want, ok := strings.Cut(string(story), x.first)
		want, _, ok2 := strings.Cut(want, x.next)
		name := filepath.Join("..", "..", x.readme)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, ok3 := strings.Cut(string(text), begin)
		got, after, ok4 := strings.Cut(rest, end)
		if !ok || !ok2 || !ok3 || !ok4 {
			t.Fatalf("%s: the two days are not marked, or not told", x.readme)
		}
		if want = x.first + want; got == want {
			continue
		}
		if !*update {
			t.Fatalf("%s shows another story than the demo tells; run go test ./cmd/daozhang -update", x.readme)
		}
		if err := os.WriteFile(name, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
