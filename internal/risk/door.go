package risk

import (
	"reflect"
	"strconv"
	"time"

	"github.com/expr-lang/expr/vm"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
)

// Attempt is what the door is asked about.
type Attempt struct {
	At        time.Time
	Date      calendar.Date // business date
	Zone      *time.Location
	MID, TID  string
	MCC       string
	Operation string
	Card      string // token
	Prefix    string // first digits of the card number
	CardType  string
	Entry     string
	Amount    int64
	Currency  money.Currency
	// OriginalAt is when the payment acted on was made; zero where there is none.
	OriginalAt time.Time
	// OriginalCard is the token of the card that was charged then.
	OriginalCard string
	// Location as the terminal says and as it was installed; either may be "".
	// Coordinates ("31.230416,121.473701"), a cell of a mobile network
	// ("460-00-28688-43222849"), or any word; of Installed several, with semicolons.
	Location, Installed string
}

// Finding is one rule that fired.
type Finding struct {
	Rule   string
	Action Action
	Score  int
}

// Decision is what the door says, with its trace.
type Decision struct {
	Action Action
	// Rule is the gravest that fired: a rule, "limit.NAME", "list.block", or
	// "score" where the sum of scores decided. "" where nothing fired.
	Rule  string
	Code  evidence.Code // of a decline
	Score int
	Fired []Finding
	// NearLimit is to be told the Window with the event.
	NearLimit bool
	// Trace is compact JSON: the version of the set, what fired, and every value
	// that its rules saw. Together with the set it repeats the decision.
	Trace []byte
}

// Door decides by one set of rules and one window. Not safe for concurrent use.
type Door struct {
	Rules   *Rules
	Window  *Window
	machine vm.VM
	signals Signals
}

// NewDoor returns a door with an empty window; nil rules mean the floor.
func NewDoor(rs *Rules) *Door {
	if rs == nil {
		rs = Floor()
	}
	return &Door{Rules: rs, Window: NewWindow()}
}

// Observe tells the window of an event.
func (d *Door) Observe(e *Event) { d.Window.Observe(e, d.Rules) }

// Decide asks every rule about an attempt. It changes nothing: the window learns
// of the attempt by Observe, when it is on record.
func (d *Door) Decide(a *Attempt) Decision {
	var out Decision
	rs, s := d.Rules, &d.signals
	over, code, single := rs.check(d.Window, a)
	*s = Signals{
		Operation: a.Operation, CardType: a.CardType, Entry: a.Entry, MCC: a.MCC, Currency: a.Currency.String(),
		Amount: a.Amount, Limit: single, OriginalAge: -1,
	}
	unit := int64(1)
	for range a.Currency.Exponent() {
		unit *= 10
	}
	s.Major = a.Amount / unit
	if a.Amount > 0 && a.Amount%unit == 0 {
		for s.Round = 1; s.Major%(s.Round*10) == 0; s.Round *= 10 {
		}
	}
	if a.Zone != nil {
		s.Hour = a.At.In(a.Zone).Hour()
	} else {
		s.Hour = a.At.UTC().Hour()
	}
	if !a.OriginalAt.IsZero() {
		s.OriginalAge = int64(a.At.Sub(a.OriginalAt) / time.Second)
		s.OtherCard = a.OriginalCard != "" && a.Card != "" && a.OriginalCard != a.Card
	}
	s.Moved, s.MovedBy = apart(a.Location, a.Installed)
	out.NearLimit = nearLimit(a.Amount, single)
	d.Window.fill(s, a)

	fire := func(rule string, action Action, score int, code evidence.Code) {
		out.Fired = append(out.Fired, Finding{rule, action, score})
		out.Score += score
		if action > out.Action || out.Rule == "" {
			out.Rule = rule
			if action >= out.Action {
				out.Action, out.Code = action, code
			}
		}
	}
	blocked, allowed := rs.listing(a)
	if blocked != nil {
		fire("list.block", Decline, 100, codeBlock)
	}
	if over != nil {
		fire("limit."+over.Name, Decline, 0, code)
	}
	for _, r := range rs.rules {
		if !r.concerns(a.Operation) || allowed != nil && !r.Floor {
			continue
		}
		v, err := d.machine.Run(r.program, s)
		yes, _ := v.(bool)
		if err != nil {
			// A rule that cannot be computed (a division by zero, say) lets nobody
			// slip past unseen and stops nobody either.
			fire(r.Name, Review, 0, evidence.Code{})
		} else if yes {
			fire(r.Name, r.action, r.Score, r.code)
		}
	}
	for _, e := range rs.escalate {
		if out.Score >= e.score && e.action > out.Action {
			out.Action, out.Rule, out.Code = e.action, "score", codeFraud
		}
	}
	if out.Action != Decline {
		out.Code = evidence.Code{}
	}
	out.Trace = rs.trace(&out, s)
	return out
}

func (rs *Rules) trace(out *Decision, s *Signals) []byte {
	b := make([]byte, 0, 640)
	b = append(b, `{"set":`...)
	b = strconv.AppendQuote(b, rs.version)
	b = append(b, `,"action":"`...)
	b = append(b, out.Action.String()...)
	b = append(b, `","score":`...)
	b = strconv.AppendInt(b, int64(out.Score), 10)
	b = append(b, `,"fired":[`...)
	for i, f := range out.Fired {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, f.Rule)
	}
	b = append(b, `],"saw":{`...)
	v := reflect.ValueOf(s).Elem()
	for i, a := range rs.asks {
		if i > 0 {
			b = append(b, ',')
		}
		b = a.append(b, v)
	}
	return append(b, '}', '}')
}
