package custody

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
