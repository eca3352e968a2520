package gateway

// point is a place between two effects at which a crash must do no harm. The
// build tag failpoint makes the process kill itself at the one that
// DAOZHANG_FAILPOINT names.
type point string

const (
	requestReceived  point = "request_received"  // read from a terminal, not yet decided
	commitBefore     point = "commit_before"     // decided, not yet given to the journal
	commitAfter      point = "commit_after"      // durable, its effects not yet done
	sendBefore       point = "send_before"       // durable, not yet written to the link
	sendAfter        point = "send_after"        // written to the link
	responseReceived point = "response_received" // read from a link, not yet decided
	replyBefore      point = "reply_before"      // durable, not yet written to the terminal
	replyAfter       point = "reply_after"       // written to the terminal
)
