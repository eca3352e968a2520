package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// serveConfig is what `daozhang serve` is told, by flags, else the environment,
// else the file, else the defaults. Amounts are minor units.
type serveConfig struct {
	// Node names this process among those that write to one database.
	Node string `koanf:"node"`
	// Database is a data directory or a postgres:// URL.
	Database   string `koanf:"database"`
	Production bool   `koanf:"production"`
	Listen     struct {
		Terminals string `koanf:"terminals"`
		HTTP      string `koanf:"http"`
		// Nodes is where messages of terminals that other nodes pass on are taken.
		Nodes string `koanf:"nodes"`
	} `koanf:"listen"`
	Nodes struct {
		// Host is the name or address under which the other nodes reach this one; by
		// default that of the addresses it listens at, or the machine's name.
		Host string `koanf:"host"`
	} `koanf:"nodes"`
	// TLS of the terminals' door; plain TCP where no certificate is named.
	TLS struct {
		Cert     string `koanf:"cert"`
		Key      string `koanf:"key"`
		ClientCA string `koanf:"client_ca"`
	} `koanf:"tls"`
	Door struct {
		Dialect        string        `koanf:"dialect"`
		MaxConnections int           `koanf:"max_connections"`
		LeastVersion   string        `koanf:"least_version"`
		Idle           time.Duration `koanf:"idle"`
		FrameWithin    time.Duration `koanf:"frame_within"`
		WriteWithin    time.Duration `koanf:"write_within"`
		Unsigned       bool          `koanf:"unsigned"`
	} `koanf:"door"`
	Keyring struct {
		// Shared keeps it in the database, for all nodes on it, instead of a file.
		Shared     bool     `koanf:"shared"`
		File       string   `koanf:"file"`
		SecretFile string   `koanf:"secret_file"`
		Transport  []string `koanf:"transport"`
	} `koanf:"keyring"`
	// Acquirer is the institution's code, field 32.
	Acquirer string        `koanf:"acquirer"`
	Drain    time.Duration `koanf:"drain"`
	Payment  struct {
		AnswerWithin   time.Duration `koanf:"answer_within"`
		LastArrival    time.Duration `koanf:"last_arrival"`
		RepeatFirst    time.Duration `koanf:"repeat_first"`
		RepeatMost     time.Duration `koanf:"repeat_most"`
		ExceptionAfter int           `koanf:"exception_after"`
		MaxAmount      int64         `koanf:"max_amount"`
	} `koanf:"payment"`
	Risk struct {
		Rules string `koanf:"rules"` // file
	} `koanf:"risk"`
	HTTP struct {
		Rate    float64 `koanf:"rate"`
		Burst   int     `koanf:"burst"`
		MaxBody int64   `koanf:"max_body"`
		// Proxies are the addresses and networks of what ends TLS before this process:
		// they are believed about who sent a request.
		Proxies []string `koanf:"proxies"`
	} `koanf:"http"`
	Console   consoleConfig    `koanf:"console"`
	Desk      deskConfig       `koanf:"desk"`
	Notify    notifyConfig     `koanf:"notify"`
	Merchants []merchantConfig `koanf:"merchants"`
	Terminals []terminalConfig `koanf:"terminals"`
	Links     []linkConfig     `koanf:"links"`
	Routes    []routeConfig    `koanf:"routes"`
	Ranges    []rangeConfig    `koanf:"ranges"`
	// With whom the back office exchanges files, and when it works.
	Networks   []networkConfig `koanf:"networks"`
	Banks      []payerConfig   `koanf:"banks"`
	BackOffice officeConfig    `koanf:"backoffice"`
}

type merchantConfig struct {
	MID         string `koanf:"mid"`
	Name        string `koanf:"name"`
	MCC         string `koanf:"mcc"`
	Currency    string `koanf:"currency"`
	Zone        string `koanf:"zone"`
	Cutoff      string `koanf:"cutoff"`
	Barred      bool   `koanf:"barred"`
	PreauthDays int    `koanf:"preauth_days"`
	// Terms become a merchant.terms fact; its fields are those of the contract.
	Terms map[string]any `koanf:"terms"`
	// Account is where it is paid to.
	Account accountConfig `koanf:"account"`
}

type terminalConfig struct {
	TID        string   `koanf:"tid"`
	MID        string   `koanf:"mid"`
	Model      string   `koanf:"model"`
	Location   string   `koanf:"location"`
	Barred     bool     `koanf:"barred"`
	Operations []string `koanf:"operations"`
}

type linkConfig struct {
	Name        string        `koanf:"name"`
	Network     string        `koanf:"network"`
	Address     string        `koanf:"address"`
	Connections int           `koanf:"connections"`
	MaxInFlight int           `koanf:"max_in_flight"`
	NoSignOn    bool          `koanf:"no_sign_on"`
	Echo        time.Duration `koanf:"echo"`
	EchoWithin  time.Duration `koanf:"echo_within"`
	RetryMost   time.Duration `koanf:"retry_most"`
	TLS         struct {
		CA         string `koanf:"ca"`
		ServerName string `koanf:"server_name"`
		Cert       string `koanf:"cert"`
		Key        string `koanf:"key"`
	} `koanf:"tls"`
	// Master is the zone master key under the transport key, and its check value,
	// both hexadecimal. It is taken over once.
	Master struct {
		Cipher string `koanf:"cipher"`
		KCV    string `koanf:"kcv"`
	} `koanf:"master"`
}

type routeConfig struct {
	From     string   `koanf:"from"`
	To       string   `koanf:"to"`
	Currency string   `koanf:"currency"`
	Min      int64    `koanf:"min"`
	Max      int64    `koanf:"max"`
	Issuer   string   `koanf:"issuer"`
	Links    []string `koanf:"links"`
}

type rangeConfig struct {
	From string `koanf:"from"`
	To   string `koanf:"to"`
	Type string `koanf:"type"`
}

// setting is a single value with its default.
type setting struct {
	key   string
	value any
}

// settings are the single values that flags and the environment can give, with
// their defaults. The environment's name of listen.http is DAOZHANG_LISTEN_HTTP.
var settings = []setting{
	{"node", "node-1"}, {"database", "daozhang-data"}, {"production", false},
	{"listen.terminals", "127.0.0.1:5000"}, {"listen.http", "127.0.0.1:8080"},
	{"listen.nodes", "127.0.0.1:0"}, {"nodes.host", ""},
	{"tls.cert", ""}, {"tls.key", ""}, {"tls.client_ca", ""},
	{"door.dialect", "unionpay-pos"}, {"door.max_connections", 10000}, {"door.idle", "10m"}, {"door.frame_within", "10s"},
	{"door.write_within", "10s"}, {"door.unsigned", false},
	{"keyring.shared", false}, {"keyring.file", ""}, {"keyring.secret_file", ""},
	{"acquirer", ""}, {"drain", "40s"},
	{"payment.answer_within", "30s"}, {"payment.last_arrival", "5m"}, {"payment.repeat_first", "5s"}, {"payment.repeat_most", "10m"},
	{"payment.exception_after", 8}, {"payment.max_amount", 9_999_999_999},
	{"risk.rules", ""}, {"http.rate", 50}, {"http.burst", 200}, {"http.max_body", 8 << 20}, {"http.proxies", ""},
}

func envName(key string) string {
	return "DAOZHANG_" + strings.ToUpper(strings.NewReplacer(".", "_").Replace(key))
}

// layer is one source of settings for koanf: a map, nested or with dots.
type layer map[string]any

func (layer) ReadBytes() ([]byte, error) { return nil, errors.New("a layer is a map") }

// Read gives the layer nested, as koanf wants it.
func (l layer) Read() (map[string]any, error) {
	out := map[string]any{}
	for key, v := range l {
		at := out
		parts := strings.Split(key, ".")
		for _, p := range parts[:len(parts)-1] {
			next, _ := at[p].(map[string]any)
			if next == nil {
				next = map[string]any{}
				at[p] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = v
	}
	return out, nil
}

// nested is a layer that is nested already.
type nested map[string]any

func (nested) ReadBytes() ([]byte, error)      { return nil, errors.New("a layer is a map") }
func (n nested) Read() (map[string]any, error) { return n, nil }

// readServeConfig joins the sources. flags holds what was given on the command
// line, by key.
func (m *Main) readServeConfig(file string, flags map[string]any) (*serveConfig, error) {
	const op = "read the configuration"
	k := koanf.New(".")
	defaults, environment := layer{}, layer{}
	for _, s := range slices.Concat(settings, officeSettings, consoleSettings, deskSettings, notifySettings) {
		defaults[s.key] = s.value
		if v := m.Getenv(envName(s.key)); v != "" {
			environment[s.key] = v
		}
	}
	layers := []koanf.Provider{defaults}
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, openError(file, err)
		}
		var tree map[string]any
		if err := yaml.Unmarshal(b, &tree); err != nil {
			return nil, fault.New(fault.Usage, op, file, err, "it is YAML; see `daozhang serve --help`")
		}
		layers = append(layers, nested(tree))
	}
	layers = append(layers, environment, layer(flags))
	for _, l := range layers {
		if err := k.Load(l, nil); err != nil {
			return nil, fault.New(fault.Usage, op, file, err, "")
		}
	}
	var c serveConfig
	decoder := &mapstructure.DecoderConfig{Result: &c, TagName: "koanf", ErrorUnused: true, WeaklyTypedInput: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(mapstructure.StringToTimeDurationHookFunc())}
	if err := k.UnmarshalWithConf("", &c, koanf.UnmarshalConf{Tag: "koanf", DecoderConfig: decoder}); err != nil {
		return nil, fault.New(fault.Usage, op, file, err, "names that are not known are refused, so that none is misspelt unnoticed")
	}
	return &c, nil
}

// minutes reads a cut-off as minutes after midnight; 0 for none.
func minutes(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		if s == "24:00" {
			return 0, nil
		}
		return 0, fmt.Errorf("a cut-off is written 23:00")
	}
	return t.Hour()*60 + t.Minute(), nil
}

// check finds what cannot be meant.
func (c *serveConfig) check() error {
	bad := func(subject, why, hint string) error {
		return fault.New(fault.Usage, "read the configuration", subject, errors.New(why), hint)
	}
	if err := c.checkConsole(); err != nil {
		return err
	}
	merchants := map[string]bool{}
	for _, x := range c.Merchants {
		if len(x.MID) != 15 || merchants[x.MID] {
			return bad("merchant "+x.MID, "a merchant number has 15 characters and stands once", "")
		}
		merchants[x.MID] = true
		if _, err := money.ParseCurrency(x.Currency); err != nil {
			return bad("merchant "+x.MID, "the currency is none", "write for example CNY")
		}
		if _, err := calendar.Location(x.Zone); x.Zone != "" && err != nil {
			return bad("merchant "+x.MID, "the time zone is none", "write for example Asia/Shanghai")
		}
		if _, err := minutes(x.Cutoff); err != nil {
			return bad("merchant "+x.MID, err.Error(), "")
		}
	}
	terminals := map[string]bool{}
	for _, x := range c.Terminals {
		if len(x.TID) != 8 || terminals[x.TID] {
			return bad("terminal "+x.TID, "a terminal number has 8 characters and stands once", "")
		}
		terminals[x.TID] = true
	}
	return nil
}
