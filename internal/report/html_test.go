package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"daozhang/internal/report"
)

func TestHTML(t *testing.T) {
	a := shop(t)
	for _, lang := range []string{"en", "zh"} {
		got := string(write(t, "html", a, report.Options{Lang: lang}))
		golden(t, "page."+lang+".html", []byte(got))
		if !strings.Contains(got, `<html lang="`+lang+`">`) {
			t.Error("the page's language is not the reader's")
		}
		for _, no := range []string{"<script", "http://", "https://", "src=", "url(", "@import", "<b>A&B", "6222020200001234", "{{", "ZgotmplZ", "<no value>"} {
			if strings.Contains(strings.ReplaceAll(got, "http://x", ""), no) {
				t.Errorf("the page holds %q", no)
			}
		}
		for _, want := range []string{"&lt;b&gt;A&amp;B|1&lt;/b&gt;", "prefers-color-scheme:dark", "<main", "<nav", `scope="col"`, "<svg"} {
			if !strings.Contains(got, want) {
				t.Errorf("the page has no %q", want)
			}
		}
		ids := map[string]bool{}
		for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(got, -1) {
			if ids[m[1]] {
				t.Errorf("two elements are called %s", m[1])
			}
			ids[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`(?:href="#|for="|aria-labelledby=")([^"]+)"`).FindAllStringSubmatch(got, -1) {
			if !ids[m[1]] {
				t.Errorf("a link leads to %s, which is not there", m[1])
			}
		}
	}
}

// Every picture is well-formed, and its tags and those of the page are closed.
func TestHTMLPictures(t *testing.T) {
	got := write(t, "html", shop(t), report.Options{Lang: "en"})
	pictures := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAll(got, -1)
	if len(pictures) != 6 {
		t.Errorf("%d pictures for three currencies, want two of each", len(pictures))
	}
	for _, p := range pictures {
		dec := xml.NewDecoder(bytes.NewReader(p))
		for {
			if _, err := dec.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in %s", err, p)
			}
		}
	}
	for _, tag := range []string{"section", "details", "table", "tr", "div", "span", "dl", "ul", "p", "main", "header"} {
		open := len(regexp.MustCompile(`<`+tag+`[ >]`).FindAll(got, -1))
		if shut := bytes.Count(got, []byte("</"+tag+">")); open != shut {
			t.Errorf("%d <%s> are opened, %d closed", open, tag, shut)
		}
	}
}
