package bank

import (
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// zoneOfCountry gives the time zone of the countries that lie in one and whose
// banks send ISO 20022 or SWIFT statements, by ISO 3166 code.
var zoneOfCountry = map[string]string{
	"AD": "Europe/Andorra", "AE": "Asia/Dubai", "AL": "Europe/Tirane", "AT": "Europe/Vienna",
	"AZ": "Asia/Baku", "BA": "Europe/Sarajevo", "BE": "Europe/Brussels", "BG": "Europe/Sofia",
	"BH": "Asia/Bahrain", "BY": "Europe/Minsk", "CH": "Europe/Zurich", "CN": "Asia/Shanghai",
	"CR": "America/Costa_Rica", "CY": "Asia/Nicosia", "CZ": "Europe/Prague", "DE": "Europe/Berlin",
	"DK": "Europe/Copenhagen", "DO": "America/Santo_Domingo", "EE": "Europe/Tallinn", "EG": "Africa/Cairo",
	"ES": "Europe/Madrid", "FI": "Europe/Helsinki", "FR": "Europe/Paris", "GB": "Europe/London",
	"GE": "Asia/Tbilisi", "GI": "Europe/Gibraltar", "GR": "Europe/Athens", "HK": "Asia/Hong_Kong",
	"HR": "Europe/Zagreb", "HU": "Europe/Budapest", "IE": "Europe/Dublin", "IL": "Asia/Jerusalem",
	"IN": "Asia/Kolkata", "IS": "Atlantic/Reykjavik", "IT": "Europe/Rome", "JO": "Asia/Amman",
	"JP": "Asia/Tokyo", "KR": "Asia/Seoul", "KW": "Asia/Kuwait", "LB": "Asia/Beirut",
	"LI": "Europe/Vaduz", "LT": "Europe/Vilnius", "LU": "Europe/Luxembourg", "LV": "Europe/Riga",
	"MC": "Europe/Monaco", "MD": "Europe/Chisinau", "ME": "Europe/Podgorica", "MK": "Europe/Skopje",
	"MO": "Asia/Macau", "MT": "Europe/Malta", "MY": "Asia/Kuala_Lumpur", "NL": "Europe/Amsterdam",
	"NO": "Europe/Oslo", "PK": "Asia/Karachi", "PL": "Europe/Warsaw", "PT": "Europe/Lisbon",
	"QA": "Asia/Qatar", "RO": "Europe/Bucharest", "RS": "Europe/Belgrade", "SA": "Asia/Riyadh",
	"SE": "Europe/Stockholm", "SG": "Asia/Singapore", "SI": "Europe/Ljubljana", "SK": "Europe/Bratislava",
	"SM": "Europe/San_Marino", "TH": "Asia/Bangkok", "TN": "Africa/Tunis", "TR": "Europe/Istanbul",
	"TW": "Asia/Taipei", "UA": "Europe/Kyiv", "VN": "Asia/Ho_Chi_Minh", "XK": "Europe/Belgrade",
	"ZA": "Africa/Johannesburg",
}

// zoneOfCurrency gives the zone where a currency is at home, for accounts that
// show no country. The dollar is at home in too many places.
var zoneOfCurrency = map[string]string{
	"CHF": "Europe/Zurich", "CZK": "Europe/Prague", "DEM": "Europe/Berlin", "DKK": "Europe/Copenhagen",
	"EUR": "Europe/Berlin", "GBP": "Europe/London", "HKD": "Asia/Hong_Kong", "HUF": "Europe/Budapest",
	"JPY": "Asia/Tokyo", "NOK": "Europe/Oslo", "PLN": "Europe/Warsaw", "RON": "Europe/Bucharest",
	"SEK": "Europe/Stockholm", "SGD": "Asia/Singapore", "TRY": "Europe/Istanbul",
}

// zoneOf gives the zone in which a bank's dates are meant: the one the person
// named; else that of the country of the IBAN or of the bank's BIC, unless the
// document's time of creation shows another offset there; else that offset;
// else where the currency is at home; else the default of all files.
func zoneOf(in *format.Input, account, bic string, currency money.Currency, created moment) *time.Location {
	if in.Zone != nil {
		return in.Zone
	}
	name := ""
	if isIBAN(account) {
		name = zoneOfCountry[account[:2]]
	}
	if name == "" && len(bic) >= 8 {
		name = zoneOfCountry[bic[4:6]]
	}
	if name != "" {
		if loc, err := calendar.Location(name); err == nil {
			_, there := created.at.In(loc).Zone()
			// Z is often written where no zone is meant.
			if !created.zoned || created.offset == 0 || int(created.offset)*60 == there {
				return loc
			}
		}
	}
	if created.zoned {
		if created.offset == 0 {
			return time.UTC
		}
		return time.FixedZone("", int(created.offset)*60)
	}
	return in.ZoneOr(zoneOfCurrency[currency.String()])
}
