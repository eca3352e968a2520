//go:build unix

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a throw-away PostgreSQL server on a socket of its own, made with
// the machine's initdb and postgres. Its files go when Shutdown is called, its
// processes also when this process dies.
type Cluster struct {
	bin, dir string
	user     *syscall.Credential // nil: as this process
	sync     bool
	alive    io.WriteCloser // while it is open the server may live
	ended    chan struct{}  // closed when the server has ended
	next     atomic.Int64
}

// shared are the clusters of this process, by whether they sync.
var shared struct {
	sync.Mutex
	clusters [2]*Cluster
	err      error
}

var errNone = errors.New("initdb and postgres are not installed")

// Postgres returns the cluster that the tests of a process share, starting it
// where it does not run. It does not sync to disk: that outlives the death of
// processes, not that of the machine, which no test brings about. Where the
// machine has no PostgreSQL the test is skipped with a message that says so.
func Postgres(tb testing.TB) *Cluster {
	tb.Helper()
	return cluster(tb, 0)
}

// Durable is Postgres with a cluster that syncs at every commit, for measuring.
func Durable(tb testing.TB) *Cluster {
	tb.Helper()
	return cluster(tb, 1)
}

func cluster(tb testing.TB, sync int) *Cluster {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.clusters[sync] == nil && shared.err == nil {
		shared.clusters[sync], shared.err = newCluster(sync == 1)
	}
	if errors.Is(shared.err, errNone) {
		tb.Skip("PostgreSQL is NOT tested: initdb and postgres are not on this machine; install Debian's package postgresql")
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.clusters[sync]
}

// Shutdown ends the shared clusters and removes their files; Main calls it.
func Shutdown() {
	shared.Lock()
	defer shared.Unlock()
	for i, c := range shared.clusters {
		if c != nil {
			c.stop()
			os.RemoveAll(c.dir)
			shared.clusters[i] = nil
		}
	}
}

func newCluster(sync bool) (*Cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "daozhang-pg-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, dir: dir, sync: sync}
	if os.Geteuid() == 0 { // the server refuses to run as root
		if err := c.lend(); err != nil {
			os.RemoveAll(dir)
			return nil, err
		}
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "daozhang", "-A", "trust", "-E", "UTF8",
		"--locale=C", "--no-sync")
	c.as(initdb)
	if out, err := initdb.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if err := c.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return c, nil
}

// programs finds the directory of initdb and postgres.
func programs() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			dirs = append(dirs, filepath.Dir(p))
		}
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		_, a := os.Stat(filepath.Join(dirs[i], "initdb"))
		_, b := os.Stat(filepath.Join(dirs[i], "postgres"))
		if a == nil && b == nil {
			return dirs[i], nil
		}
	}
	return "", errNone
}

// lend gives the directory to a user other than root.
func (c *Cluster) lend() error {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2, os.Chown(c.dir, uid, gid)); err != nil {
			return err
		}
		c.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return nil
	}
	return errors.New("no user but root to run PostgreSQL as")
}

func (c *Cluster) as(cmd *exec.Cmd) {
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "HOME="+c.dir, "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.user}
}

// Start starts the server after Kill and waits until it answers. What is left of the
// one before may hold its memory for a moment, and the server ends then: it is started
// again.
func (c *Cluster) Start() error {
	for end := time.Now().Add(time.Minute); ; {
		err := c.launch(end)
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// launch starts the server and waits until it answers or ends.
func (c *Cluster) launch(end time.Time) error {
	// The shell ends the server when its standard input ends, so the server does
	// not outlive this process, however that dies; and where nobody said that the
	// files are still needed, they go too.
	cmd := exec.Command("sh", "-c", `"$0" "$@" >>log 2>&1 </dev/null & p=$!; read keep; kill -QUIT $p 2>/dev/null; wait $p; [ "$keep" ] || rm -rf "$PWD"`,
		filepath.Join(c.bin, "postgres"), "-D", filepath.Join(c.dir, "data"), "-k", c.dir, "-c", "listen_addresses=", "-c", "max_connections=100",
		"-c", "log_min_messages=warning", "-c", fmt.Sprintf("fsync=%v", c.sync))
	c.as(cmd)
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	c.alive, c.ended = alive, ended
	begun := time.Now()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, c.url("postgres"))
		if err == nil {
			conn.Close(ctx)
			cancel()
			return nil
		}
		cancel()
		// A server that has ended has taken its file away.
		_, running := os.Stat(filepath.Join(c.dir, "data", "postmaster.pid"))
		if time.Now().After(end) || running != nil && time.Since(begun) > 2*time.Second {
			log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			c.stop()
			return fmt.Errorf("PostgreSQL does not answer: %w\n%s", err, log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (c *Cluster) stop() {
	if c.alive == nil {
		return
	}
	io.WriteString(c.alive, "keep\n")
	c.alive.Close()
	<-c.ended
	c.alive = nil
}

// Kill ends all processes of the server at once, as a crash would.
func (c *Cluster) Kill(tb testing.TB) {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join(c.dir, "data", "postmaster.pid"))
	if err != nil {
		tb.Fatal(err)
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		tb.Fatal(err)
	}
	// The processes that serve connections end by themselves when the first is gone.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		tb.Fatal(err)
	}
	c.stop()
	os.Remove(filepath.Join(c.dir, "data", "postmaster.pid"))
}

func (c *Cluster) url(name string) string {
	return "postgres://daozhang@/" + name + "?host=" + c.dir + "&sslmode=disable"
}

// Database makes an empty database and returns its URL.
func (c *Cluster) Database(tb testing.TB) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	name := fmt.Sprintf("t%d_%d", os.Getpid(), c.next.Add(1))
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		tb.Fatal(err)
	}
	return c.url(name)
}
