package pos

import (
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"daozhang/internal/fault"
	"daozhang/internal/keyring"
)

// Device is a terminal as it is registered: its numbers and its master key under
// the transport key.
type Device struct {
	MID, TID string
	Master   keyring.Wrapped
}

// deviceHeader is that of a device file: CSV, the key and its check value in
// hexadecimal digits.
var deviceHeader = []string{"mid", "tid", "tmk", "kcv"}

// WriteDevices writes a device file. It holds no key in clear: the master keys are
// under the transport key.
func WriteDevices(w io.Writer, devices []Device) error {
	c := csv.NewWriter(w)
	if err := c.Write(deviceHeader); err != nil {
		return err
	}
	for _, d := range devices {
		if err := c.Write([]string{d.MID, d.TID, hex.EncodeToString(d.Master.Cipher), hex.EncodeToString(d.Master.KCV[:])}); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// ReadDevices reads a device file.
func ReadDevices(r io.Reader) ([]Device, error) {
	const op = "read device file"
	c := csv.NewReader(r)
	c.FieldsPerRecord = len(deviceHeader)
	rows, err := c.ReadAll()
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "", err, "its columns are "+strings.Join(deviceHeader, ", "))
	}
	var devices []Device
	for i, row := range rows {
		if i == 0 && row[0] == deviceHeader[0] {
			continue
		}
		w, err := ParseKey(row[2], row[3])
		if err != nil {
			return nil, fault.New(fault.Invalid, op, fmt.Sprintf("line %d", i+1), err, "")
		}
		devices = append(devices, Device{row[0], row[1], w})
	}
	return devices, nil
}

// ParseKey reads a wrapped key of 16 bytes and its check value of 3 or 4, in
// hexadecimal digits.
func ParseKey(key, kcv string) (keyring.Wrapped, error) {
	var w keyring.Wrapped
	var err error
	if w.Cipher, err = hex.DecodeString(key); err != nil || len(w.Cipher) != 16 {
		return keyring.Wrapped{}, errors.New("a master key under the transport key has 32 hexadecimal digits")
	}
	check, err := hex.DecodeString(kcv)
	if err != nil || len(check) != 3 && len(check) != 4 {
		return keyring.Wrapped{}, errors.New("a key check value has 6 or 8 hexadecimal digits")
	}
	copy(w.KCV[:], check)
	w.ShortKCV = len(check) == 3
	return w, nil
}

// NewDevices makes master keys for n terminals, numbered from the first, TID by TID.
// The keys are in the keyring, as an acquirer has them.
func NewDevices(keys keyring.Keyring, mid, first string, n int) ([]Device, error) {
	number := 0
	if _, err := fmt.Sscanf(first, "%d", &number); err != nil || len(first) != 8 || number+n > 100_000_000 {
		return nil, fault.New(fault.Usage, "make devices", first, errors.New("the first terminal number has eight digits and room for the others"), "")
	}
	devices := make([]Device, n)
	for i := range devices {
		tid := fmt.Sprintf("%08d", number+i)
		w, err := keys.NewMaster(keyring.Terminal(mid, tid))
		if err != nil {
			return nil, err
		}
		devices[i] = Device{mid, tid, w}
	}
	return devices, nil
}
