// Package bank reads what banks tell about an account: camt.052, camt.053 and
// camt.054, MT940 and MT942, and the CSV files of online banking. Every
// movement becomes a bank.entry; a statement that is complete by its kind and
// adds up becomes a bank.statement besides, the proof that nothing else came
// on its days. Other statement formats (OFX, BAI2) belong here too: they fill
// a statement and its entries, and the rest is done.
package bank

import "daozhang/internal/format"

// Formats gives the bank formats in order of detection.
func Formats() []format.Format {
	return []format.Format{camtFormat, mtFormat, csvFormat, csvBare}
}
