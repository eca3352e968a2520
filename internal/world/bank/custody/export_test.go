package custody

import "time"

// StopAt lets a test end the bank at a named point of its work: before and after a
// step is kept, before and after a file is written.
func (b *Bank) StopAt(point func(name string)) { b.point = point }

// ParseMessage reads a file as the desk does.
func ParseMessage(content []byte) (refused string) {
	m, r := parseMessage(content)
	if r == nil && m.Order != nil {
		r = m.Order.check()
	}
	if r != nil {
		return r.code
	}
	return ""
}

// Receive takes a file as if it lay in the folder, without writing any.
func (b *Bank) Receive(name string, content []byte, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.open(now); err != nil {
		return err
	}
	t := b.turn(now)
	t.receive(name, content)
	if err := t.finish(); err != nil {
		return err
	}
	return b.settleDue(now)
}

// Owed gives the files that are not written yet.
func (b *Bank) Owed() map[string]string {
	owed := map[string]string{}
	for _, d := range b.owed {
		owed[d.Name] = d.Content
	}
	return owed
}
