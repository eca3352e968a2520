package calendar

import (
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones must be known on machines that have none

	"daozhang/internal/fault"
)

var zones sync.Map // of *time.Location by the name asked for

// Location returns a time zone by its IANA name (Asia/Shanghai), UTC, Z, or a
// fixed offset (+08:00, +0800, +08, UTC+8). It is cached, and does not depend
// on the machine: "Local" and "" are errors, of kind fault.Invalid.
func Location(name string) (*time.Location, error) {
	if v, ok := zones.Load(name); ok {
		return v.(*time.Location), nil
	}
	loc, err := load(name)
	if err != nil {
		return nil, err
	}
	v, _ := zones.LoadOrStore(name, loc)
	return v.(*time.Location), nil
}

func load(name string) (*time.Location, error) {
	if name == "Z" || name == "UTC" || name == "GMT" {
		return time.UTC, nil
	}
	if sec, ok := offset(name); ok {
		if sec == 0 {
			return time.UTC, nil
		}
		return time.FixedZone("", sec), nil
	}
	if name != "" && name != "Local" {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc, nil
		}
	}
	return nil, fault.New(fault.Invalid, fault.Say("unknown time zone", "未知时区"), "", nil,
		fault.Say("write an IANA name such as Asia/Shanghai, or an offset such as +08:00", "请写 Asia/Shanghai 这样的时区名，或 +08:00 这样的时差"))
}

// offset reads [UTC|GMT](+|-)H[H][[:]MM] of at most 18 hours.
func offset(s string) (sec int, ok bool) {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "UTC"), "GMT")
	if len(s) < 2 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	neg := s[0] == '-'
	s = s[1:]
	h, m, parted := strings.Cut(s, ":")
	if !parted && len(s) == 4 {
		h, m, parted = s[:2], s[2:], true
	}
	if len(h) < 1 || len(h) > 2 || parted && len(m) != 2 {
		return 0, false
	}
	for i := 0; i < len(h); i++ {
		if h[i]-'0' > 9 {
			return 0, false
		}
		sec = sec*10 + int(h[i]-'0')
	}
	sec *= 3600
	if parted {
		if m[0]-'0' > 5 || m[1]-'0' > 9 {
			return 0, false
		}
		sec += (int(m[0]-'0')*10 + int(m[1]-'0')) * 60
	}
	if sec > 18*3600 {
		return 0, false
	}
	if neg {
		sec = -sec
	}
	return sec, true
}
