package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressEvery is how often a line tells of progress where no bar can be drawn.
const progressEvery = 5 * time.Second

// progress tells how far reading is: a bar on a terminal, else a line every
// five seconds, so that short work prints nothing. stop ends it.
func (m *Main) progress() (tell func(done, total int64), stop func()) {
	label := m.say(text{"reading", "正在读取"})
	if _, ok := m.Terminal(m.Stderr); ok {
		var bar *progressbar.ProgressBar
		begun := m.Now()
		return func(done, total int64) {
				if bar == nil {
					if m.Now().Sub(begun) < 500*time.Millisecond {
						return
					}
					if total == 0 {
						total = -1
					}
					bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(m.Stderr), progressbar.OptionSetDescription(label),
						progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(24))
				}
				_ = bar.Set64(done) // a bar that cannot be drawn harms nothing
			}, func() {
				if bar != nil {
					_ = bar.Finish()
				}
			}
	}
	last := m.Now()
	return func(done, total int64) {
		now := m.Now()
		if now.Sub(last) < progressEvery {
			return
		}
		last = now
		if total > 0 {
			m.line(fmt.Sprintf("%s: %d of %d MB", label, done>>20, total>>20))
		} else {
			m.line(fmt.Sprintf("%s: %d MB", label, done>>20))
		}
	}, func() {}
}
