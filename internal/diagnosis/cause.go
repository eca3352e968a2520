package diagnosis

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"go.yaml.in/yaml/v3"

	"daozhang/internal/fault"
	"daozhang/internal/journey"
)

// Text is a text in the two languages of the product.
type Text struct {
	EN string `yaml:"en" json:"en"`
	ZH string `yaml:"zh" json:"zh"`
}

// In gives the text in a language, "zh" or else English.
func (t Text) In(lang string) string {
	if lang == "zh" {
		return t.ZH
	}
	return t.EN
}

// Advice is what to do, for each reader.
type Advice struct {
	Cardholder  Text `yaml:"cardholder" json:"cardholder"`
	Merchant    Text `yaml:"merchant" json:"merchant"`
	Institution Text `yaml:"institution" json:"institution"`
}

// Cause is one entry of the catalogue.
type Cause struct {
	Code     string   `yaml:"code"`
	Founding string   `yaml:"founding"` // words of the founding document
	Title    Text     `yaml:"title"`
	Why      Text     `yaml:"why"`
	Legs     []string `yaml:"legs"`
	Party    string   `yaml:"party"`
	// PartyByLeg names who acts where that differs by leg.
	PartyByLeg map[string]string `yaml:"party_by_leg"`
	// Incident names the shared object by which payments stopped by one fault
	// belong together; "" where the cause makes no incidents.
	Incident string `yaml:"incident"`
	Check    Text   `yaml:"check"`
	Advice   Advice `yaml:"advice"`
	// The overrides are keyed by leg, by cardholder state, or by "leg.state".
	WhyBy    map[string]Text   `yaml:"why_by_leg"`
	CheckBy  map[string]Text   `yaml:"check_by_leg"`
	AdviceBy map[string]Advice `yaml:"advice_by_leg"`
	// Rules say when the cause fits; the first whose `when` holds counts.
	Rules []Rule `yaml:"rules"`

	place int // in the catalogue, 0 first
}

// Rule is one way to recognise a cause.
type Rule struct {
	// Legs on which the rule acts; the cause's own where it names none.
	Legs []string `yaml:"legs"`
	// When is a predicate over Signals.
	When string `yaml:"when"`
	// Rank orders causes that fit together: the higher explains the lower away.
	Rank int `yaml:"rank"`
	// Confidence, 0 to 1. Under 0.5 the cause is an alternative only.
	Confidence float64 `yaml:"confidence"`
	// Cites names the findings that tell.
	Cites []string `yaml:"cites"`
	// Expected is how the arrival follows, see expected.go.
	Expected string `yaml:"expected"`
	// Fault names the finding whose interval and subject the incident has.
	Fault string `yaml:"fault"`
	// Party overrides who acts.
	Party   string `yaml:"party"`
	program *vm.Program
	legs    [journey.Credit + 1]bool
}

//go:embed catalogue/*.yaml
var catalogueFiles embed.FS

// Catalogue is all causes, compiled.
type Catalogue struct {
	causes []*Cause
	byCode map[string]*Cause
}

// Load gives the embedded catalogue, compiled once for the process: nobody changes it.
func Load() (*Catalogue, error) { return embedded() }

var embedded = sync.OnceValues(func() (*Catalogue, error) { return LoadFrom(catalogueFiles) })

// LoadFrom reads and compiles the catalogue of a file system: every *.yaml in
// its folder "catalogue". The error names the entry and the rule that is wrong.
func LoadFrom(files fs.FS) (*Catalogue, error) {
	const op = "load the cause catalogue"
	names, err := fs.Glob(files, "catalogue/*.yaml")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	c := &Catalogue{byCode: map[string]*Cause{}}
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		var list []*Cause
		dec := yaml.NewDecoder(bytes.NewReader(raw))
		dec.KnownFields(true)
		if err := dec.Decode(&list); err != nil {
			return nil, fault.New(fault.Invalid, op, name, err, "see CONTRIBUTING.md for what an entry looks like")
		}
		for _, cause := range list {
			if c.byCode[cause.Code] != nil {
				return nil, fault.New(fault.Invalid, op, cause.Code, fmt.Errorf("stands twice"), "remove one of the entries")
			}
			if err := cause.compile(); err != nil {
				return nil, fault.New(fault.Invalid, op, cause.Code, err, "the predicates are over the fields of Signals in signals.go")
			}
			cause.place = len(c.causes)
			c.causes = append(c.causes, cause)
			c.byCode[cause.Code] = cause
		}
	}
	return c, nil
}

// Cause gives the entry of a code; nil where there is none.
func (c *Catalogue) Cause(code string) *Cause { return c.byCode[code] }

// Causes gives all entries.
func (c *Catalogue) Causes() []*Cause { return c.causes }

func legOf(name string) (journey.Leg, bool) {
	for l := journey.Authorization; l <= journey.Credit; l++ {
		if l.String() == name {
			return l, true
		}
	}
	return 0, false
}

func partyOf(name string) (Party, bool) {
	i := slices.Index(partyNames[:], name)
	return Party(max(i, 0)), i > 0
}

func (c *Cause) compile() error {
	for i := range c.Rules {
		r := &c.Rules[i]
		legs := r.Legs
		if len(legs) == 0 {
			legs = c.Legs
		}
		for _, name := range legs {
			l, ok := legOf(name)
			if !ok {
				return fmt.Errorf("rule %d: unknown leg %q", i+1, name)
			}
			r.legs[l] = true
		}
		program, err := expr.Compile(r.When, expr.Env(Signals{}), expr.AsBool())
		if err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
		r.program = program
		for _, name := range append(slices.Clone(r.Cites), r.Fault) {
			if _, ok := findingByName[name]; name != "" && !ok {
				return fmt.Errorf("rule %d: unknown finding %q", i+1, name)
			}
		}
		if _, ok := expectations[r.Expected]; !ok {
			return fmt.Errorf("rule %d: unknown expectation %q", i+1, r.Expected)
		}
		if _, ok := partyOf(r.Party); r.Party != "" && !ok {
			return fmt.Errorf("rule %d: unknown party %q", i+1, r.Party)
		}
	}
	for leg, party := range c.PartyByLeg {
		if _, ok := legOf(leg); !ok {
			return fmt.Errorf("party_by_leg: unknown leg %q", leg)
		}
		if _, ok := partyOf(party); !ok {
			return fmt.Errorf("party_by_leg: unknown party %q", party)
		}
	}
	if _, ok := partyOf(c.Party); !ok {
		return fmt.Errorf("unknown party %q", c.Party)
	}
	return nil
}

// overrideKeys gives the keys of the overrides in the order in which they go
// before the plain text.
func overrideKeys(leg journey.Leg, cardholder journey.Cardholder) [3]string {
	return [3]string{leg.String() + "." + cardholder.String(), cardholder.String(), leg.String()}
}

// WhyFor gives the sentence that says what happened, for a leg and what the
// cardholder's side is.
func (c *Cause) WhyFor(leg journey.Leg, cardholder journey.Cardholder) Text {
	for _, key := range overrideKeys(leg, cardholder) {
		if t, ok := c.WhyBy[key]; ok && t.EN != "" {
			return t
		}
	}
	return c.Why
}

// CheckFor gives the check that would confirm the cause.
func (c *Cause) CheckFor(leg journey.Leg, cardholder journey.Cardholder) Text {
	for _, key := range overrideKeys(leg, cardholder) {
		if t, ok := c.CheckBy[key]; ok && t.EN != "" {
			return t
		}
	}
	return c.Check
}

// AdviceFor gives the advice for a leg and what the cardholder's side is; an
// override may speak to one reader only.
func (c *Cause) AdviceFor(leg journey.Leg, cardholder journey.Cardholder) Advice {
	var a Advice
	for _, key := range overrideKeys(leg, cardholder) {
		if o, ok := c.AdviceBy[key]; ok {
			a.fill(o)
		}
	}
	a.fill(c.Advice)
	return a
}

func (a *Advice) fill(o Advice) {
	if a.Cardholder.EN == "" {
		a.Cardholder = o.Cardholder
	}
	if a.Merchant.EN == "" {
		a.Merchant = o.Merchant
	}
	if a.Institution.EN == "" {
		a.Institution = o.Institution
	}
}
