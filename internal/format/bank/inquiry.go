package bank

import (
	"bufio"
	"bytes"
	"io"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// Inquiry asks a bank what became of one payment (pacs.028). It may be asked
// again, and moves nothing.
type Inquiry struct {
	// ID is the message identification, at most 35 characters.
	ID string
	// Created is when it was asked.
	Created time.Time
	// Asker is who asks: the platform, with its bank.
	Asker Party
	// Order is the message identification of the order, EndToEnd the payment's own.
	Order, EndToEnd string
	Amount          int64 // minor units
	Currency        money.Currency
}

// WriteInquiry writes an inquiry as pacs.028.001.03 in UTF-8. The same inquiry
// gives the same bytes. The error (kind Invalid) says what is wrong with it;
// then nothing is written.
func WriteInquiry(w io.Writer, q *Inquiry) error {
	for _, f := range []struct{ element, text string }{{"MsgId", q.ID}, {"OrgnlMsgId", q.Order}, {"OrgnlEndToEndId", q.EndToEnd}} {
		if why := fits(f.element, f.text, maxID); !why.None() {
			return fault.New(fault.Invalid, fault.Say("write inquiry", "写查询报文"), q.EndToEnd, why, fault.Say("nothing was written", "未写出任何内容"))
		}
	}
	if q.Created.IsZero() || q.Amount <= 0 || q.Currency == (money.Currency{}) {
		return fault.New(fault.Invalid, fault.Say("write inquiry", "写查询报文"), q.EndToEnd,
			fault.Say("its time, amount or currency is missing", "缺少时间、金额或币种"), fault.Say("nothing was written", "未写出任何内容"))
	}
	x := xmlWriter{w: bufio.NewWriter(w)}
	x.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	x.raw(`<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.028.001.03">`)
	x.open(inquiryRoot)
	x.open("GrpHdr")
	x.leaf("MsgId", q.ID)
	x.leaf("CreDtTm", q.Created.Format("2006-01-02T15:04:05.000Z07:00"))
	if q.Asker.Agent != (Agent{}) {
		x.agent("InstdAgt", q.Asker.Agent)
	}
	x.close("GrpHdr")
	x.open("TxInf")
	x.leaf("StsReqId", q.ID)
	x.open("OrgnlGrpInf")
	x.leaf("OrgnlMsgId", q.Order)
	x.leaf("OrgnlMsgNmId", "pain.001.001.09")
	x.close("OrgnlGrpInf")
	x.leaf("OrgnlInstrId", q.EndToEnd)
	x.leaf("OrgnlEndToEndId", q.EndToEnd)
	x.open("OrgnlTxRef")
	x.amount("IntrBkSttlmAmt", q.Amount, q.Currency)
	x.close("OrgnlTxRef")
	x.close("TxInf")
	x.close(inquiryRoot)
	x.raw("</Document>\n")
	if err := x.w.Flush(); err != nil {
		return fault.New(fault.Internal, fault.Say("write inquiry", "写查询报文"), q.EndToEnd, err, fault.Say("look at the disk, then write it again", "请检查磁盘，然后重写"))
	}
	return nil
}

// inquiryRoot is the element that holds an inquiry.
const inquiryRoot = "FIToFIPmtStsReq"

// ReadInquiry reads one inquiry. The error says in which line it cannot be read,
// or that it asks about no payment.
func ReadInquiry(r io.Reader) (*Inquiry, error) {
	q := &Inquiry{}
	w := walker{x: newXMLReader(r), message: "pacs.028"}
	var amount, currency []byte
	err := w.walk(func(path []byte) {
		if string(path) == "/TxInf/OrgnlTxRef/IntrBkSttlmAmt" {
			currency = bytes.Clone(w.x.attr("Ccy"))
		}
	}, func(path, text []byte) {
		switch string(path) {
		case "/GrpHdr/MsgId":
			q.ID = string(text)
		case "/GrpHdr/CreDtTm":
			if m, ok := parseMoment(text, nil); ok && m.timed {
				q.Created = m.time()
			}
		case "/TxInf/OrgnlGrpInf/OrgnlMsgId":
			q.Order = string(text)
		case "/TxInf/OrgnlEndToEndId":
			q.EndToEnd = string(text)
		case "/TxInf/OrgnlTxRef/IntrBkSttlmAmt":
			amount = bytes.Clone(text)
		}
	}, func([]byte) {})
	if err == nil && (q.ID == "" || q.EndToEnd == "") {
		err = fault.New(fault.Invalid, fault.Say("read inquiry", "读取查询报文"), q.ID,
			fault.Say("it asks about no payment (OrgnlEndToEndId)", "没有写明查询哪笔付款（OrgnlEndToEndId）"), "")
	}
	if err == nil && len(amount) > 0 {
		var why fault.Text
		if q.Amount, q.Currency, _, why = readAmount(amount, currency); !why.None() {
			err = fault.New(fault.Invalid, fault.Say("read inquiry", "读取查询报文"), q.ID, why, "")
		}
	}
	return q, err
}
