// Package bank reads what banks tell about an account: camt.052, camt.053 and
// camt.054, MT940 and MT942, and the CSV files of online banking. Every
// movement becomes a bank.entry; a statement that is complete by its kind and
// adds up becomes a bank.statement besides, the proof that nothing else came
// on its days.
//
// An entry happened when the bank says it was booked, or else at the beginning
// of its booking day in the bank's zone. It has no recordedtime: a statement
// fetched today tells what could have been known all along. A statement counts
// from the end of its last day, or from when the bank made it that day. An
// entry goes by the bank's own reference, so that the messages which repeat it
// are one; it never goes by the payer's.
//
// Other statement formats (OFX, BAI2) belong here too: they fill a statement
// and its entries, and the rest is done.
//
// What passes between a platform and its bank before there is an entry is here
// as well: payment orders (pain.001) and inquiries about them (pacs.028), written
// and read, and the bank's reports on their status (pain.002), read. Orders and
// reports become payout.status.
package bank

import "daozhang/internal/format"

// Formats gives the bank formats in order of detection.
func Formats() []format.Format {
	return []format.Format{camtFormat, mtFormat, orderFormat, statusFormat, csvFormat, csvBare}
}
