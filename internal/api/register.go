package api

import (
	"context"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

// Merchant is what is registered of a merchant.
type Merchant struct {
	MID      string `json:"mid" doc:"number (ISO 8583 field 42)"`
	Name     string `json:"name" doc:"as on slips (ISO 8583 field 43)"`
	MCC      string `json:"mcc,omitempty" doc:"category (ISO 8583 field 18, ISO 18245)"`
	Currency string `json:"currency" doc:"of sales and payouts, ISO 4217"`
	Timezone string `json:"timezone,omitempty" doc:"IANA name; absent: UTC"`
	Cutoff   string `json:"cutoff" doc:"time of day that ends the business date, as 23:00; 00:00 is midnight"`
	Barred   bool   `json:"barred" doc:"takes no payments"`
	// PreauthDays is how long a preauthorization holds.
	PreauthDays int `json:"preauth_days,omitempty" doc:"days that a preauthorization holds; absent: 30"`
}

// Terminal is what is registered of a terminal.
type Terminal struct {
	TID        string   `json:"tid" doc:"number (ISO 8583 field 41)"`
	MID        string   `json:"mid" doc:"its merchant (ISO 8583 field 42)"`
	Model      string   `json:"model,omitempty"`
	Location   string   `json:"location,omitempty" doc:"where it was installed"`
	Barred     bool     `json:"barred" doc:"takes no payments"`
	Operations []string `json:"operations,omitempty" doc:"that it may ask for; absent: all"`
}

// Register gives what is registered, in order of number. only, where it is not "",
// is the merchant that is meant; after is the last number of the page before.
type Register interface {
	Merchants(ctx context.Context, only, after string, limit int) ([]Merchant, error)
	Terminals(ctx context.Context, only, after string, limit int) ([]Terminal, error)
}

// MerchantList is a page of merchants.
type MerchantList struct {
	Items      []Merchant `json:"items"`
	NextCursor string     `json:"next_cursor,omitempty" doc:"cursor of the next page; absent on the last"`
}

// TerminalList is a page of terminals.
type TerminalList struct {
	Items      []Terminal `json:"items"`
	NextCursor string     `json:"next_cursor,omitempty" doc:"cursor of the next page; absent on the last"`
}

// registerAsked asks for a page of the register.
type registerAsked struct {
	MID    string `query:"mid" maxLength:"64" doc:"merchant (ISO 8583 field 42)"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" maxLength:"512" doc:"next_cursor of the page before"`
}

// merchantAsked names a merchant.
type merchantAsked struct {
	MID string `path:"mid" maxLength:"64" doc:"merchant (ISO 8583 field 42)"`
}

func (s *Server) registerOperations() {
	absent := s.o.Register == nil
	register(s, operation{Method: "GET", Path: "/v1/merchants", ID: "listMerchants", Tag: "register", Summary: "Merchants, by number.",
		Action: access.ReadRegister, Narrows: true, Absent: absent}, s.listMerchants)
	register(s, operation{Method: "GET", Path: "/v1/merchants/{mid}", ID: "getMerchant", Tag: "register", Summary: "A merchant.",
		Action: access.ReadRegister, Narrows: true, Absent: absent}, s.getMerchant)
	register(s, operation{Method: "GET", Path: "/v1/terminals", ID: "listTerminals", Tag: "register", Summary: "Terminals, by number.",
		Action: access.ReadRegister, Narrows: true, Absent: absent}, s.listTerminals)
}

// narrowed is the merchant that is meant, where a caller asks for one: its own, or
// fault.NotFound.
func (c *call) narrowed(mid string) (string, error) {
	if c.only == "" || mid == c.only {
		return mid, nil
	}
	if mid != "" {
		return "", errNoMerchant
	}
	return c.only, nil
}

func (s *Server) listMerchants(c *call, in *registerAsked) (*MerchantList, error) {
	only, after, err := c.registered(in)
	if err != nil {
		return nil, err
	}
	list, err := s.o.Register.Merchants(c.Context(), only, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := MerchantList{Items: list}
	if len(list) > in.Limit {
		out.Items, out.NextCursor = list[:in.Limit], cursorOf(list[in.Limit-1].MID)
	}
	return &out, nil
}

func (s *Server) listTerminals(c *call, in *registerAsked) (*TerminalList, error) {
	only, after, err := c.registered(in)
	if err != nil {
		return nil, err
	}
	list, err := s.o.Register.Terminals(c.Context(), only, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := TerminalList{Items: list}
	if len(list) > in.Limit {
		out.Items, out.NextCursor = list[:in.Limit], cursorOf(list[in.Limit-1].TID)
	}
	return &out, nil
}

func (c *call) registered(in *registerAsked) (only, after string, err error) {
	if after, err = markOf[string](in.Cursor); err == nil {
		only, err = c.narrowed(in.MID)
	}
	return only, after, err
}

func (s *Server) getMerchant(c *call, in *merchantAsked) (*Merchant, error) {
	only, err := c.narrowed(in.MID)
	if err != nil {
		return nil, err
	}
	list, err := s.o.Register.Merchants(c.Context(), only, "", 1)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.New(fault.NotFound, fault.Say("find merchant", "查找商户"), in.MID, nil, fault.Say("GET /v1/merchants lists those there are", "GET /v1/merchants 列出全部商户"))
	}
	return &list[0], nil
}
