package card

// forbidden are the names of fields, in lower case without separators, that
// hold sensitive authentication data: it may not be kept after authorization,
// not even encrypted (PCI DSS requirement 3.3). The numbered ones are ISO 8583
// fields 35, 36, 45 (tracks) and 52 (PIN).
var forbidden = map[string]bool{
	"track": true, "track1": true, "track2": true, "track3": true,
	"tracki": true, "trackii": true, "trackiii": true, "tracks": true,
	"trackdata": true, "track1data": true, "track2data": true, "track3data": true,
	"track1equivalentdata": true, "track2equivalentdata": true,
	"track2equivalent": true, "track1equivalent": true, "equivalenttrack2": true,
	"trackone": true, "tracktwo": true, "trackthree": true,
	"magneticstripe": true, "magneticstripedata": true, "magstripedata": true, "magstripetrack": true,
	"stripedata": true, "swipedata": true,
	"cvv": true, "cvv1": true, "cvv2": true, "icvv": true, "dcvv": true, "cvvcode": true, "cvvvalue": true,
	"cvc": true, "cvc1": true, "cvc2": true, "cvc3": true, "cvccode": true,
	"cvn": true, "cvn2": true, "cav": true, "cav2": true, "csc": true, "cvd": true, "cvd2": true, "cve": true,
	"cardverificationvalue": true, "cardverificationcode": true, "cardverificationnumber": true, "cardsecuritycode": true,
	"securitycode": true, "verificationvalue": true,
	"pin": true, "pinblock": true, "pindata": true, "pincode": true, "encryptedpin": true, "encryptedpinblock": true,
	"encpin": true, "epb": true, "pinvalue": true, "offlinepin": true, "pinoffset": true, "pvv": true, "clearpin": true,
	"personalidentificationnumber": true, "personalidentificationnumberdata": true,
	"f35": true, "f36": true, "f45": true, "f52": true,
	"de35": true, "de36": true, "de45": true, "de52": true, "de035": true, "de036": true, "de045": true, "de052": true,
	"field35": true, "field36": true, "field45": true, "field52": true,
	"密码": true, "磁道": true, "磁道信息": true, "二磁道": true, "三磁道": true, "安全码": true,
}

// Forbidden reports whether a field of this name holds track data, a card
// verification value or a PIN (block), whatever its case and separators:
// track_2, Track2-Data, CVV2, pinBlock. Facts with such a field are refused.
func Forbidden(field string) bool {
	const longest = 40
	var b [longest]byte
	n := 0
	for i := 0; i < len(field); i++ {
		c := field[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= 0x80:
		default:
			continue
		}
		if n == longest {
			return false
		}
		b[n] = c
		n++
	}
	return forbidden[string(b[:n])]
}
