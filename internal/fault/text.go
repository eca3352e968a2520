package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
)

// Text is a message in the two languages of the product. Both are made where
// the message is made, by [Say], and one is chosen where it is shown. A Text is
// an error too: one that says what is wrong and, where it helps, what to do.
//
// A message never repeats a value that may hold card data.
type Text struct{ EN, ZH string }

// Say makes a message from a format in each language and the arguments of both,
// as fmt.Sprintf takes them; %[2]d names an argument where the order differs.
// An argument that is a Text or an error speaks the language of its format.
// Without arguments the formats are the message as they stand.
//
// TestMessages reads the source: both formats are literals, use the same
// arguments, and the second is Chinese.
func Say(en, zh string, args ...any) Text {
	if len(args) == 0 {
		return Text{en, zh}
	}
	return Text{fmt.Sprintf(en, spoken(args, "en")...), fmt.Sprintf(zh, spoken(args, "zh")...)}
}

// Same is what reads alike in both languages: a name, a number, a code.
func Same(s string) Text { return Text{s, s} }

// spoken gives arguments in a language.
func spoken(args []any, lang string) []any {
	var out []any
	for i, a := range args {
		err, ok := a.(error)
		if !ok {
			continue
		}
		if out == nil {
			out = append(out, args...)
		}
		out[i] = TextOf(err).In(lang)
	}
	if out == nil {
		return args
	}
	return out
}

// In gives the message in a language: "zh", else English.
func (t Text) In(lang string) string {
	if lang == "zh" && t.ZH != "" {
		return t.ZH
	}
	return t.EN
}

// Error gives the English message: errors are compared, logged and carried by
// machines in English.
func (t Text) Error() string { return t.EN }

// None reports whether there is no message.
func (t Text) None() bool { return t.EN == "" }

// And puts what follows behind the message, after a semicolon; either may be
// none.
func (t Text) And(next Text) Text {
	switch {
	case next.None():
		return t
	case t.None():
		return next
	}
	return Text{t.EN + "; " + next.EN, t.In("zh") + "；" + next.In("zh")}
}

// TextOf gives an error in both languages, without its hint. What is of no
// package of this module (of the system, of a library) is known where a person
// meets it in practice; the rest stays as it is.
func TextOf(err error) Text {
	switch e := err.(type) {
	case nil:
		return Text{}
	case Text:
		return e
	case interface{ Text() Text }:
		return e.Text()
	}
	inner := errors.Unwrap(err)
	for _, s := range system {
		if inner == nil && errors.Is(err, s.is) {
			return Text{err.Error(), s.zh}
		}
	}
	if inner == nil {
		return Same(err.Error())
	}
	// Wrapped by fmt.Errorf or by the system: what stands around is kept.
	t := TextOf(inner)
	return Text{err.Error(), strings.Replace(err.Error(), inner.Error(), t.In("zh"), 1)}
}

// system are the errors of the system that a person meets.
var system = []struct {
	is error
	zh string
}{
	{fs.ErrNotExist, "文件或文件夹不存在"},
	{fs.ErrPermission, "没有权限"},
	{fs.ErrExist, "文件已存在"},
	{io.ErrUnexpectedEOF, "内容提前结束"},
	{io.EOF, "内容提前结束"},
	{io.ErrClosedPipe, "管道已关闭"},
	{context.Canceled, "已中止"},
	{context.DeadlineExceeded, "等待超时"},
	{syscall.EISDIR, "这是一个文件夹"},
	{syscall.ENOTDIR, "路径中有一段不是文件夹"},
	{syscall.ENOSPC, "磁盘空间不足"},
	{syscall.EROFS, "磁盘为只读"},
	{syscall.EPIPE, "管道已关闭"},
	{syscall.EADDRINUSE, "地址已被占用"},
	{syscall.ECONNREFUSED, "对方拒绝连接"},
}

// Reason is an error as one sentence for a person: what is wrong, and what to
// do.
func Reason(err error) Text { return TextOf(err).And(HintText(err)) }

// words make an operation and a hint of what New is given.
func words[T string | Text](t T) Text {
	switch t := any(t).(type) {
	case Text:
		return t
	case string:
		return Text{EN: t}
	}
	return Text{}
}

// verbs are the operations that packages name by a plain string.
var verbs = map[string]string{
	"read": "读取", "open": "打开", "write": "写入", "parse": "解析", "import": "导入", "create": "创建",
	"listen": "监听", "load": "载入", "delete": "删除", "verify": "核验", "append": "追加", "register": "登记",
	"open database": "打开数据库", "write step": "写入一步", "read evidence": "读取事实", "append evidence": "追加事实",
	"add evidence": "加入事实", "open journal": "打开日志", "read journal": "读取日志", "open keyring": "打开密钥环",
	"write the keyring": "写入密钥环", "verify ledger": "核验账本", "read mapping file": "读取映射文件",
}

// operation gives the operation in Chinese.
func (e *Error) operation() string {
	if e.Op.ZH == "" {
		if zh, ok := verbs[e.Op.EN]; ok {
			return zh
		}
	}
	return e.Op.In("zh")
}

// Text gives the error in both languages, without its hint.
func (e *Error) Text() Text {
	zh := e.operation()
	if e.Subject != "" {
		if zh != "" {
			zh += " "
		}
		zh += e.Subject
	}
	if e.Err != nil {
		if zh != "" {
			zh += "："
		}
		zh += TextOf(e.Err).In("zh")
	}
	if zh == "" {
		zh = e.Kind.String()
	}
	return Text{e.Error(), zh}
}
