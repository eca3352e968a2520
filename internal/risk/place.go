package risk

import (
	"math"
	"strconv"
	"strings"
)

// placeKind says what can be compared with what.
type placeKind uint8

const (
	byName        placeKind = iota // any other word: equal or not
	byCoordinates                  // degrees
	byCell                         // of a mobile network
)

// place is where a terminal stands, as a terminal or a register says it:
// "31.230416,121.473701" (degrees north and east), "460-00-28688-43222849"
// (country, network, location area, cell; the cell may be left out), or any
// other word.
type place struct {
	kind     placeKind
	lat, lon float64
	name     string // of a cell without the cell itself
}

func parsePlace(s string) place {
	if lat, lon, ok := coordinates(s); ok {
		return place{kind: byCoordinates, lat: lat, lon: lon}
	}
	if part := strings.Split(s, "-"); len(part) == 3 || len(part) == 4 {
		if whole(part[0], 3, 3) && whole(part[1], 2, 3) && whole(part[2], 1, 8) {
			return place{kind: byCell, name: strings.Join(part[:3], "-")}
		}
	}
	return place{name: s}
}

func coordinates(s string) (lat, lon float64, ok bool) {
	a, b, two := strings.Cut(s, ",")
	if !two {
		return 0, 0, false
	}
	lat, bad := strconv.ParseFloat(strings.TrimSpace(a), 64)
	lon, worse := strconv.ParseFloat(strings.TrimSpace(b), 64)
	// Written so that what is no number fails too.
	return lat, lon, bad == nil && worse == nil && math.Abs(lat) <= 90 && math.Abs(lon) <= 180
}

func whole(s string, least, most int) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return len(s) >= least && len(s) <= most
}

// metres is the distance on a sphere of the earth's mean radius.
func (p place) metres(q place) int64 {
	const radius, degree = 6_371_009, math.Pi / 180
	north, east := (q.lat-p.lat)*degree/2, (q.lon-p.lon)*degree/2
	h := math.Sin(north)*math.Sin(north) + math.Cos(p.lat*degree)*math.Cos(q.lat*degree)*math.Sin(east)*math.Sin(east)
	return int64(2 * radius * math.Asin(math.Sqrt(min(h, 1))))
}

// apart holds where a terminal says it stands against where it was installed,
// which may name several places with a semicolon between. moved is true where it
// names another cell area or another word than all that can be compared with it;
// by is the distance in metres to the nearest with coordinates, -1 where there is
// none. Of what cannot be compared, nothing is concluded.
func apart(said, installed string) (moved bool, by int64) {
	by = -1
	if said == "" || installed == "" {
		return false, by
	}
	here := parsePlace(said)
	for _, one := range strings.Split(installed, ";") {
		there := parsePlace(strings.TrimSpace(one))
		switch {
		case there.kind != here.kind:
		case here.kind == byCoordinates:
			if m := here.metres(there); by < 0 || m < by {
				by = m
			}
		case there.name == here.name:
			return false, by
		default:
			moved = true
		}
	}
	return moved, by
}
