//go:build linux

package console_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// served is `daozhang serve` as a process, and a person and a program that ask it.
type served struct {
	t       *testing.T
	cmd     *exec.Cmd
	log     *journal
	origin  string
	key     string // of the API, of role institution
	browser http.Client
}

// journal is what a process prints, read while it writes.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// waits is how long the server may take to take in the store.
const waits = 10 * time.Minute

// until looks again and again whether something holds.
func (s *served) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(waits); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) || s.cmd.ProcessState != nil {
			s.t.Fatalf("waiting until %s:\n%s", what, s.log)
		}
	}
}

// start begins the server on a filled database, and signs in.
func start(t *testing.T, binary, database string) *served {
	t.Helper()
	dir := t.TempDir()
	ready, config := filepath.Join(dir, "ready.json"), filepath.Join(dir, "serve.yaml")
	settings := fmt.Sprintf("node: node-1\ndatabase: %q\nlisten: {terminals: \"127.0.0.1:0\", http: \"127.0.0.1:0\"}\nacquirer: \"48270000\"\n"+
		"keyring: {file: %q, transport: [\"0123456789ABCDEFFEDCBA9876543210\", \"11112222333344445555666677778888\"]}\nhttp: {rate: 100000, burst: 100000}\n",
		database, filepath.Join(dir, "keyring"))
	if err := os.WriteFile(config, []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, log: &journal{}}
	// The person is invited anew: a store that is used again has one from before,
	// whose second factor lies in another keyring.
	key, err := exec.Command(binary, "keys", "add", "--role", "institution", "--name", "measurement", "--database", database).Output()
	if err != nil {
		t.Fatalf("keys add: %v", err)
	}
	s.key = strings.TrimSpace(string(key))
	invitation, err := exec.Command(binary, "users", "invite", "measurer"+strconv.FormatInt(time.Now().Unix(), 36), "--role", "institution", "--database", database).CombinedOutput()
	if err != nil {
		t.Fatalf("users invite: %v\n%s", err, invitation)
	}
	link := regexp.MustCompile(`/set-up/\S+`).FindString(string(invitation))
	s.cmd = exec.Command(binary, "serve", "--config", config, "--ready-file", ready)
	s.cmd.Env = append(os.Environ(), "DAOZHANG_KEYRING_SECRET=a secret of the measurement")
	s.cmd.Stderr = s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.until("it is ready", func() bool {
		var at map[string]string
		b, err := os.ReadFile(ready)
		if err != nil || json.Unmarshal(b, &at) != nil {
			return false
		}
		s.origin = "http://" + at["http"]
		return true
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.browser = http.Client{Jar: jar, Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 4}}
	s.signIn(link)
	return s
}

// signIn goes through a set-up link as an invited person does.
func (s *served) signIn(link string) {
	s.t.Helper()
	page := s.read(s.get(link, ""))
	secret := regexp.MustCompile(`<code>([A-Z2-7]{16,})</code>`).FindSubmatch(page)
	if secret == nil {
		s.t.Fatalf("no key on the set-up page %s: %.2000s\n%s", link, page, s.log)
	}
	code, err := totp.GenerateCode(string(secret[1]), time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	const password = "a password of the measurement"
	res, err := s.browser.PostForm(s.origin+link, url.Values{"password": {password}, "again": {password}, "code": {code}})
	if err != nil {
		s.t.Fatal(err)
	}
	if said := s.read(res); res.StatusCode != http.StatusOK {
		s.t.Fatalf("set up: %s %.2000s", res.Status, said)
	}
}

// follow waits until the investigation has taken all facts. The world tells some of
// them twice, of which the store keeps one: so it has all when no more come.
func (s *served) follow(n int) {
	taken, since := 0, time.Now()
	s.until("it has investigated the store", func() bool {
		m := regexp.MustCompile(`(?m)^daozhang_investigation_facts_total (\S+)`).FindSubmatch(s.read(s.get("/metrics", s.key)))
		if m == nil {
			return false
		}
		f, _ := strconv.ParseFloat(string(m[1]), 64)
		if int(f) != taken {
			taken, since = int(f), time.Now()
		}
		return taken >= n*95/100 && time.Since(since) > 3*time.Second
	})
	s.quiet()
}

// quiet waits until the server has told webhooks and mail what there is to tell of a
// store that it has never seen, and rests: what is measured are pages, not a start.
func (s *served) quiet() {
	const look = time.Second
	begun := time.Now()
	for still := 0; still < 3; {
		if time.Since(begun) > waits {
			s.t.Fatalf("it does not come to rest:\n%s", s.log)
		}
		before := s.processor()
		time.Sleep(look)
		if still++; s.processor()-before > look/20 {
			still = 0
		}
	}
}

// processor is how long processors have run the process.
func (s *served) processor() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // a hundred ticks a second, on Linux
}

// resident is the memory of the process in megabytes.
func (s *served) resident() float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		return 0
	}
	kb, _ := strconv.Atoi(string(m[1]))
	return float64(kb) / 1024
}

func (s *served) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("serve: %v\n%s", err, s.log)
	}
}

// get asks for a path: as a person, or with a key as a program.
func (s *served) get(path, key string) *http.Response {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.origin+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept-Language", "en")
	req.Header.Set("Accept-Encoding", "gzip")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := s.browser.Do(req)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", path, err, s.log)
	}
	return res
}

func (s *served) read(res *http.Response) []byte {
	s.t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return plain(s.t, res, b)
}

// plain undoes the compression of an answer.
func plain(t *testing.T, res *http.Response, b []byte) []byte {
	t.Helper()
	if res.Header.Get("Content-Encoding") != "gzip" {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return b
}

// ask gives how long an answer took in milliseconds, and its bytes as they were sent.
func (s *served) ask(path, key string) (float64, int) {
	s.t.Helper()
	begun := time.Now()
	res := s.get(path, key)
	b, err := io.ReadAll(res.Body)
	took := float64(time.Since(begun).Microseconds()) / 1000
	res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK || res.Request.URL.Path == "/sign-in" {
		s.t.Fatalf("%s: %s %v %.1000s", path, res.Status, err, b)
	}
	return took, len(b)
}

// firstLoad is what a browser fetches that has never been here: the page and what it
// names, compressed where the server does so.
func (s *served) firstLoad(path string) int {
	s.t.Helper()
	res := s.get(path, "")
	sent, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	sum := len(sent)
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllSubmatch(plain(s.t, res, sent), -1) {
		if name := string(m[1]); !seen[name] {
			seen[name] = true
			_, n := s.ask(name, "")
			sum += n
		}
	}
	return sum
}
