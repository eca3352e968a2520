package iso8583

import (
	_ "embed"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed meanings.yaml
var meaningsFile []byte

// meanings says in words what codes stand for. The same codes mean the same in
// every dialect here; response codes are the contract's (package evidence).
type meanings struct {
	MessageTypes map[string]Text  `yaml:"message_types"`
	Processing   map[string]Text  `yaml:"processing"`
	Entry        map[string]Entry `yaml:"entry"`
	PIN          map[string]Text  `yaml:"pin"`
	Condition    map[string]Text  `yaml:"condition"`
	Network      map[string]Text  `yaml:"network"`
	Tags         map[string]Tag   `yaml:"tags"`
	Operations   map[string]Text  `yaml:"operations"`
	Comparison   map[string]Text  `yaml:"comparison"`
}

// Entry is how a card was read.
type Entry struct {
	Text `yaml:",inline"`
	// Entry is the word of the evidence contract: chip, contactless, magstripe,
	// manual, qr.
	Entry string `yaml:"entry"`
}

// Tag is one EMV data element.
type Tag struct {
	Text    `yaml:",inline"`
	Secrecy string `yaml:"hide"` // pan or secret
	Digits  bool   `yaml:"digits"`
}

var meaning = sync.OnceValue(func() *meanings {
	var m meanings
	if err := yaml.Unmarshal(meaningsFile, &m); err != nil {
		panic("iso8583: meanings.yaml: " + err.Error()) // embedded, and read by every test
	}
	return &m
})
