package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"daozhang/internal/api"
	"daozhang/internal/fault"
	"daozhang/internal/keyring"
	"daozhang/internal/store"
)

// What --dev sets up.
const (
	devMID       = "898310058120001"
	devTerminals = 8
	devLink      = "bank"
	devLocation  = "31.230416,121.473701"
)

func devTID(i int) string { return fmt.Sprintf("T%07d", i) }

// develop adds a merchant, terminals, and a route to a bank to a configuration.
func (c *serveConfig) develop(bank string) {
	if c.Door.LeastVersion == "" {
		c.Door.LeastVersion = "300000"
	}
	if len(c.Merchants) == 0 {
		c.Merchants = []merchantConfig{{MID: devMID, Name: "Corner Shop", MCC: "5411", Currency: "CNY", Zone: "Asia/Shanghai", Cutoff: "24:00",
			Terms:   map[string]any{"valid_from": "2020-01-01", "cycle": "D0", "calendar": "CN", "fees": []map[string]any{{"bps": 38}}},
			Account: accountConfig{Number: "31050000000067890", Holder: "Corner Shop", Bank: "ICBC", Agent: "ICBKCNBJ"}}}
		for i := 1; i <= devTerminals; i++ {
			c.Terminals = append(c.Terminals, terminalConfig{TID: devTID(i), MID: devMID, Location: devLocation})
		}
	}
	if len(c.Links) == 0 {
		c.Links = []linkConfig{{Name: devLink, Network: "UnionPay", Address: bank}}
		c.Routes = []routeConfig{{Links: []string{devLink}}}
	}
	for i := range c.Links { // who tries things does not wait for half a minute
		if l := &c.Links[i]; l.RetryMost == 0 {
			l.RetryMost = 2 * time.Second
		}
	}
	if c.Acquirer == "" {
		c.Acquirer = "48270000"
	}
	if len(c.Ranges) == 0 {
		c.Ranges = devRanges
	}
}

// devRanges tell credit cards from debit cards by the networks' habits: UnionPay
// keeps 625 and 628 for credit, and 622, which is mixed, is taken for debit but for
// the range of the simulated cards. In earnest the network's table of BINs is
// loaded. The first range that fits holds.
var devRanges = []rangeConfig{
	{From: "625", To: "625", Type: "credit"}, {From: "628", To: "628", Type: "credit"},
	{From: "622575", To: "622582", Type: "credit"}, {From: "62", To: "62", Type: "debit"},
	{From: "4", To: "4", Type: "credit"}, {From: "51", To: "55", Type: "credit"}, {From: "2221", To: "2720", Type: "credit"},
	{From: "3528", To: "3589", Type: "credit"}, {From: "34", To: "34", Type: "credit"}, {From: "37", To: "37", Type: "credit"},
}

// devKeys is the file of the keys that --dev hands to the simulated terminals and
// the simulated bank: master keys under a transport key, with its components. It
// is for trying on one machine; in earnest the components travel apart.
type devKeys struct {
	Transport []string     `json:"transport"`
	Terminals []devWrapped `json:"terminals"`
	Link      devWrapped   `json:"link"`
	// APIKey is of role institution.
	APIKey string `json:"api_key"`
}

type devWrapped struct {
	TID    string `json:"tid,omitempty"`
	MID    string `json:"mid,omitempty"`
	Name   string `json:"name,omitempty"`
	Cipher string `json:"cipher"`
	KCV    string `json:"kcv"`
}

// devKeysFile lies beside the keyring.
func (p *platform) devKeysFile() string {
	return filepath.Join(filepath.Dir(p.c.Keyring.File), "dev-keys.json")
}

func (p *platform) readDevKeys() (*devKeys, error) {
	b, err := os.ReadFile(p.devKeysFile())
	if errors.Is(err, fs.ErrNotExist) {
		return &devKeys{}, nil
	}
	var k devKeys
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	if err != nil {
		return nil, fault.New(fault.Internal, "read", p.devKeysFile(), err, "remove it together with the keyring to begin anew")
	}
	return &k, nil
}

func (p *platform) writeDevKeys(k *devKeys) error {
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	temp := p.devKeysFile() + ".new"
	if err := os.WriteFile(temp, append(b, '\n'), 0o600); err != nil {
		return openError(temp, err)
	}
	return os.Rename(temp, p.devKeysFile())
}

// developTransport gives the components of the transport key of --dev, made once.
func (p *platform) developTransport() ([]string, error) {
	k, err := p.readDevKeys()
	if err != nil || len(k.Transport) > 0 {
		return k.transport(), err
	}
	for range 2 {
		raw := make([]byte, 16)
		if _, err := rand.Read(raw); err != nil {
			return nil, err
		}
		k.Transport = append(k.Transport, hexOf(raw))
	}
	return k.Transport, p.writeDevKeys(k)
}

func (k *devKeys) transport() []string {
	if k == nil {
		return nil
	}
	return k.Transport
}

// handOutKeys makes master keys for the terminals and the link that have none, and
// writes them where pos and bank find them.
func (p *platform) handOutKeys(ctx context.Context, c *serveConfig) error {
	k, err := p.readDevKeys()
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, t := range k.Terminals {
		have[t.MID+t.TID] = true
	}
	changed := false
	for _, t := range c.Terminals {
		owner := keyring.Terminal(t.MID, t.TID)
		if have[t.MID+t.TID] && p.keys.HasMaster(owner) {
			continue
		}
		w, err := p.keys.NewMaster(owner)
		if err != nil {
			return err
		}
		k.Terminals = append(deleted(k.Terminals, t.MID, t.TID), devWrapped{TID: t.TID, MID: t.MID, Cipher: hexOf(w.Cipher), KCV: hexOf(w.KCV[:])})
		changed = true
	}
	if name := c.Links[0].Name; k.Link.Name != name || !p.keys.HasMaster(keyring.Link(name)) {
		w, err := p.keys.NewMaster(keyring.Link(name))
		if err != nil {
			return err
		}
		k.Link = devWrapped{Name: name, Cipher: hexOf(w.Cipher), KCV: hexOf(w.KCV[:])}
		changed = true
	}
	if k.APIKey == "" {
		id, secret, err := newAPIKey()
		if err != nil {
			return err
		}
		if err := p.db.CreateKey(ctx, store.APIKey{ID: id, Name: "dev", Role: string(api.RoleInstitution), Sources: []string{"institution/dev*"}, Created: p.m.Now()},
			store.HashKey(secret)); err != nil {
			return err
		}
		k.APIKey, changed = secret, true
	}
	if !changed {
		return nil
	}
	p.m.line(fmt.Sprintf(p.m.say(text{"daozhang: keys for pos and bank are in %s", "daozhang：pos 与 bank 的密钥在 %s"}), strings.TrimSpace(p.devKeysFile())))
	return p.writeDevKeys(k)
}

func deleted(list []devWrapped, mid, tid string) []devWrapped {
	var out []devWrapped
	for _, w := range list {
		if w.MID != mid || w.TID != tid {
			out = append(out, w)
		}
	}
	return out
}
