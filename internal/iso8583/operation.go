package iso8583

// Operation is what a message asks for, whatever its codes are in a dialect.
type Operation uint8

// The operations. Those up to OfflineSale move or reserve money.
const (
	UnknownOperation Operation = iota
	Sale
	SaleVoid       // on the same day, before settlement
	Refund         // of a sale, with the original's date and reference
	Preauth        // reserves
	PreauthVoid    // frees what was reserved
	Completion     // takes what was reserved, answered by the issuer
	CompletionVoid //
	CompletionAdvice
	OfflineSale // told after the fact: approved by the chip or by voice
	Balance
	SignOn
	SignOff
	Echo
	MasterKey  // download of the terminal's master key
	Parameters // download of parameters
	Status     // of the terminal
	Settlement // of a batch, with totals
	Upload     // of the batch's transactions, after totals that differ
	UploadEnd
	operationCount
)

var operationNames = [operationCount]string{
	"unknown", "sale", "sale_void", "refund", "preauth", "preauth_void", "completion", "completion_void", "completion_advice",
	"offline_sale", "balance", "sign_on", "sign_off", "echo", "master_key", "parameters", "status", "settlement", "upload", "upload_end",
}

// String gives the operation's name in snake case.
func (o Operation) String() string {
	if o >= operationCount {
		o = UnknownOperation
	}
	return operationNames[o]
}

// ParseOperation is the reverse of String; false for a name it does not know.
func ParseOperation(name string) (Operation, bool) {
	for o, n := range operationNames {
		if n == name && o != 0 {
			return Operation(o), true
		}
	}
	return UnknownOperation, false
}

// Financial reports whether the operation moves or reserves money, so that an
// unanswered request has to be reversed.
func (o Operation) Financial() bool { return o >= Sale && o <= OfflineSale }

// Advice reports whether the operation tells what has already happened: it is
// repeated until acknowledged and cannot be declined.
func (o Operation) Advice() bool { return o == CompletionAdvice || o == OfflineSale }

// Kind is what a message is: a request or response of an operation, or of its
// reversal.
type Kind struct {
	Operation Operation
	// Reversal: the message undoes an operation for which no valid answer came
	// (0400, 0420); never a void, which is an operation of its own.
	Reversal bool
	// Response: the message answers.
	Response bool
	// Repeat: the message was sent before (0201, 0401, 0421).
	Repeat bool
}

// String gives "sale", "sale reversal response", "unknown".
func (k Kind) String() string {
	s := k.Operation.String()
	if k.Reversal {
		s += " reversal"
	}
	if k.Response {
		s += " response"
	} else if k.Repeat {
		s += " repeat"
	}
	return s
}

// Answer gives the kind of the message that answers this one.
func (k Kind) Answer() Kind {
	k.Response, k.Repeat = true, false
	return k
}
