package bank

import (
	"regexp"
	"strings"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
)

// The CSV files of online banking have no standard: every bank has columns of
// its own, in its own language. They are told by a date, by an amount (signed,
// with a mark beside it, or parted into credit and debit), and by a balance or
// a text, whatever the rest. What they say follows these rules:
//
//   - A signed amount is positive for money that comes in.
//   - Without an account in preamble or column the account is "unknown".
//   - Without a currency it is that of the header's language or of the person's
//     hint, and the file is told to lack it.
//   - Days and months are parted by what the whole file shows.
//   - A running balance must lead from row to row. If it does, the days between
//     the first and the last row are complete, and so is the period that the
//     file names; if not, it is told and nothing is complete.
//   - Statements of credit cards without a mark are refused: their signs mean
//     the opposite at one bank and not at the next.

// csvFormat reads files with a header, csvBare those without.
var (
	csvFormat = format.Format{Name: "bank.csv", Title: fault.Say("bank statement as CSV", "CSV 银行对账单"), Detect: detectCSV, Read: readCSV, Table: csvTables[1]}
	csvBare   = format.Format{Name: "bank.csv", Title: fault.Say("bank statement as CSV without header", "CSV 银行对账单（无表头）"), Detect: bareTable.Detect, Read: bareTable.Read}
)

var csvTables = []*format.Table{
	csvTable("date", "credit", "debit"),
	csvTable("date", "amount", "balance"),
	csvTable("date", "amount", "text"),
}

func csvTable(required ...string) *format.Table {
	return &format.Table{
		Name: "bank.csv", Title: fault.Say("bank statement as CSV", "CSV 银行对账单"), Type: evidence.BankEntry,
		Columns: csvColumns(required), Recognise: plausibleCSV,
		Open: openCSV, Footer: footerCSV, Foot: footCSV, Row: rowCSV, Close: closeCSV,
	}
}

func detectCSV(h *format.Head) bool { return tableOf(h) != nil }

func tableOf(h *format.Head) *format.Table {
	for _, t := range csvTables {
		if t.Detect(h) {
			return t
		}
	}
	return nil
}

func readCSV(in *format.Input, out *format.Out) error {
	t := tableOf(&in.Head)
	if t == nil {
		return fault.Say("no header of a bank statement", "没有银行对账单的表头")
	}
	return t.Read(in, out)
}

// csvHeaders are the names that banks give to what an entry says, those that
// are to be preferred first.
var csvHeaders = []struct {
	name    string
	headers string // separated by "|"
}{
	{"date", "记账日期|记帐日期|记账日|银行记账日|入账日期|入账日|账务日期|交易日期|交易日|日期|Booking date|Posting date|Post date|Date posted|Posted date|Posted on|" +
		"Buchungstag|Buchungsdatum|Buchung|Boekdatum|Boekingsdatum|Date de comptabilisation|Date comptable|Date opération|Date operation|Date d'opération|" +
		"Data contabile|Data operazione|Fecha operación|Fecha|Transaction date|Transactiedatum|Verrichtingsdatum|Datum|Date|Datetime|交易时间|记账时间|入账时间|交易日期[ Transaction Date ]|Completed Date|Bokföringsdag|Bogføringsdato|Bokføringsdato|Kirjauspäivä|Data operacji|Data księgowania|Dato|Txn Date|Tran Date|Booked At"},
	{"value", "起息日期|起息日|Value date|Valutadatum|Valuta date|ValutaDate|Valuta|Wertstellung|Wertstellungstag|Date de valeur|Date valeur|Rentedatum|Fecha valor|Data valuta|Wertstellung (Valuta)|Wertstellungsdatum|Wert|Value Dt|起息日期[ Value Date ]"},
	{"clock", "记账时间|交易时间|入账时间|时间|Time|Uhrzeit|Heure|Transaction time"},
	{"credit", "记账金额(收入)|入账金额(收入)|贷方发生额|贷方发生额(收入)|贷方发生额(元)|贷方金额|贷方|收入金额|收入|收入(元)|收入金额(元)|存入金额|存入|转入金额|交易金额(收入)|" +
		"Credit amount|Credit|Credits|Money in|Paid in|Deposit|Deposits|Deposit amount|Deposit amt|Haben|Gutschrift|Crédit|Bij|Abono|Entrate|Amount in|In|Gutschrift in CHF|Gutschrift in EUR|Crédit euros|Deposit Amount (INR )|Amount credited|贷方发生额(收入)(元)"},
	{"debit", "记账金额(支出)|入账金额(支出)|借方发生额|借方发生额(支取)|借方发生额(支出)|借方发生额(元)|借方金额|借方|支出金额|支出|支出(元)|支出金额(元)|支取金额|支取|转出金额|交易金额(支出)|" +
		"Debit amount|Debit|Debits|Money out|Paid out|Withdrawal|Withdrawals|Withdrawal amount|Withdrawal amt|Soll|Belastung|Débit|Af|Cargo|Uscite|Amount out|Out|Lastschrift in CHF|Lastschrift in EUR|Lastschrift|Débit euros|Withdrawal Amount (INR )|Amount debited"},
	{"amount", "入账金额|记账金额|交易金额|交易金额(元)|发生额|交易额|人民币金额|金额|金额(元)|入账币种/金额|Billing amount|Transaction amount|Amount (total)|Amount|Amount (EUR)|Amount (GBP)|Amount (USD)|" +
		"Amount (HKD)|Amount (CHF)|Betrag (EUR)|Betrag|Betrag in EUR|Umsatz|Umsatz in EUR|Bedrag (EUR)|Bedrag|Montant|Montant (EUR)|Importe|Importo|交易金额[ Trade Amount ]|Betrag (€)|Betrag (CHF)|Montant en euros|Belopp|Beløb|Beløp|Kwota|Value|Credit/Debit Amount"},
	{"otheramount", "交易金额|交易币种/金额|交易地金额|OriginalAmount|Original amount|Amount currency"},
	{"mark", "借贷标志|借贷标识|借贷方向|借贷|借/贷|收支标志|收支类型|收支|收/支|D/C|C/D|Credit / Debit|Debit/Credit|Credit/Debit|Cr/Dr|Dr/Cr|Soll/Haben|S/H|Af Bij|Af/Bij|Bij/Af|Sens|" +
		"Debit or credit|Transaction Type|交易方向|Belastung/Gutschrift"},
	{"weakmark", "Type"},
	{"balance", "余额|余额(元)|账户余额|账户余额(元)|联机余额|当前余额|本次余额|交易后余额|Balance|Running balance|Account balance|Balance after|Available balance|Kontostand|Saldo|Saldo na trn|Saldo nach Buchung|Solde|Saldo disponible|交易后余额[ After-transaction balance ]|Running Bal|Balance (EUR)|Balance (GBP)|Balance (USD)|Balance (INR )|Saldo in CHF|Saldo in EUR|Saldo po operacji|Saldo (€)|Closing balance|Balance amount"},
	{"currency", "记账币种|入账货币|入账币种|币种|币别|货币|交易币种|交易货币|Billing currency|Currency|Account currency|Währung|Waehrung|Munt|Devise|Divisa|交易货币[ Trade Currency ]|Kontowährung"},
	{"account", "本方账号|本方账户|我方账号|账号|账户|帐号|卡号|借记卡号|卡号后四位|First Bank Card|account_number|IBAN/BBAN|Auftragskonto|IBAN Auftragskonto|IBAN Kontoinhaber|Auftraggeberkonto|Rekening|Compte|Cuenta|Username"},
	// These name the account at one bank and the other party's at the next.
	{"eitheraccount", "IBAN|Account number|Account no|Account|Konto|Kontonummer|Rekeningnummer"},
	{"card", "卡号末四位|CardId|Card|Card number|Card no|Kartennummer"},
	{"text", "摘要|交易摘要|交易说明|交易描述|交易名称|交易类型|Description|Label|Verwendungszweck|Omschrijving-1|Omschrijving|Mededelingen|Libellé|Libelle|Narrative|Memo|Particulars|Details|Buchungstext|" +
		"Communication|Communications|Concepto|Causale|Note|Text|item1|附言|用途|备注|摘要[ Reference ]|交易用途|Narration|Transaction Remarks|Transaction Description|Avisierungstext|Descrizione|Libelle operation|Libellé opération|Libellé simplifié|Opis operacji|Name|Verwendungszweck/Buchungstext"},
	{"text2", "附言|客户摘要|用途|备注|Detail|Details|Buchungstext|Omschrijving-2|Mitteilung|Reference text|item2|交易场所|网点名称"},
	{"counterparty", "对方户名|对方账户名|对方账户名称|对方名称|对手信息|对方单位|Partner name|Counterparty|Beneficiary|Payee|Beneficiary/Payer|Auftraggeber/Empfänger|Auftraggeber / Begünstigter|Beguenstigter/Zahlungspflichtiger|" +
		"Zahlungsempfänger|Naam / Omschrijving|Naam tegenpartij|Merchant name|MerchantName|Tiers|对方单位名称|Name Zahlungsbeteiligter|Begünstigter / Auftraggeber|Zahlungsempfänger*in|Avsändare|Counterparty name"},
	{"ref", "交易流水号|流水号|交易流水|核心流水号|银行流水号|账户明细编号-交易流水号|TransactionId|Transaction ID|Transaction reference|Bank reference|Operation Number|Volgnr|ID|交易流水号[ Transaction reference number ]|TransferWise ID"},
	{"payref", "Kundenreferenz (End-to-End)|End-to-End-Referenz|Kundenreferenz|Customer reference|Payment reference|Betalingskenmerk|Reference|reference1|企业流水号|凭证号|凭证号码|回单编号|订单号|商户订单号|用途[ Purpose ]|Chq./Ref.No.|Bank reference no"},
	{"payref2", "Mandatsreferenz|reference2|document_number|Machtigingskenmerk|回单编号|凭证号"},
	{"status", "Transaction status|StateType|Status|State|交易状态|状态"},
	{"from", "initial_date"},
	{"to", "final_date"},
	{"opening", "initial_balance|Beginning Balance|Opening balance"},
	{"closing", "final_balance|Ending Balance"},
}

func csvColumns(required []string) []format.Column {
	var cols []format.Column
	for _, h := range csvHeaders {
		c := format.Column{Name: h.name, Headers: strings.Split(h.headers, "|"), Optional: true}
		for _, r := range required {
			if r == h.name {
				c.Optional = false
			}
		}
		cols = append(cols, c)
	}
	return cols
}

// notBank are header names of journals and settlement files, whose rows are
// not entries of an account, and of evidence written as CSV.
var notBank = regexp.MustCompile(`(?i)终端号|交易分类|商品说明|商家订单号|终端编号|商户号|商户编号|参考号|检索号|系统参考|批次号|手续费|结算金额|清算|\b(tid|mid|rrn|stan|auth_code|entry_ref|booking_date|direction|payout|payout_id|balance_transaction_id|merchant account|psp reference)\b`)

// plausibleCSV says no to tables of other trades that also have a date and an
// amount.
func plausibleCSV(h *format.Head) bool {
	for _, line := range h.Lines(64) {
		digits := 0
		for i := 0; i < len(line); i++ {
			if line[i]-'0' <= 9 {
				digits++
			}
		}
		if digits*6 < len(line) && strings.ContainsAny(line, ",;\t|") && !preambleDates.MatchString(line) && notBank.MatchString(line) { // a header, no row
			return false
		}
	}
	return true
}
