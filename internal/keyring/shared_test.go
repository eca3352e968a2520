package keyring

import (
	"bytes"
	"errors"
	"sync"
	"testing"
)

// drawer is a Cabinet in memory.
type drawer struct {
	mu    sync.Mutex
	count int64
	slots []Slot
	at    []int64
}

func (d *drawer) Put(name string, sealed []byte, fresh bool) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.slots {
		if d.slots[i].Name != name {
			continue
		}
		if fresh {
			return false, nil
		}
		d.slots, d.at = append(d.slots[:i], d.slots[i+1:]...), append(d.at[:i], d.at[i+1:]...)
		break
	}
	d.count++
	d.slots, d.at = append(d.slots, Slot{name, bytes.Clone(sealed)}), append(d.at, d.count)
	return true, nil
}

func (d *drawer) Changed(after int64) ([]Slot, int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []Slot
	for i, s := range d.slots {
		if d.at[i] > after {
			out = append(out, s)
		}
	}
	return out, d.count, nil
}

// TestShared: what one process has made the other uses; what belongs to a
// connection stays with it.
func TestShared(t *testing.T) {
	const terminal, link = Owner("terminal/M/T"), Owner("link/icbc")
	var d drawer
	open := func(secret string) (*Software, error) {
		return Open(Options{Shared: &d, Secret: []byte(secret), Transport: []string{"0123456789ABCDEFFEDCBA9876543210"}})
	}
	var a, b *Software
	var opening sync.WaitGroup // at the same time, so that both want to make the keys
	for _, s := range []**Software{&a, &b} {
		opening.Go(func() {
			var err error
			if *s, err = open("a secret for all"); err != nil {
				t.Error(err)
			}
		})
	}
	opening.Wait()
	if t.Failed() {
		return
	}
	const pan = "6222021234567890128"
	if a.Token(pan) != b.Token(pan) {
		t.Error("the tokens of one card differ")
	}
	sealed, err := a.Seal(pan, "m")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Open(sealed, "m"); err != nil || got != pan {
		t.Errorf("sealed by one, opened by the other: %v", err)
	}
	for _, owner := range []Owner{terminal, link} {
		if _, err := a.NewMaster(owner); err != nil {
			t.Fatal(err)
		}
		if _, err := a.NewWorking(owner); err != nil {
			t.Fatal(err)
		}
	}
	if b.HasWorking(terminal) {
		t.Error("keys travel by themselves")
	}
	if err := b.Refresh(); err != nil {
		t.Fatal(err)
	}
	if !b.HasWorking(terminal) || !b.HasMaster(link) || b.HasWorking(link) {
		t.Errorf("terminal has working keys: %v; link has master: %v, and working keys: %v", b.HasWorking(terminal), b.HasMaster(link), b.HasWorking(link))
	}
	mac, err := a.MAC(terminal, ECB, []byte("what is said"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.VerifyMAC(terminal, ECB, []byte("what is said"), mac[:]); err != nil {
		t.Error(err)
	}
	if err := b.Forget(terminal); err != nil {
		t.Fatal(err)
	}
	c, err := open("a secret for all")
	if err != nil {
		t.Fatal(err)
	}
	if c.HasMaster(terminal) || c.HasWorking(terminal) || !c.HasMaster(link) {
		t.Error("what was forgotten is back, or too much was forgotten")
	}
	for _, s := range d.slots {
		if bytes.Contains(s.Sealed, []byte(pan)) || s.Name != headSlot && bytes.Contains(s.Sealed, []byte("keys")) {
			t.Errorf("slot %s is not sealed", s.Name)
		}
	}
	if _, err := open("another secret"); err == nil {
		t.Error("another secret opens it")
	}
	d.slots[len(d.slots)-1].Name = "token" // moved to another place
	if _, err := open("a secret for all"); err == nil || errors.Is(err, ErrProduction) {
		t.Error("a slot that was moved is taken")
	}
}
