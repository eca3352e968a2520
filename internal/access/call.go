package access

import "time"

// Call is one request of a program, as its owner may look at it afterwards. Nothing
// of what was sent or answered stands in it.
type Call struct {
	// Key is the id of the API key.
	Key    string        `json:"key"`
	At     time.Time     `json:"at"`
	Method string        `json:"method"`
	Route  string        `json:"route"` // the pattern, without what was put into it
	Status int           `json:"status"`
	Took   time.Duration `json:"took"`
	// Request is the id that the answer carried.
	Request string `json:"request"`
	From    string `json:"from,omitempty"` // address
}
