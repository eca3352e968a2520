package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"daozhang/internal/access"
	"daozhang/internal/card"
	"daozhang/internal/fault"
)

var opAttach = fault.Say("attach file", "添加附件")

// kinds of files by how they begin.
var magic = []struct{ begins, kind string }{
	{"%PDF-", "application/pdf"}, {"\x89PNG\r\n\x1a\n", "image/png"}, {"\xff\xd8\xff", "image/jpeg"}, {"GIF87a", "image/gif"}, {"GIF89a", "image/gif"},
	{"RIFF", "image/webp"}, // with WEBP after its length
}

// spreadsheet is a ZIP archive with a workbook in it.
const spreadsheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// typeOf says what a file is by its content, "" for what is not taken: programs,
// archives, web pages, anything that nobody here can look at safely.
func typeOf(content []byte) string {
	for _, m := range magic {
		if bytes.HasPrefix(content, []byte(m.begins)) {
			if m.kind == "image/webp" && (len(content) < 12 || string(content[8:12]) != "WEBP") {
				return ""
			}
			return m.kind
		}
	}
	if bytes.HasPrefix(content, []byte("PK\x03\x04")) {
		if bytes.Contains(content, []byte("xl/workbook.xml")) {
			return spreadsheet
		}
		return ""
	}
	if !utf8.Valid(content) || bytes.ContainsFunc(content, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) {
		return ""
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(content, []byte("\ufeff")))
	head := strings.ToLower(string(text[:min(len(text), 512)]))
	switch {
	case strings.HasPrefix(head, "<!doctype html") || strings.Contains(head, "<html") || strings.Contains(head, "<svg") || strings.Contains(head, "<script"):
		return ""
	case strings.HasPrefix(head, "<"):
		return "application/xml"
	case json.Valid(text):
		return "application/json"
	case strings.Count(head, ",") > 1 && strings.Contains(head, "\n"):
		return "text/csv"
	}
	return "text/plain"
}

// readable reports whether card numbers can be looked for in a kind of file.
func readable(kind string) bool {
	return strings.HasPrefix(kind, "text/") || kind == "application/json" || kind == "application/xml"
}

// Attach keeps a file with the case about something. What it is follows from its
// content, not from its name. Card numbers in text are hidden before it is kept; in
// pictures and documents nobody can see them, so people are told not to attach any.
//
// Errors are those of Do, and fault.Invalid for a file that is too large, of no kind
// that is taken, or one too many.
func (d *Desk) Attach(ctx context.Context, who Actor, k Key, name string, content []byte) (*File, error) {
	if err := admits(who, k, Attach); err != nil {
		return nil, err
	}
	f, err := d.fileOf(who, k, name, content)
	if err != nil {
		return nil, err
	}
	files, err := d.Keeper.CaseFiles(ctx, k)
	if err != nil {
		return nil, err
	}
	for i := range files {
		if files[i].Hash == f.Hash { // the same file again changes nothing
			return &files[i], nil
		}
	}
	if len(files) >= d.Policy.FilesMost {
		return nil, k.wrong(fault.Invalid, opAttach, fault.Say("the case has %d files", "案件已有 %d 个附件", len(files)), fault.Say("name in a comment where the others are", "请在备注中说明其他文件的位置"))
	}
	_, err = d.retry(func() (*Case, error) {
		x, err := d.look(ctx, k)
		if err != nil {
			return nil, err
		}
		before := x.Case
		if before == nil {
			before = &Case{Key: k, State: Open}
		}
		now := d.Now()
		next := before.next(now)
		if before.Version == 0 {
			next.Cause, next.Amount, next.Currency = x.Cause, x.Amount, x.Currency
		}
		next.Files = len(files) + 1
		f.At = now
		ev := Event{Key: k, Version: next.Version, At: now, By: who.Name, Role: who.Role, What: Attach, File: f.Name, Text: f.Hash, Request: who.Request}
		s := &Step{MID: k.MID, At: now, Cases: []Case{next}, Events: []Event{ev}, Files: []File{*f}, Audit: []access.Event{audited(who, before, &next, &ev)}}
		return &next, d.Keeper.CommitDesk(ctx, s)
	})
	if err != nil {
		return nil, err
	}
	f.Content = nil
	return f, nil
}

// fileOf makes a file of what was sent.
func (d *Desk) fileOf(who Actor, k Key, name string, content []byte) (*File, error) {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == '/' || r == '\\' || r == '"' || r == 0x7f {
			return -1
		}
		return r
	}, path.Base(strings.ReplaceAll(name, "\\", "/")))
	name, _ = card.MaskText(name)
	for len(name) > 120 {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	if name == "" || name == "." || !utf8.ValidString(name) {
		name = "file"
	}
	switch kind := typeOf(content); {
	case len(content) == 0:
		return nil, k.wrong(fault.Invalid, opAttach, fault.Say("the file is empty", "文件为空"), fault.Say("choose another", "请另选文件"))
	case len(content) > d.Policy.FileMost:
		return nil, k.wrong(fault.Invalid, opAttach, fault.Say("the file is larger than %d bytes", "文件超过 %d 字节", d.Policy.FileMost), fault.Say("attach the pages that matter", "请只附相关页面"))
	case kind == "":
		return nil, k.wrong(fault.Invalid, opAttach, fault.Say("files of that kind are not taken", "不接受该类型的文件"), fault.Say("PDF, PNG, JPEG, GIF, WebP, XLSX, CSV, XML, JSON or plain text in UTF-8", "请使用 PDF、PNG、JPEG、GIF、WebP、XLSX、CSV、XML、JSON 或 UTF-8 文本"))
	default:
		f := &File{Key: k, Name: name, Type: kind, By: who.Name, Content: content}
		if readable(kind) {
			f.Content, f.Masked = card.MaskBytes(content)
		}
		f.Size = int64(len(f.Content))
		sum := sha256.Sum256(f.Content)
		f.Hash = hex.EncodeToString(sum[:])
		return f, nil
	}
}

// Files lists what is attached to a case, the oldest first; for its merchant, what
// the merchant attached. Errors are those of Item.
func (d *Desk) Files(ctx context.Context, who Actor, k Key) ([]File, error) {
	events, err := d.History(ctx, who, k)
	if err != nil {
		return nil, err
	}
	files, err := d.Keeper.CaseFiles(ctx, k)
	if err != nil || who.Role != access.Merchant {
		return files, err
	}
	sent := map[string]bool{}
	for _, e := range events {
		if e.What == Attach {
			sent[e.Text] = true
		}
	}
	return slices.DeleteFunc(files, func(f File) bool { return !sent[f.Hash] }), nil
}

// File gives one attached file with its content. Errors are those of Item, and
// fault.NotFound where the case has no such file, or has it for others alone; see
// Files.
func (d *Desk) File(ctx context.Context, who Actor, k Key, hash string) (*File, error) {
	files, err := d.Files(ctx, who, k)
	if err != nil {
		return nil, err
	}
	if who.Role == access.Merchant && !slices.ContainsFunc(files, func(f File) bool { return f.Hash == hash }) {
		return nil, k.wrong(fault.NotFound, fault.Say("find file", "查找文件"), fault.Say("the case has no such file", "该案件没有这个文件"), fault.Say("the case lists its files", "文件列于案件页面"))
	}
	f, err := d.Keeper.CaseFile(ctx, k, hash)
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// History gives what was done about something, the oldest first. Its merchant is
// given what passed between the two and how it ended: what colleagues note for each
// other stays among them. Errors are those of Item.
func (d *Desk) History(ctx context.Context, who Actor, k Key) ([]Event, error) {
	if _, err := d.Item(ctx, who, k); err != nil {
		return nil, err
	}
	events, err := d.Keeper.CaseEvents(ctx, k)
	if err != nil || who.Role != access.Merchant {
		return events, err
	}
	return slices.DeleteFunc(events, func(e Event) bool {
		return e.Role != access.Merchant && !(e.What == Ask && e.To == "merchant") && e.What != Resolve && e.What != Reopen
	}), nil
}
