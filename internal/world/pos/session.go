package pos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/money"
)

// Session is an operator at one terminal: it reads commands, one a line, and runs
// them. It outlives the terminal's death: "restart" starts it again.
type Session struct {
	cfg      Config
	terminal *Terminal
	// Card and Entry are used where a command names none.
	Card, Entry string
	// Lang is the language of what the terminal displays.
	Lang string
	// Last is the outcome of the last transaction, nil before the first.
	Last *Outcome
}

// Commands is what a Session understands, for help.
var Commands = []struct{ Usage, EN, ZH string }{
	{"signon | signoff | echo", "sign on and off, ask whether the acquirer is there", "签到、签退、回响测试"},
	{"sale AMOUNT", "sale, as 12.34", "消费，如 12.34"},
	{"void TRACE", "void a sale of the open batch by its trace number", "按凭证号撤销消费"},
	{"refund AMOUNT [TRACE]", "refund of a sale; or rrn=… date=MMDD auth=…", "退货；或用 rrn=… date=MMDD auth=…"},
	{"preauth AMOUNT", "reserve", "预授权"},
	{"complete AMOUNT TRACE", "take what was reserved", "预授权完成"},
	{"voidpreauth TRACE | voidcomplete TRACE", "take a reservation or completion back", "撤销预授权、撤销预授权完成"},
	{"offline AMOUNT", "sale without asking, told later", "离线消费，稍后上送"},
	{"balance", "balance inquiry", "余额查询"},
	{"settle", "close the batch", "批结算"},
	{"reprint [TRACE]", "print a slip again", "重打印签购单"},
	{"recover", "send what is due", "发送待冲正和待上送交易"},
	{"break FAULT | mend WHAT", "break a part and mend it", "设置故障、排除故障"},
	{"restart", "switch the terminal off and on", "重新启动终端"},
	{"status | journal", "what it knows, as JSON", "终端状态、交易流水（JSON）"},
	{"wait DURATION", "do nothing, as 2s", "等待，如 2s"},
}

// NewSession starts the terminal of a session.
func NewSession(cfg Config) (*Session, error) {
	if cfg.Currency == "" {
		cfg.Currency = "156"
	}
	t, err := New(cfg)
	if err != nil {
		return nil, err
	}
	return &Session{cfg: cfg, terminal: t, Card: "icbc-debit"}, nil
}

// Terminal gives the terminal in use; another one after "restart".
func (s *Session) Terminal() *Terminal { return s.terminal }

// Close ends the terminal.
func (s *Session) Close() error { return s.terminal.Close() }

// Run runs one command and gives what the terminal displays; "" for an empty line
// or a comment (#). A transaction that was not approved is no error: see Last.
func (s *Session) Run(ctx context.Context, line string) (string, error) {
	typed := strings.Fields(line)
	if len(typed) == 0 || strings.HasPrefix(typed[0], "#") {
		return "", nil
	}
	bad := func(why string) error {
		return fault.New(fault.Usage, "understand", "command "+typed[0], errors.New(why), "known are: "+usages())
	}
	var args []string
	options := map[string]string{}
	for _, w := range typed[1:] {
		if k, v, ok := strings.Cut(w, "="); ok && typed[0] != "break" {
			options[k] = v
		} else {
			args = append(args, w)
		}
	}
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	t := s.terminal
	switch typed[0] {
	case "signon":
		return s.say(words{"签到成功", "SIGNED ON"}, t.SignOn(ctx))
	case "signoff":
		return s.say(words{"签退成功", "SIGNED OFF"}, t.SignOff(ctx))
	case "echo":
		return s.say(words{"回响正常", "ECHO OK"}, t.Echo(ctx))
	case "recover":
		return s.say(words{"待发送交易已处理", "NOTHING DUE"}, t.Recover(ctx))
	case "settle":
		got, err := t.Settle(ctx)
		if err != nil {
			return "", err
		}
		w := words{"结算成功，对账平", "SETTLED, BALANCED"}
		if !got.Balanced {
			w = words{"结算成功，对账不平，已批上送", "SETTLED, OUT OF BALANCE, UPLOADED"}
		}
		return s.say(w, nil)
	case "reprint":
		_, err := t.Reprint(Ref{STAN: pad(arg(0))})
		return "", err
	case "break":
		f, err := ParseFault(arg(0))
		if err == nil {
			err = t.Break(f)
		}
		return "", err
	case "mend":
		return "", t.Mend(arg(0))
	case "restart":
		if err := t.Close(); err != nil {
			return "", err
		}
		s.cfg.Faults = nil
		t, err := New(s.cfg)
		if err != nil {
			return "", err
		}
		s.terminal = t
		return s.say(words{"终端已启动", "STARTED"}, nil)
	case "status":
		return asJSON(t.Status())
	case "journal":
		var b strings.Builder
		for _, x := range t.Journal() {
			text, err := asJSON(x)
			if err != nil {
				return "", err
			}
			b.WriteString(text + "\n")
		}
		return strings.TrimSuffix(b.String(), "\n"), nil
	case "wait":
		d, err := time.ParseDuration(arg(0))
		if err != nil || d < 0 {
			return "", bad("it wants a duration such as 2s")
		}
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		return "", nil
	}
	q, err := s.request(typed[0], args, options)
	if err != nil {
		return "", bad(err.Error())
	}
	o, err := t.Do(ctx, q)
	if err != nil {
		return "", err
	}
	s.Last = &o
	return o.Display(s.Lang), nil
}

func usages() string {
	var list []string
	for _, c := range Commands {
		list = append(list, c.Usage)
	}
	return strings.Join(list, "; ")
}

func (s *Session) say(w words, err error) (string, error) {
	switch {
	case err != nil:
		return "", err
	case s.Lang == "zh":
		return w.zh, nil
	}
	return w.en, nil
}

func asJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// pad completes a trace number: 12 is 000012.
func pad(stan string) string {
	if n, err := strconv.Atoi(stan); err == nil && n > 0 && n < 1_000_000 {
		return six(n)
	}
	return stan
}

// request reads a transaction's command.
func (s *Session) request(verb string, args []string, options map[string]string) (Request, error) {
	verbs := map[string]struct {
		op            iso8583.Operation
		amount, trace int // position of the argument, 0 for none, negative for optional
	}{
		"sale": {iso8583.Sale, 1, 0}, "void": {iso8583.SaleVoid, 0, 1}, "refund": {iso8583.Refund, 1, -2},
		"preauth": {iso8583.Preauth, 1, 0}, "complete": {iso8583.Completion, 1, -2}, "voidpreauth": {iso8583.PreauthVoid, 0, 1},
		"voidcomplete": {iso8583.CompletionVoid, 0, 1}, "offline": {iso8583.OfflineSale, 1, 0}, "balance": {iso8583.Balance, 0, 0},
	}
	v, ok := verbs[verb]
	if !ok {
		return Request{}, errors.New("there is no such command")
	}
	q := Request{Operation: v.op, Entry: s.Entry}
	most := max(v.amount, v.trace, -v.trace)
	if len(args) > most || len(args) < max(v.amount, v.trace) {
		return q, errors.New("it wants other arguments")
	}
	c, _ := money.FromNumeric(s.cfg.Currency)
	exponent := 2
	if c != (money.Currency{}) {
		exponent = c.Exponent()
	}
	amount := func(text string) (int64, error) {
		n, err := money.ParseDecimal(text, exponent, money.Point)
		if err != nil || n <= 0 {
			return 0, errors.New("an amount is written as 12.34")
		}
		return n, nil
	}
	var err error
	if v.amount > 0 {
		if q.Amount, err = amount(args[v.amount-1]); err != nil {
			return q, err
		}
	}
	if at := max(v.trace, -v.trace); at > 0 && len(args) >= at {
		q.Original.STAN = pad(args[at-1])
	}
	name := s.Card
	for k, value := range options {
		switch k {
		case "card":
			name = value
		case "entry":
			q.Entry = value
		case "order":
			q.OrderID = value
		case "ordered":
			if q.Ordered, err = amount(value); err != nil {
				return q, err
			}
		case "rrn":
			q.Original.RRN = value
		case "date":
			q.Original.Date = value
		case "auth":
			q.Original.AuthCode = value
		case "batch":
			q.Original.Batch = pad(value)
		case "pin":
			q.PIN, q.NoPIN = value, value == "none"
			if q.NoPIN {
				q.PIN = ""
			}
		default:
			return q, fmt.Errorf("there is no option %q; there are card, entry, order, ordered, rrn, date, auth, batch, pin", k)
		}
	}
	if q.Operation == iso8583.SaleVoid || q.Operation == iso8583.CompletionVoid || q.Operation == iso8583.PreauthVoid {
		return q, nil // the card's number is in the journal
	}
	q.Card, err = NamedCard(name)
	return q, err
}
