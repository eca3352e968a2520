package processor

import (
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// adyenZones are the abbreviations in Adyen's TimeZone columns, in hours east
// of UTC. Adyen writes summer time as its own abbreviation (CEST, PDT), so
// that each stands for one offset; a zone may also be written by its name
// (Europe/Amsterdam). CST and IST are what they are in Adyen's offices.
var adyenZones = map[string]float64{
	"UTC": 0, "GMT": 0, "WET": 0, "BST": 1, "WEST": 1, "CET": 1, "MET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3,
	"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10,
	"BRT": -3, "BRST": -2, "ART": -3, "GST": 4, "IST": 5.5, "ICT": 7, "WIB": 7, "SGT": 8, "HKT": 8, "MYT": 8, "PHT": 8, "AWST": 8,
	"JST": 9, "KST": 9, "ACST": 9.5, "ACDT": 10.5, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}

var errAdyenZone = error(fault.Say("the time zone is not known; name it with --zone, such as Europe/Amsterdam", "时区未知，请用 --zone 指明，如 Europe/Amsterdam"))

// adyenZone gives the zone of a row: as its column says, unless that is empty.
func adyenZone(in *format.Input, name string) (*time.Location, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return in.ZoneOr("UTC"), nil
	}
	if hours, ok := adyenZones[strings.ToUpper(name)]; ok {
		if hours == 0 {
			return time.UTC, nil
		}
		return time.FixedZone("", int(hours*3600)), nil
	}
	if loc, err := calendar.Location(name); err == nil {
		return loc, nil
	}
	if in.Zone != nil {
		return in.Zone, nil
	}
	return nil, errAdyenZone
}

// adyenMoment reads one of Adyen's date columns in the zone of another.
func adyenMoment(row *format.Row, column, zone string) (dated, error) {
	text := row.Bytes(column)
	if len(text) == 0 {
		return dated{}, nil
	}
	text = append([]byte(nil), text...)
	loc, err := adyenZone(row.Doc.In, firstOf(row, zone, "zone"))
	if err != nil {
		return dated{}, err
	}
	at, offset, err := format.ParseTime(text, loc)
	if err != nil {
		return dated{}, in(column, err)
	}
	return dated{at, offset}, nil
}

// adyenKinds says what the types of Adyen's rows are, in lower case. A
// reversal of a refund or of a chargeback brings the money back: the contract
// knows it as an adjustment of that payment. Types that are not here, such as
// those Adyen adds, count as adjustments with the sign of their net.
var adyenKinds = map[string]evidence.Kind{
	"settled": evidence.Sale, "settledinstallment": evidence.Sale,
	"refunded":   evidence.Refund,
	"chargeback": evidence.Chargeback, "secondchargeback": evidence.Chargeback,
	"refundedreversed": evidence.Adjustment, "chargebackreversed": evidence.Adjustment,
	"fee": evidence.FeeKind, "misccosts": evidence.FeeKind, "paymentcost": evidence.FeeKind, "invoicededuction": evidence.FeeKind,
	"advancementcommission": evidence.FeeKind,
	"reserveadjustment":     evidence.Reserve,
	"balancetransfer":       evidence.Adjustment, "depositcorrection": evidence.Adjustment, "manualcorrected": evidence.Adjustment,
	"matchedstatement": evidence.Adjustment, "advancement": evidence.Adjustment, "merchantpayin": evidence.Adjustment,
	"internalcompanypayout": evidence.Adjustment, "cashback": evidence.Adjustment,
}

// adyenKind gives the kind of a row of some net; known is false for a type
// that is not in the table.
func adyenKind(name string, net int64) (kind evidence.Kind, known bool) {
	name = strings.TrimSuffix(strings.ToLower(name), "externallywithinfo")
	kind, known = adyenKinds[name]
	switch {
	case !known:
		return evidence.Adjustment, false
	case kind == evidence.Reserve && net > 0:
		return evidence.ReserveRelease, true
	}
	return kind, true
}

// adyenFees adds up the fee columns of a row.
func adyenFees(row *format.Row, c money.Currency, columns ...string) (int64, error) {
	var fee int64
	for _, name := range columns {
		n, _, err := row.Amount(name, c)
		if err != nil {
			return 0, err
		}
		total, ok := money.Add(fee, n)
		if !ok {
			return 0, money.ErrOverflow
		}
		fee = total
	}
	return fee, nil
}

// adyenCard gives network and type of card from payment method and variant,
// such as visa and visadebit.
func adyenCard(row *format.Row) (network, cardType string) {
	variant := strings.ToLower(row.Text("Payment Method Variant"))
	for _, t := range []string{"debit", "credit", "prepaid"} {
		if strings.Contains(variant, t) {
			cardType = t
		}
	}
	return scheme(row.Text("Payment Method")), cardType
}
