package console

import (
	"slices"
	"strings"

	"github.com/a-h/templ"

	"daozhang/internal/report"
)

// act is one thing that a person can do: a form, with what was entered and why it
// was refused where it was.
type act struct {
	Name   string // the last element of its address
	Action templ.SafeURL
	// Version is that of the row the person looked at.
	Version            string
	Word, Button, Help string
	Fields             []field
	Open, First        bool
	// Second marks what another person has to check before it takes effect.
	Second bool
	Wrong  string // why it was refused, and what now; "" where nothing was
}

// field is one input of an act. Kind is area, choice, or a type of input.
type field struct {
	Name, Word, Kind, Value string
	Choices                 []choice
	Required                bool
	// Wrong is why the value was refused; "" where it was not.
	Wrong string
}

// describes leads from an input to the message about it.
func (a *act) describes(f *field) templ.Attributes {
	if a.Wrong == "" {
		return nil
	}
	return templ.Attributes{"aria-describedby": "wrong-" + a.Name}
}

// refuse keeps what was entered and says why it was not done.
func (a *act) refuse(get func(string) string, wrong string) {
	a.Open, a.Wrong = true, wrong
	for i := range a.Fields {
		if v := get(a.Fields[i].Name); v != "" {
			a.Fields[i].Value = v
		}
	}
}

// actNamed finds an act to which a refusal belongs; nil where there is none.
func actNamed(acts []act, name string) *act {
	i := slices.IndexFunc(acts, func(a act) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &acts[i]
}

// fact is one name with its value.
type fact struct {
	Name, Text string
	Link       templ.SafeURL // "" for none
	Moment     report.Moment // instead of Text
}

// said is one entry of a history.
type said struct {
	At        report.Moment
	Who, What string
	Text      string // a reason or a comment, in the words of who gave it
	Tone      report.Tone
}

// told says an error's reason and what to do now, as sentences.
func (v *visit) told(err error) string {
	what, hint := messageOf(err, v.lang)
	end, between := ".", " "
	if v.lang == "zh" {
		end, between = "。", ""
	}
	if what == "" {
		what, hint = hint, ""
	}
	s := capital(what)
	if !strings.HasSuffix(s, end) {
		s += end
	}
	if hint != "" {
		s += between + capital(hint) + end
	}
	return s
}
