package intake

import (
	"daozhang/internal/fault"
)

// Flaw is one thing that is wrong with what was entered.
type Flaw struct {
	// Field is its name as forms and programs have it.
	Field string
	Why   fault.Text
}

// Flaws are all that is wrong with an entry: the cause of a fault.Invalid, so that a
// form can say each beside its field.
type Flaws []Flaw

// need adds a flaw where a condition does not hold.
func (f *Flaws) need(ok bool, field string, why fault.Text) {
	if !ok {
		*f = append(*f, Flaw{field, why})
	}
}

// text is all of them in a sentence.
func (f Flaws) text() (all fault.Text) {
	for _, x := range f {
		all = all.And(fault.Say("%s: %s", "%s：%s", x.Field, x.Why))
	}
	return all
}

// Error gives the flaws in English.
func (f Flaws) Error() string { return f.text().EN }

// As gives the flaws as a text in both languages.
func (f Flaws) As(target any) bool {
	t, ok := target.(*fault.Text)
	if ok {
		*t = f.text()
	}
	return ok
}

// err is the error of an entry; nil where there is no flaw.
func (f Flaws) err(op fault.Text, subject string) error {
	if len(f) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, op, subject, f, fault.Say("correct it and send it again", "请更正后重新提交"))
}
