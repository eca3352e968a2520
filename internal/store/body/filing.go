package body

import (
	"encoding/json"

	"daozhang/internal/backoffice"
)

type filingBody struct {
	Folder   string `json:"folder"`
	Hash     string `json:"hash"`
	Name     string `json:"name"`
	Size     int64  `json:"size,omitempty"`
	Modified int64  `json:"modified,omitempty"`
	Format   string `json:"format,omitempty"`
	Received int64  `json:"received,omitempty"`
	State    string `json:"state"`
	Why      string `json:"why,omitempty"`
	Network  string `json:"network,omitempty"`
	Date     string `json:"date,omitempty"`
	Rows     int64  `json:"rows,omitempty"`
	Refused  int64  `json:"refused,omitempty"`
	Taken    int64  `json:"taken,omitempty"`
	Total    int64  `json:"total,omitempty"`
}

// EncodeFiling gives the body of what became of a file.
func EncodeFiling(f *backoffice.Filing) ([]byte, error) {
	return json.Marshal(&filingBody{f.Folder, f.Hash, f.Name, f.Size, Nanos(f.Modified), f.Format, Nanos(f.Received), string(f.State), f.Why, f.Network, dateText(f.Date),
		f.Rows, f.Refused, f.Taken, f.Total})
}

// DecodeFiling is the reverse of EncodeFiling.
func DecodeFiling(raw []byte) (f backoffice.Filing, err error) {
	var b filingBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return f, err
	}
	f = backoffice.Filing{Folder: b.Folder, Hash: b.Hash, Name: b.Name, Size: b.Size, Modified: moment(b.Modified), Format: b.Format, Received: moment(b.Received),
		State: backoffice.FilingState(b.State), Why: b.Why, Network: b.Network, Rows: b.Rows, Refused: b.Refused, Taken: b.Taken, Total: b.Total}
	f.Date, err = dateOf(b.Date)
	return f, err
}
