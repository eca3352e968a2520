package intake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
	"time"
	"unicode"

	"daozhang/internal/access"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/payment"
)

// Upload is a file as a person brings it.
type Upload struct {
	Name    string
	Content io.Reader
	By      access.Actor
	Via     Via
	// Hints are what the person says about a file that does not say it itself.
	Hints format.Hints
	// To is the folder of the back office that is meant; "" finds it by the content.
	To string
	// Dry says what would become of the file and keeps nothing.
	Dry bool
	// May says why a fact may not be brought by this person or key; none where it may.
	// nil: the rules of the Intake alone hold.
	May func(set *evidence.Set, r evidence.FactRef) fault.Text
}

// tellPage is how many facts are kept at once.
const tellPage = 2000

// turns bounds how many files are read at the same time.
type turns struct {
	once sync.Once
	free chan struct{}
}

// take waits for a turn and gives what ends it.
func (i *Intake) take(ctx context.Context) (func(), error) {
	i.turns.once.Do(func() { i.turns.free = make(chan struct{}, cmp.Or(max(i.AtOnce, 0), 2)) })
	select {
	case i.turns.free <- struct{}{}:
		return func() { <-i.turns.free }, nil
	case <-ctx.Done():
		return nil, fault.New(fault.Cancelled, opBring, "", ctx.Err(), fault.Text{})
	}
}

var opBring = fault.Say("bring file", "上传文件")

// Bring reads a file, keeps what it says, and tells what became of it. What is
// wrong with the file itself is in the File (State, Why, Errors) and not an error.
// Errors: fault.Usage where the file is too large or the folder is not known,
// fault.Conflict where its name in the folder is taken, those of the record.
func (i *Intake) Bring(ctx context.Context, u Upload) (File, error) {
	done, err := i.take(ctx)
	if err != nil {
		return File{}, err
	}
	defer done()
	content, err := io.ReadAll(io.LimitReader(u.Content, i.Most()+1))
	if err != nil {
		return File{}, fault.New(fault.Usage, opBring, shownName(u.Name), err, fault.Say("send it again", "请重新上传"))
	}
	if int64(len(content)) > i.Most() {
		return File{}, fault.New(fault.Usage, opBring, shownName(u.Name), fault.Say("it is larger than %d MiB", "文件超过 %d MiB", i.Most()>>20),
			fault.Say("send it in parts, or put it into the folder of its network or bank", "请分批上传，或放入对应卡组织、银行的文件夹"))
	}
	r := &reading{Intake: i, u: &u, content: content, file: begin(&u, content, i.Now())}
	before, err := i.Keeper.File(ctx, r.file.ID)
	switch {
	case err == nil && before.State != Refused:
		return came(before, &r.file, u.Dry), nil
	case err != nil && fault.KindOf(err) != fault.NotFound:
		return File{}, err
	}
	if err := r.read(ctx); err != nil {
		return File{}, err
	}
	if u.Dry {
		return r.file, nil
	}
	if err := i.Keeper.PutFile(ctx, r.file); err != nil {
		return r.file, err
	}
	e := u.By.Did(r.file.At, "brought", "file/"+r.file.ID)
	e.After, e.Detail = string(r.file.State), r.file.Name
	return r.file, i.record(ctx, e)
}

// begin is the file before it is read.
func begin(u *Upload, content []byte, now time.Time) File {
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	zone := ""
	if u.Hints.Zone != nil {
		zone = u.Hints.Zone.String()
	}
	// Read by other hints it says something else.
	said := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%s\n%s\n%s", hash, u.Hints.Type, u.Hints.MID, zone, u.Hints.Currency, u.To))
	return File{ID: hex.EncodeToString(said[:16]), Hash: hash, Name: shownName(u.Name), Size: int64(len(content)), At: now, By: u.By.Name, Via: u.Via, State: Taken, Dry: u.Dry}
}

// came is what is said of a file that came before: nothing is done again.
func came(before File, now *File, dry bool) File {
	before.Why = fault.Say("the same file came on %s as %s; nothing is changed", "同一文件已于 %s 以 %s 上传，未作任何改动",
		before.At.Format("2006-01-02 15:04"), before.Name)
	before.State, before.Dry = Unchanged, dry
	before.Name, before.Added, before.Repeated, before.Contradicts = now.Name, 0, before.Rows, 0
	return before
}

// shownName is a file's name without its folder, as it can be shown.
func shownName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > 120 {
		name = string(runes[:120])
	}
	if name == "." || name == "/" {
		return "-"
	}
	name, _ = card.MaskText(name)
	return name
}

// reading is a file being read.
type reading struct {
	*Intake
	u       *Upload
	content []byte
	file    File
	set     *evidence.Set
	loaded  *format.Loaded
	holders map[string]holder
}

// holder is whose an account in the file is.
type holder struct{ bank, mid string }

// read does everything but keeping the file itself.
func (r *reading) read(ctx context.Context) error {
	r.set = evidence.NewSet()
	var err error
	r.loaded, err = format.Load(ctx, []string{"-"}, format.Options{Hints: r.u.Hints, Stdin: bytes.NewReader(r.content)}, r.Formats, r.set, nil)
	if err != nil {
		return fault.New(fault.KindOf(err), opBring, r.file.Name, err, fault.Text{})
	}
	r.describe()
	if r.file.Rows == 0 {
		r.refuse(r.nothing())
		return nil
	}
	if err := r.findHolders(ctx); err != nil {
		return err
	}
	way, err := r.route()
	if err != nil || r.file.State == Refused {
		return err
	}
	if way.folder != "" {
		if err := r.hand(ctx, way.folder); err != nil || !way.told {
			return err
		}
	}
	return r.tell(ctx)
}

func (r *reading) refuse(why fault.Text) { r.file.State, r.file.Why = Refused, why }

// nothing says why there is no fact in the file.
func (r *reading) nothing() fault.Text {
	if len(r.loaded.Rejected) > 0 {
		return r.loaded.Rejected[0].Why
	}
	return fault.Say("it holds no rows", "文件中没有记录")
}

// facts are those that may be kept; what may not is added to the file's errors.
func (r *reading) facts() []payment.Evidence {
	var facts []payment.Evidence
	for ref, f := range r.set.All {
		if why := r.forbidden(ref); !why.None() {
			r.file.Rejected++
			r.note(&r.file.Errors, LineNote{Line: int(f.Line), Why: why})
			continue
		}
		facts = append(facts, r.fact(ref, f))
	}
	return facts
}

// fact is a fact as it is kept: as it was understood, not as it was sent.
func (r *reading) fact(ref evidence.FactRef, f *evidence.Fact) payment.Evidence {
	if f.Type == evidence.BankEntry || f.Type == evidence.BankStatement {
		if h := r.holders[r.set.Text(ref, evidence.Account)]; h.mid != "" {
			return accountFact(r.set, ref, h.mid)
		}
	}
	return payment.Evidence{Source: r.set.Words.Text(f.Source), ID: r.set.Words.Text(f.ID), Type: f.Type, Time: f.Time.In(r.zone()),
		MID: r.set.Text(ref, evidence.MID), Line: r.set.AppendJSON(nil, ref)}
}

// tell keeps the facts of the file, or says what would become of them.
func (r *reading) tell(ctx context.Context) error {
	facts := r.facts()
	if len(facts) == 0 {
		r.refuse(r.file.Errors[0].Why)
		return nil
	}
	keep := r.Keeper.Tell
	if r.u.Dry {
		keep = r.Keeper.Compare
	}
	for len(facts) > 0 {
		page := facts[:min(tellPage, len(facts))]
		facts = facts[len(page):]
		told, err := keep(ctx, page)
		if err != nil {
			return err
		}
		r.file.Added += int64(told.Added)
		r.file.Repeated += int64(told.Repeated)
		r.file.Contradicts += int64(told.Contradicts)
	}
	switch {
	case r.file.Rejected > 0:
		r.file.State = Partly
	case r.file.Added+r.file.Contradicts == 0:
		r.file.State = Unchanged
	}
	return nil
}

// closed are sources of the platform itself; with a back office there are more.
var closed = []string{"gateway/", "institution/merchants", "institution/console", "institution/configuration"}
var closedByOffice = []string{"settlement/", "payouts/platform", "clearing/", "funding/"}

// forbidden says why nobody may bring a fact in a file.
func (r *reading) forbidden(ref evidence.FactRef) fault.Text {
	f := r.set.At(ref)
	source := r.set.Words.Text(f.Source)
	begins := func(heads []string) bool {
		for _, h := range heads {
			if strings.HasPrefix(source, h) {
				return true
			}
		}
		return false
	}
	switch {
	case f.Type == evidence.UnknownType:
		return fault.Say("only types of the evidence contract are taken", "仅接收凭据约定中的类型")
	case begins(closed), r.Office != nil && begins(closedByOffice):
		return fault.Say("the source %s belongs to the platform itself", "来源 %s 为平台自身的记录", source)
	case r.Office != nil && f.Type == evidence.MerchantTerms:
		return fault.Say("terms are proposed on the merchant's page and checked by a second person", "结算条款须在商户页面提交，并由另一人复核")
	case r.u.May != nil:
		return r.u.May(r.set, ref)
	}
	return fault.Text{}
}
