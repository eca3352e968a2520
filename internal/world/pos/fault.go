package pos

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/fault"
)

// Fault is one way in which a terminal breaks, or its operator errs. Which cause
// of the catalogue it leads to stands beside each word.
type Fault struct {
	// What is one of the words of FaultWords.
	What string
	// Chance that it strikes a transaction, above 0 to 1; 0 means 1.
	Chance float64
	// At is where a terminal dies; Sent where empty.
	At Point
	// By is how wrong a clock is.
	By time.Duration
}

// The words of Fault.
const (
	NoPaper     = "no_paper"    // hardware.printer: sold, no slip
	Jam         = "jam"         // hardware.printer
	Faded       = "faded"       // hardware.printer: slips come, hardly legible
	ChipReader  = "chip"        // hardware.card_reader: falls back to the stripe
	TapReader   = "contactless" // hardware.card_reader: the chip is used instead
	StripeRead  = "stripe"      // hardware.card_reader
	Mainboard   = "mainboard"   // hardware.mainboard: dies in the middle
	Crash       = "crash"       // software.crash: dies in the middle
	Power       = "power"       // a power cut in the middle
	NoNetwork   = "no_network"  // network.merchant: no connection
	Lag         = "lag"         // software.sync_delay: offline sales are not told
	OldVersion  = "version"     // software.interface_incompatible: an old header
	Interface   = "interface"   // software.interface_incompatible: a field is missing
	WrongClock  = "clock"       // the terminal's clock is wrong
	WrongAmount = "amount"      // human.input_error: the amount is typed with a zero too many
	WrongButton = "function"    // human.misoperation: a preauthorization instead of a sale
	Ignored     = "ignored"     // human.prompt_ignored: the batch is not settled
	LostKeys    = "keys"        // terminal.keys: working keys out of step
	BadMAC      = "mac"         // one message's MAC is wrong
	SentTwice   = "twice"       // the same message is sent twice
	Dribble     = "dribble"     // a slow line: the message comes in pieces
	HalfFrame   = "half"        // half a message, then silence
	LostAnswer  = "deaf"        // the answer does not get through
)

// FaultWords lists the words of Fault.
var FaultWords = []string{NoPaper, Jam, Faded, ChipReader, TapReader, StripeRead, Mainboard, Crash, Power, NoNetwork, Lag, OldVersion,
	Interface, WrongClock, WrongAmount, WrongButton, Ignored, LostKeys, BadMAC, SentTwice, Dribble, HalfFrame, LostAnswer}

// deaths are the faults after which the terminal is dead.
var deaths = []string{Crash, Mainboard, Power}

// ParseFault reads a fault as the command line has it: what, and if need be
// ":chance", "@point" and for a clock "=by": no_paper, crash@received,
// chip:0.1, clock=+2h.
func ParseFault(s string) (Fault, error) {
	var f Fault
	bad := func(why string) (Fault, error) {
		return f, fault.New(fault.Usage, "parse fault", s, errors.New(why), "known are "+strings.Join(FaultWords, ", "))
	}
	rest, at, hasAt := strings.Cut(s, "@")
	rest, by, hasBy := strings.Cut(rest, "=")
	what, chance, hasChance := strings.Cut(rest, ":")
	f.What = what
	if !slices.Contains(FaultWords, what) {
		return bad("there is no such fault")
	}
	if hasAt {
		f.At = Point(at)
		if !slices.Contains(Points, f.At) || !slices.Contains(deaths, what) {
			return bad(fmt.Sprintf("only %s happen at a point, which is one of %v", strings.Join(deaths, ", "), Points))
		}
	}
	if hasBy {
		d, err := time.ParseDuration(by)
		if err != nil || what != WrongClock {
			return bad("only a clock is wrong by something, as clock=-90m")
		}
		f.By = d
	}
	if what == WrongClock && f.By == 0 {
		f.By = 24 * time.Hour
	}
	if hasChance {
		p, err := strconv.ParseFloat(chance, 64)
		if err != nil || p <= 0 || p > 1 {
			return bad("a chance is above 0, to 1")
		}
		f.Chance = p
	}
	return f, nil
}

// faults are those in force.
type faults struct {
	dice *rand.Rand
	on   map[string]Fault
	said map[string]bool // told by telemetry since it broke
}

func newFaults(seed uint64, tid string) *faults {
	h := fnv.New64a()
	h.Write([]byte(tid))
	return &faults{dice: rand.New(rand.NewPCG(seed, h.Sum64())), on: map[string]Fault{}, said: map[string]bool{}}
}

// strikes reports whether a fault is in force and chance wants it now.
func (f *faults) strikes(what string) bool {
	one, ok := f.on[what]
	return ok && (one.Chance == 0 || f.dice.Float64() < one.Chance)
}

func (f *faults) clock() time.Duration { return f.on[WrongClock].By }

// death gives what the terminal dies of at a point, "" for nothing.
func (f *faults) death(p Point) string {
	for _, what := range deaths {
		one, ok := f.on[what]
		if !ok {
			continue
		}
		if at := one.At; at != p && !(at == "" && p == Sent) {
			continue
		}
		if f.strikes(what) {
			return what
		}
	}
	return ""
}

// parts are the faults that are a state of a part from the moment they are set,
// so that telemetry tells of them at once.
var parts = map[string]struct{ component, state, detail string }{
	NoPaper:    {"printer", "failed", "no paper"},
	Jam:        {"printer", "failed", "paper jam"},
	Faded:      {"printer", "degraded", "print faded"},
	ChipReader: {"chip_reader", "failed", "chip cannot be read"},
	TapReader:  {"contactless_reader", "failed", "antenna failed"},
	StripeRead: {"magstripe_reader", "failed", "stripe cannot be read"},
	NoNetwork:  {"sim", "failed", "no network"},
	WrongClock: {"clock", "failed", "wrong time"},
}

// Break sets a fault from now on.
func (t *Terminal) Break(f Fault) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.alive(); err != nil {
		return err
	}
	return t.breakPart(f)
}

func (t *Terminal) breakPart(f Fault) error {
	if !slices.Contains(FaultWords, f.What) || f.Chance < 0 || f.Chance > 1 {
		return fault.New(fault.Usage, "break terminal", t.cfg.TID, fmt.Errorf("there is no fault %q", f.What), "known are "+strings.Join(FaultWords, ", "))
	}
	if f.What == WrongClock && f.By == 0 {
		f.By = 24 * time.Hour
	}
	if slices.Contains(deaths, f.What) && t.cfg.Dir == "" {
		return fault.New(fault.Usage, "break terminal", t.cfg.TID, errors.New("a terminal without a folder cannot be started again"), "give it a folder")
	}
	t.faults.on[f.What] = f
	if p, ok := parts[f.What]; ok && f.Chance == 0 {
		return t.tell(t.fact("terminal.health", t.now(), "component", p.component, "state", p.state, "detail", p.detail))
	}
	switch f.What {
	case OldVersion:
		return t.tell(t.fact("terminal.software", t.now(), "what", "updated", "version", oldVersion, "detail", "an old version came back"))
	case Interface:
		return t.tell(t.fact("terminal.software", t.now(), "what", "updated", "version", t.cfg.Version, "detail", "changed interface"))
	case LostKeys:
		if _, err := t.keys.NewWorking(t.owner); err != nil {
			return err
		}
	}
	return nil
}

// oldVersion is what the header says under the fault version.
const oldVersion = "200000"

// Mend ends a fault: paper is put in, the reader cleaned, the clock set.
func (t *Terminal) Mend(what string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.alive(); err != nil {
		return err
	}
	if _, ok := t.faults.on[what]; !ok {
		return fault.New(fault.NotFound, "mend terminal", what, errors.New("there is no such fault in force"), "")
	}
	delete(t.faults.on, what)
	delete(t.faults.said, what)
	if p, ok := parts[what]; ok {
		return t.tell(t.fact("terminal.health", t.now(), "component", p.component, "state", "ok"))
	}
	if what == OldVersion || what == Interface {
		return t.tell(t.fact("terminal.software", t.now(), "what", "updated", "version", t.cfg.Version))
	}
	return nil
}

// broken reports a fault of a part that strikes now, and tells of it once.
func (t *Terminal) broken(what string) (bool, error) {
	if !t.faults.strikes(what) {
		return false, nil
	}
	p := parts[what]
	if t.faults.on[what].Chance == 0 || t.faults.said[what] {
		return true, nil
	}
	t.faults.said[what] = true
	return true, t.tell(t.fact("terminal.health", t.now(), "component", p.component, "state", "degraded", "detail", p.detail))
}
