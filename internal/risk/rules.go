package risk

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"sort"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
	"go.yaml.in/yaml/v3"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// Text is a sentence in the two languages.
type Text struct {
	EN string `yaml:"en"`
	ZH string `yaml:"zh"`
}

// Rule is one rule of the door.
type Rule struct {
	// Name is family.name, never renamed: evidence carries it.
	Name  string `yaml:"name"`
	Title Text   `yaml:"title"`
	// Operations that are asked; empty means sale, preauth, offline and refund.
	Operations []string `yaml:"operations"`
	// When is an expr predicate over Signals.
	When   string `yaml:"when"`
	Action string `yaml:"action"` // approve, review, hold, decline
	Score  int    `yaml:"score"`
	Code   string `yaml:"code"` // of a decline; 59 if not said
	// Floor rules hold for everybody: no allow list passes them by, and no set
	// can leave them out.
	Floor bool `yaml:"floor"`

	action  Action
	code    evidence.Code
	program *vm.Program
	asks    []signal
}

// Entry is one line of a list.
type Entry struct {
	Kind  string `yaml:"kind"`  // card (token), prefix (of the card number), mid, tid
	Value string `yaml:"value"` //
	// Allow passes all rules but those of the floor; else the entry blocks.
	Allow bool `yaml:"allow"`
	// Until ends the entry; zero means it stays.
	Until  time.Time `yaml:"until"`
	Reason string    `yaml:"reason"`
}

// file is the form of a rule file.
type file struct {
	Version string  `yaml:"version"`
	Limits  []Limit `yaml:"limits"`
	Lists   []Entry `yaml:"lists"`
	Rules   []*Rule `yaml:"rules"`
	// Escalate turns a sum of scores into an action.
	Escalate []struct {
		Score  int    `yaml:"score"`
		Action string `yaml:"action"`
	} `yaml:"escalate"`
}

type threshold struct {
	score  int
	action Action
}

// Rules is a compiled set of rules, limits and lists. It is not changed after
// and may be shared.
type Rules struct {
	version  string
	rules    []*Rule
	limits   []Limit
	lists    []Entry
	listed   map[string]int // kind and value to the place in lists, for what is no prefix
	prefixes []int
	escalate []threshold
	asks     []signal // all that any rule asks about
}

//go:embed floor.yaml
var floorFile []byte

// Floor is the platform's own set: the rules against fraud and cash-out that
// hold for everybody.
func Floor() *Rules {
	rs, err := Compile(nil)
	if err != nil {
		panic(err) // the file is part of the program, and tested
	}
	return rs
}

// Compile reads a set in YAML and adds it to the floor. Errors are of kind
// fault.Invalid and name the rule, the limit or the entry.
func Compile(data []byte) (*Rules, error) {
	rs := &Rules{listed: map[string]int{}}
	if err := rs.load(floorFile, true); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(data)) > 0 {
		if err := rs.load(data, false); err != nil {
			return nil, err
		}
	}
	sort.SliceStable(rs.escalate, func(i, j int) bool { return rs.escalate[i].score < rs.escalate[j].score })
	for _, s := range signals {
		for _, r := range rs.rules {
			if slices.Contains(r.asks, s) {
				rs.asks = append(rs.asks, s)
				break
			}
		}
	}
	return rs, nil
}

// Version names the set in traces: the floor's and the added one's.
func (rs *Rules) Version() string { return rs.version }

// All gives the rules in their order, for display.
func (rs *Rules) All() []*Rule { return rs.rules }

// Limits gives the limits in their order.
func (rs *Rules) Limits() []Limit { return rs.limits }

func invalid(what, name string, err error, hint string) error {
	return fault.New(fault.Invalid, "load "+what, name, err, hint)
}

func (rs *Rules) load(data []byte, floor bool) error {
	var f file
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && err != io.EOF {
		return invalid("rules", "", err, "the file has version, limits, lists, rules and escalate")
	}
	if f.Version == "" {
		return invalid("rules", "", nil, "name the version of the set: traces refer to it")
	}
	if rs.version != "" {
		rs.version += "+"
	}
	rs.version += f.Version
	for _, r := range f.Rules {
		if err := rs.compile(r, floor); err != nil {
			return err
		}
		rs.rules = append(rs.rules, r)
	}
	for i := range f.Limits {
		l := &f.Limits[i]
		if l.Name == "" || l.MaxAmount < 0 || l.MinAmount < 0 || l.DailyAmount < 0 || l.DailyCount < 0 {
			return invalid("limit", l.Name, nil, "a limit has a name and amounts in minor units, not negative")
		}
		switch l.Per {
		case "", "merchant", "terminal", "card":
		default:
			return invalid("limit", l.Name, nil, "per is merchant, terminal or card")
		}
		switch l.CardType {
		case "", "credit":
		case "debit", "prepaid":
			if l.daily() {
				return invalid("limit", l.Name, nil, "daily limits by type of card are for credit cards")
			}
		default:
			return invalid("limit", l.Name, nil, "card_type is debit, credit or prepaid")
		}
		if l.Operation != "" && !counted(l.Operation) {
			return invalid("limit", l.Name, nil, "operation is sale, preauth, offline or refund")
		}
		rs.limits = append(rs.limits, *l)
	}
	for _, e := range f.Lists {
		switch {
		case e.Value == "":
			return invalid("list", e.Kind, nil, "an entry has a value")
		case e.Kind == "prefix":
			rs.prefixes = append(rs.prefixes, len(rs.lists))
		case e.Kind == "card" || e.Kind == "mid" || e.Kind == "tid":
			rs.listed[e.Kind+"/"+e.Value] = len(rs.lists)
		default:
			return invalid("list", e.Kind, nil, "kind is card, prefix, mid or tid")
		}
		rs.lists = append(rs.lists, e)
	}
	for _, e := range f.Escalate {
		a, ok := ParseAction(e.Action)
		if !ok || e.Score <= 0 {
			return invalid("escalate", e.Action, nil, "escalate has a score above 0 and review, hold or decline")
		}
		rs.escalate = append(rs.escalate, threshold{e.Score, a})
	}
	return nil
}

// names gathers the identifiers of an expression.
type names struct{ found map[string]bool }

func (n *names) Visit(node *ast.Node) {
	if id, ok := (*node).(*ast.IdentifierNode); ok {
		n.found[id.Value] = true
	}
}

func (rs *Rules) compile(r *Rule, floor bool) error {
	fail := func(err error, hint string) error { return invalid("rule", r.Name, err, hint) }
	if r.Name == "" || r.Title.EN == "" || r.Title.ZH == "" {
		return fail(nil, "a rule has a name and a title in both languages")
	}
	for _, o := range rs.rules {
		if o.Name == r.Name {
			return fail(nil, "the name is taken; rules of the floor cannot be replaced")
		}
	}
	if r.Floor && !floor {
		return fail(nil, "only the platform's own set has floor rules")
	}
	var ok bool
	if r.action, ok = ParseAction(r.Action); !ok {
		return fail(nil, "action is approve, review, hold or decline")
	}
	if r.action == Approve && r.Score != 0 {
		return fail(nil, "a rule that approves has no score; to let something pass use an allow list")
	}
	r.code = codeFraud
	if r.Code != "" {
		if len(r.Code) != 2 {
			return fail(nil, "code is a response code of two characters")
		}
		r.code = evidence.Code{r.Code[0], r.Code[1]}
		if evidence.IsApproval(r.code) || evidence.IsOpen(r.code) {
			return fail(nil, "the code of a decline neither approves nor leaves open")
		}
	}
	for _, o := range r.Operations {
		if !counted(o) {
			return fail(nil, "operations are sale, preauth, offline and refund")
		}
	}
	var err error
	if r.program, err = expr.Compile(r.When, expr.Env(Signals{}), expr.AsBool(), expr.MaxNodes(200)); err != nil {
		return fail(err, "when is a predicate over: "+fmt.Sprint(SignalNames()))
	}
	tree, err := parser.Parse(r.When)
	if err != nil {
		return fail(err, "")
	}
	seen := names{map[string]bool{}}
	ast.Walk(&tree.Node, &seen)
	for _, s := range signals {
		if seen.found[s.name] {
			r.asks = append(r.asks, s)
		}
	}
	return nil
}

// Asking lists the rules, and limits as "limit.NAME", that ask about a signal: they
// are silent where nobody says it.
func (rs *Rules) Asking(name string) []string {
	var all []string
	for _, r := range rs.rules {
		if slices.ContainsFunc(r.asks, func(s signal) bool { return s.name == name }) {
			all = append(all, r.Name)
		}
	}
	for i := range rs.limits {
		if name == "card_type" && rs.limits[i].CardType != "" {
			all = append(all, "limit."+rs.limits[i].Name)
		}
	}
	return all
}

// concerns reports whether a rule is asked about an operation.
func (r *Rule) concerns(operation string) bool {
	return len(r.Operations) == 0 || slices.Contains(r.Operations, operation)
}

// listing finds whether an attempt is blocked or allowed; a block wins.
func (rs *Rules) listing(a *Attempt) (blocked, allowed *Entry) {
	take := func(i int) {
		e := &rs.lists[i]
		if !e.Until.IsZero() && !a.At.Before(e.Until) {
			return
		}
		if e.Allow {
			allowed = e
		} else {
			blocked = e
		}
	}
	if len(rs.listed) > 0 {
		for _, k := range [...][2]string{{"card", a.Card}, {"mid", a.MID}, {"tid", a.TID}} {
			if i, ok := rs.listed[k[0]+"/"+k[1]]; ok && k[1] != "" {
				take(i)
			}
		}
	}
	for _, i := range rs.prefixes {
		if v := rs.lists[i].Value; len(a.Prefix) >= len(v) && a.Prefix[:len(v)] == v {
			take(i)
		}
	}
	return blocked, allowed
}
