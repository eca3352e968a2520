package pos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
)

// Request is what an operator does at the terminal.
type Request struct {
	Operation iso8583.Operation
	// Amount in minor units. Of a void it is the original's.
	Amount int64
	// Card that is presented; of a void none is needed.
	Card *Card
	// Entry is how it is read: chip, contactless, magstripe, manual, qr. Where
	// empty, the chip, or else the stripe.
	Entry string
	// NoPIN leaves the PIN out where the entry asks for one (chip, stripe).
	NoPIN bool
	// PIN typed instead of the card's own.
	PIN string
	// Original is what a void, refund or completion is about.
	Original Ref
	// OrderID is the till's reference; Ordered what the till wanted, where the
	// operator types another amount.
	OrderID string
	Ordered int64
}

// Outcome is what a transaction came to.
type Outcome struct {
	Transaction
	// Slip is what was printed; "" where nothing was.
	Slip string
	// Took is from the tender to the result, without printing.
	Took time.Duration
}

// Do runs one transaction. What comes back says how it ended, also where it was
// declined or had no answer; the error is for what kept it from being run, or
// ErrDead. A time-out has been put down for reversal, and the reversal tried once,
// before Do returns.
func (t *Terminal) Do(ctx context.Context, q Request) (Outcome, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const op = "run transaction"
	if err := t.ready(ctx, q.Operation); err != nil {
		return Outcome{}, fault.New(kindOfError(err), op, q.Operation.String(), err, fault.HintOf(err))
	}
	o, err := t.run(ctx, &q)
	if err != nil {
		err = fault.New(kindOfError(err), op, q.Operation.String(), err, fault.HintOf(err))
	}
	return o, err
}

// kindOfError is Conflict for what the terminal's state forbids.
func kindOfError(err error) fault.Kind {
	for _, e := range []error{ErrDead, ErrNotSignedOn, ErrReversalDue, ErrBatchFull, ErrSettling, ErrIgnored} {
		if errors.Is(err, e) {
			return fault.Conflict
		}
	}
	if errors.Is(err, ErrNoOriginal) {
		return fault.NotFound
	}
	return fault.KindOf(err)
}

// ready does what has to be done before a transaction, in the order of the
// specification: reversals first, then stored sales.
func (t *Terminal) ready(ctx context.Context, o iso8583.Operation) error {
	if err := t.alive(); err != nil {
		return err
	}
	offline := o == iso8583.OfflineSale
	switch {
	case t.state.settling != nil:
		return fault.New(fault.Conflict, "", "", ErrSettling, "settle first: the acquirer has not confirmed the last settlement")
	case t.state.begun >= t.cfg.MaxBatch:
		return fault.New(fault.Conflict, "", "", ErrBatchFull, "settle the batch first")
	case offline:
		return nil
	case !t.signedOn():
		return fault.New(fault.Conflict, "", "", ErrNotSignedOn, "sign on first")
	}
	if err := t.reverseAll(ctx); err != nil {
		return err
	}
	if t.faults.strikes(Lag) {
		return t.lag()
	}
	return t.tellAll(ctx)
}

// spend takes the next trace number.
func (t *Terminal) spend() string { return six(next(t.state.stan)) }

// run is a transaction from the tender to the slip.
func (t *Terminal) run(ctx context.Context, q *Request) (o Outcome, err error) {
	begun := time.Now()
	x, original, err := t.tender(q)
	if err != nil {
		return o, err
	}
	if err := t.at(BeforeStore); err != nil {
		return o, err
	}
	var pan, pin string
	if q.Card != nil {
		pan = q.Card.pan
		if pin = q.PIN; pin == "" && !q.NoPIN && (x.Entry == "chip" || x.Entry == "magstripe" || x.Entry == "contactless" && x.Amount > tapLimit) {
			pin = q.Card.PIN
		}
	} else if original != nil {
		if pan, err = t.unseal(original); err != nil {
			return o, err
		}
	}
	if pin != "" {
		x.CVM = "pin"
	}
	if x.Operation == iso8583.Balance.String() {
		return t.inquire(ctx, x, q.Card, pan, pin, begun)
	}
	if pan != "" && x.Result != "aborted" {
		if x.Sealed, err = t.keys.Seal(pan, sealContext(t.cfg.TID, x.Batch, x.STAN)); err != nil {
			return o, err
		}
	}
	aborted := x.Result == "aborted"
	x.Result = ""
	if err := t.keep(Record{What: didBegin, Time: x.Time, Batch: x.Batch, STAN: x.STAN, Begun: x}); err != nil {
		return o, err
	}
	var end Record
	switch op, _ := iso8583.ParseOperation(x.Operation); {
	case aborted:
		end = Record{Result: "aborted"}
	case op == iso8583.OfflineSale:
		end = Record{Result: "offline_approved", Code: "Y1", Approved: x.Amount}
	default:
		if err := t.at(Stored); err != nil {
			return o, err
		}
		m, err := t.request(x, q.Card, pan, pin)
		if err != nil {
			return o, err
		}
		a, err := t.exchange(ctx, m)
		m.Wipe()
		if errors.Is(err, ErrDead) {
			return o, err
		}
		end = t.judge(x, a, err)
	}
	end.What, end.Time, end.Batch, end.STAN = didEnd, t.now(), x.Batch, x.STAN
	if err := t.keep(end); err != nil {
		return o, err
	}
	o.Took = time.Since(begun)
	if err := t.at(Recorded); err != nil {
		return o, err
	}
	live := t.state.byKey[x.Batch+"/"+x.STAN]
	slip, err := t.print(live)
	if err != nil {
		return o, err
	}
	if err := t.at(Printed); err != nil {
		return o, err
	}
	if err := t.after(live); err != nil {
		return o, err
	}
	if live.Reversal == due {
		// Once, at once; later again before anything else is sent. That it fails
		// changes nothing for this transaction.
		if err := t.reverseAll(ctx); err != nil && !errors.Is(err, ErrReversalDue) {
			return o, err
		}
	}
	o.Transaction, o.Slip = *live, slip
	return o, nil
}

// tapLimit is up to which amount UnionPay asks for neither PIN nor signature of a
// contactless card.
const tapLimit = 100_000

// tender makes the transaction of a request: which reader read the card, which
// amount was typed. Its result is "aborted" where no reader could.
func (t *Terminal) tender(q *Request) (x *Transaction, original *Transaction, err error) {
	x = &Transaction{Batch: six(t.state.batch), STAN: t.spend(), Operation: q.Operation.String(), Time: t.now(), Amount: q.Amount,
		Currency: t.cfg.Currency, Operator: t.cfg.Operator, OrderID: q.OrderID, CVM: "none", Entry: q.Entry, Original: q.Original}
	if !q.Operation.Financial() && q.Operation != iso8583.Balance {
		return nil, nil, fault.New(fault.Usage, "", "", fmt.Errorf("%s is no transaction", q.Operation), "")
	}
	if original, err = t.about(q, x); err != nil {
		return nil, nil, err
	}
	if x.Amount <= 0 && q.Operation != iso8583.Balance || x.Amount > 999_999_999_999 {
		return nil, nil, fault.New(fault.Usage, "", "", errors.New("an amount is from 1 to 999999999999 minor units"), "")
	}
	if err := t.operator(q, x); err != nil {
		return nil, nil, err
	}
	if q.Card == nil {
		if original == nil {
			return nil, nil, fault.New(fault.Usage, "", "", errors.New("no card is presented"), "")
		}
		x.PAN, x.Issuer, x.CardType, x.Foreign = original.PAN, original.Issuer, original.CardType, original.Foreign
		if x.Entry == "" {
			x.Entry = "manual"
		}
		return x, original, nil
	}
	c := q.Card
	x.PAN, x.Issuer, x.CardType, x.Foreign = mask(c.pan), c.Issuer, c.Type, c.foreign()
	if x.Entry == "" {
		x.Entry = "chip"
		if !c.Chip {
			x.Entry = "magstripe"
		}
	}
	if entryCodes[x.Entry] == "" {
		return nil, nil, fault.New(fault.Usage, "", "", fmt.Errorf("there is no entry %q", x.Entry), "use chip, contactless, magstripe, manual or qr")
	}
	if err := t.read(x, c); err != nil {
		return nil, nil, err
	}
	if x.Entry == "chip" || x.Entry == "magstripe" {
		x.CVM = "signature"
	}
	return x, original, nil
}

// about finds the original of a void, refund or completion, and takes from it what
// was not said.
func (t *Terminal) about(q *Request, x *Transaction) (*Transaction, error) {
	wants := map[iso8583.Operation][]iso8583.Operation{
		iso8583.SaleVoid:       {iso8583.Sale, iso8583.OfflineSale},
		iso8583.PreauthVoid:    {iso8583.Preauth},
		iso8583.CompletionVoid: {iso8583.Completion},
		iso8583.Refund:         {iso8583.Sale, iso8583.Completion, iso8583.OfflineSale},
		iso8583.Completion:     {iso8583.Preauth}, iso8583.CompletionAdvice: {iso8583.Preauth},
	}[q.Operation]
	if wants == nil {
		x.Original = Ref{}
		return nil, nil
	}
	o := t.state.find(q.Original)
	void := q.Operation == iso8583.SaleVoid || q.Operation == iso8583.CompletionVoid || q.Operation == iso8583.PreauthVoid
	if o == nil {
		if void && q.Operation != iso8583.PreauthVoid {
			return nil, fault.New(fault.NotFound, "", "", ErrNoOriginal, "name it by its trace number; only the open batch can be voided")
		}
		// A refund or completion of another terminal's, or of long ago, is named
		// by hand.
		if q.Original.RRN == "" && q.Original.AuthCode == "" {
			return nil, fault.New(fault.NotFound, "", "", ErrNoOriginal, "name it by its trace number, reference number or authorization code")
		}
		return nil, nil
	}
	op, _ := iso8583.ParseOperation(o.Operation)
	if !slices.Contains(wants, op) || !o.approved() || o.Reversal != "" || o.Voided {
		return nil, fault.New(fault.Conflict, "", "", fmt.Errorf("%s %s cannot be the original of a %s", o.Operation, o.Result, q.Operation), "")
	}
	if void {
		if o.Settled && q.Operation == iso8583.SaleVoid {
			return nil, fault.New(fault.Conflict, "", "", errors.New("its batch is settled"), "refund it instead")
		}
		x.Amount = o.charged()
	}
	x.Original = Ref{Batch: o.Batch, STAN: o.STAN, RRN: o.RRN, AuthCode: o.AuthCode, Date: o.Time.Format("0102")}
	return o, nil
}

// operator errs as the faults say.
func (t *Terminal) operator(q *Request, x *Transaction) error {
	ordered := q.Ordered
	if ordered == 0 {
		ordered = x.Amount
	}
	if x.Operation == iso8583.Sale.String() && t.faults.strikes(WrongAmount) && x.Amount < 99_999_999_999 {
		x.Amount *= 10
		if x.OrderID == "" {
			x.OrderID = "T" + t.cfg.TID + x.Batch + x.STAN
		}
	}
	if x.Operation == iso8583.Sale.String() && t.faults.strikes(WrongButton) {
		x.Operation = iso8583.Preauth.String()
		q.Operation = iso8583.Preauth
		if err := t.tell(t.fact("operator.action", x.Time, "operator", x.Operator, "what", "wrong_function")); err != nil {
			return err
		}
	}
	if x.OrderID != "" && (q.Operation == iso8583.Sale || q.Operation == iso8583.Preauth || q.Operation == iso8583.OfflineSale) {
		return t.tell(t.fact("sale.order", x.Time, "order_id", x.OrderID, "amount", ordered, "currency", x.currency().String()))
	}
	return nil
}

// read reads the card as the readers let it: a chip that fails falls back to the
// stripe, an antenna to the chip; where nothing reads, the transaction is aborted.
func (t *Terminal) read(x *Transaction, c *Card) error {
	for {
		var part string
		can := true
		switch x.Entry {
		case "contactless":
			part, can = TapReader, c.Contactless
		case "chip":
			part, can = ChipReader, c.Chip
		case "magstripe":
			part, can = StripeRead, c.Stripe
		default:
			return nil
		}
		broken, err := t.broken(part)
		if err != nil {
			return err
		}
		if can && !broken {
			return nil
		}
		switch {
		case x.Entry == "contactless" && c.Chip:
			x.Entry = "chip"
		case x.Entry == "chip" && c.Stripe:
			x.Entry, x.Fallback = "magstripe", true
		default:
			x.Result = "aborted"
			return nil
		}
	}
}

// judge gives the end of a transaction from its answer, or from there being none.
func (t *Terminal) judge(x *Transaction, a *iso8583.Message, err error) Record {
	switch {
	case errors.Is(err, errNotSent):
		return Record{Result: "aborted"}
	case errors.Is(err, iso8583.ErrMAC):
		return Record{Result: "unknown", Code: "A0", Reversal: reversalOf(x), Reason: iso8583.ReasonMAC}
	case err != nil && a == nil:
		t.cfg.Log.Info("no answer", "tid", t.cfg.TID, "stan", x.STAN, "error", err)
		return Record{Result: "timeout", Reversal: reversalOf(x), Reason: iso8583.ReasonTimeout}
	case err != nil: // keys that are gone, for one
		return Record{Result: "unknown", Reversal: reversalOf(x), Reason: iso8583.ReasonOther}
	}
	code := a.Get(iso8583.ResponseCode)
	r := Record{Code: code, RRN: a.Get(iso8583.RRN), AuthCode: a.Get(iso8583.AuthCode), HostTime: a.Get(iso8583.LocalDate) + a.Get(iso8583.LocalTime)}
	r.Issuer = trim(a.Part(iso8583.AdditionalResponse, "issuer"))
	r.Acquirer = trim(a.Part(iso8583.AdditionalResponse, "acquirer"))
	if name := trim(a.Get(iso8583.MerchantName)); name != "" {
		t.host.merchant = name
	}
	switch {
	case approvalOf(code):
		r.Result, r.Approved = "approved", x.Amount
		if n, err := a.AmountMinor(); err == nil && n > 0 {
			r.Approved = n
		}
		if r.Approved > x.Amount || code != "10" && r.Approved != x.Amount {
			// It approves something else: the answer cannot be trusted.
			r.Result, r.Reversal, r.Reason, r.Approved = "unknown", reversalOf(x), iso8583.ReasonOther, 0
		}
	case openOf(code):
		r.Result, r.Reversal, r.Reason = "unknown", reversalOf(x), iso8583.ReasonTimeout
	default:
		r.Result = "declined"
	}
	return r
}

// after draws the consequences of an answer for the terminal itself.
func (t *Terminal) after(x *Transaction) error {
	switch {
	case outOfStep[x.Code]:
		return t.keep(Record{What: didSignOff, Time: t.now()})
	case x.Code == "30":
		return t.tell(t.fact("terminal.software", t.now(), "what", "protocol_error", "version", t.cfg.Version, "detail", "the acquirer refused the format"))
	}
	return nil
}

// inquire asks for the balance. Nothing moves, so nothing is kept but the trace
// number.
func (t *Terminal) inquire(ctx context.Context, x *Transaction, c *Card, pan, pin string, begun time.Time) (Outcome, error) {
	if x.Result == "aborted" {
		return Outcome{Transaction: *x}, nil
	}
	if err := t.keep(Record{What: didSpend, Time: x.Time, STAN: x.STAN}); err != nil {
		return Outcome{}, err
	}
	m, err := t.request(x, c, pan, pin)
	if err != nil {
		return Outcome{}, err
	}
	a, err := t.exchange(ctx, m)
	m.Wipe()
	if errors.Is(err, ErrDead) {
		return Outcome{}, err
	}
	end := t.judge(x, a, err)
	x.Result, x.Code = end.Result, end.Code
	if x.Result == "unknown" && x.Code == "" || x.Result == "timeout" {
		x.Result = "timeout"
	}
	if x.Result == "approved" {
		n, _, err := a.Balance()
		if err != nil {
			x.Result = "unknown"
		} else {
			x.Balance = &n
		}
	}
	return Outcome{Transaction: *x, Took: time.Since(begun)}, nil
}

// SignOn signs on: working keys come under the master key and are checked, and
// the acquirer says which batch is open.
func (t *Terminal) SignOn(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	const op = "sign on"
	if err := t.alive(); err != nil {
		return err
	}
	m, err := t.newMessage(iso8583.Kind{Operation: iso8583.SignOn}, six(t.state.batch), t.spend())
	if err != nil {
		return fault.New(fault.Usage, op, t.cfg.TID, err, "")
	}
	m.Set(iso8583.Private63, t.cfg.Operator+" ")
	a, err := t.exchange(ctx, m)
	if err != nil {
		return t.lost(op, err)
	}
	if code := a.Get(iso8583.ResponseCode); code != "00" {
		return fault.New(fault.NotAllowed, op, t.cfg.TID, fmt.Errorf("%w: code %s", ErrRefused, code), "is the terminal registered with the acquirer?")
	}
	w, err := a.WorkingKeys()
	if err == nil {
		err = t.keys.InstallWorking(t.owner, w)
	}
	if err != nil {
		return fault.New(fault.NotAllowed, op, t.cfg.TID, err, "inject the terminal's master key anew")
	}
	delete(t.faults.on, LostKeys)
	if name := trim(a.Get(iso8583.MerchantName)); name != "" {
		t.host.merchant = name
	}
	was := t.state.batch
	if err := t.keep(Record{What: didSignOn, Time: t.now(), STAN: m.Get(iso8583.STAN), Next: a.Batch()}); err != nil {
		return err
	}
	if t.state.batch != was || len(t.state.order) == 0 {
		return t.tell(t.fact("terminal.batch", t.now(), "batch", six(t.state.batch), "what", "opened"))
	}
	return nil
}

// SignOff tells the acquirer that the day is over.
func (t *Terminal) SignOff(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.simple(ctx, iso8583.SignOff); err != nil {
		return err
	}
	return t.keep(Record{What: didSignOff, Time: t.now()})
}

// Echo asks whether the acquirer is there.
func (t *Terminal) Echo(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.simple(ctx, iso8583.Echo)
}

func (t *Terminal) simple(ctx context.Context, o iso8583.Operation) error {
	if err := t.alive(); err != nil {
		return err
	}
	m, err := t.newMessage(iso8583.Kind{Operation: o}, six(t.state.batch), t.spend())
	if err != nil {
		return err
	}
	if err := t.keep(Record{What: didSpend, Time: t.now(), STAN: m.Get(iso8583.STAN)}); err != nil {
		return err
	}
	a, err := t.exchange(ctx, m)
	if err != nil {
		return t.lost(o.String(), err)
	}
	if code := a.Get(iso8583.ResponseCode); code != "00" {
		return fault.New(fault.NotAllowed, o.String(), t.cfg.TID, fmt.Errorf("%w: code %s", ErrRefused, code), "")
	}
	return nil
}

// Inject takes over a master key under the transport key, as a key loader does.
func (t *Terminal) Inject(w keyring.Wrapped) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.keys.InstallMaster(t.owner, w); err != nil {
		return err
	}
	return t.keep(Record{What: didSignOff, Time: t.now()})
}
