package report

import (
	"bytes"
	"encoding/json"

	"daozhang/internal/card"
)

// shownJSON takes an event apart: the fields of its data in their order, and the
// whole of it indented, with the account shortened. Nothing in it is a card number:
// such are refused at the door; what looks like one is masked all the same.
func shownJSON(event []byte) (fields []FactField, whole string) {
	var e struct {
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(event, &e) != nil {
		return nil, ""
	}
	var data bytes.Buffer
	d := json.NewDecoder(bytes.NewReader(e.Data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, ""
	}
	for sep := "{"; d.More(); sep = "," {
		name, err := d.Token()
		if err != nil {
			return fields, ""
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return fields, ""
		}
		key, _ := name.(string)
		text := string(value)
		var s string
		if json.Unmarshal(value, &s) == nil {
			if text = s; key == "account" {
				text = "…" + card.AccountTail(s)
				value, _ = json.Marshal(text) // a string is always written
			}
		}
		fields = append(fields, FactField{key, text})
		quoted, _ := json.Marshal(key)
		data.WriteString(sep)
		data.Write(quoted)
		data.WriteByte(':')
		data.Write(value)
	}
	if data.Len() == 0 {
		data.WriteByte('{')
	}
	data.WriteByte('}')
	head, tail, _ := bytes.Cut(event, e.Data)
	var b bytes.Buffer
	if json.Indent(&b, bytes.Join([][]byte{head, tail}, data.Bytes()), "", "  ") != nil {
		return fields, ""
	}
	whole, _ = card.MaskText(b.String())
	return fields, whole
}
