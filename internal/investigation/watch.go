package investigation

import (
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
)

type cellFlags uint16

func (l *Live) judgeEverything() {
	for id := range l.cells {
		if l.cells[id].into == 0 && id > int(nowhere) {
			l.judge(cellID(id))
		}
	}
}

func (l *Live) watch(id cellID, c *cell, t *tally, j *journey.Journey) {}

func (l *Live) usageChanged(used []diagnosis.Usage) { l.everything = true }

type fileState struct{}

func (l *Live) fileState(mid evidence.Word, f *evidence.Fact) fileState { return fileState{} }
func (l *Live) fileChanged(mid evidence.Word, f *evidence.Fact, before fileState) {
	l.everything = true
}

func (l *Live) circumstance(r evidence.FactRef, f *evidence.Fact, on bool) {
	l.circumstances.set(r, on)
	if on {
		l.ctx.Hear(r)
		l.engine.Hear(r)
		if f.Type == evidence.TerminalSoftware {
			for _, at := range l.engine.TerminalEdges(f.TID) {
				l.edges.add(at, diagnosis.Edge{At: at, TID: f.TID})
			}
		}
	} else {
		l.reread = true
	}
	l.everything = true
}

func (l *Live) general(r evidence.FactRef, f *evidence.Fact, on bool) {
	m := l.merchant(f.MID)
	m.general = toggle(m.general, r, on)
	l.stir(m)
	if on {
		l.ctx.HearGeneral(r)
	} else {
		l.reread = true
	}
	l.everything = true
}

func (l *Live) heard(c diagnosis.Changed) {
	for _, e := range c.Edges {
		l.edges.add(e.At, e)
	}
}

func (l *Live) passEdges() {
	for {
		if _, ok := l.edges.next(l.asOf); !ok {
			return
		}
		l.everything = true
	}
}
