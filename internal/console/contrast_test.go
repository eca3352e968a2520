package console

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestContrast holds every colour of text against the grounds on which it stands,
// in both themes and on paper: WCAG 2.2 AA asks for 4.5 to 1, and for 3 to 1 where
// it is a frame, a mark or a fill.
func TestContrast(t *testing.T) {
	b, err := os.ReadFile("assets/app.css")
	if err != nil {
		t.Fatal(err)
	}
	themes := regexp.MustCompile(`:root\{(--bg:[^}]*)\}`).FindAllStringSubmatch(string(b), -1)
	if len(themes) < 3 {
		// Light comes with sizes and ends in a later line; all the same it is one block.
		t.Fatalf("%d themes", len(themes))
	}
	for i, theme := range themes {
		colour := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z]+):(#[0-9a-f]{3,6})`).FindAllStringSubmatch(theme[1], -1) {
			colour[m[1]] = m[2]
		}
		if colour["side"] == "" {
			colour["side"] = colour["bg"] // paper has no frame
		}
		if colour["on"] == "" {
			colour["on"] = "#fff"
		}
		for _, c := range []struct {
			fore, back string
			least      float64
		}{
			{"fg", "bg side card mark tint blush", 4.5}, {"soft", "bg side card mark", 4.5}, {"accent", "bg side card mark tint", 4.5},
			{"bad", "bg card mark blush", 4.5}, {"way", "bg card mark", 4.5}, {"on", "accent", 4.5}, {"gone", "bg card", 3},
		} {
			for back := range strings.FieldsSeq(c.back) {
				if colour[c.fore] == "" || colour[back] == "" {
					t.Errorf("theme %d has no %s or %s", i, c.fore, back)
					continue
				}
				if got := contrast(t, colour[c.fore], colour[back]); got < c.least {
					t.Errorf("theme %d: %s on %s is %.2f to 1, want %.1f", i, c.fore, back, got, c.least)
				}
			}
		}
	}
}

// contrast is the ratio of WCAG's relative luminance.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	hex = hex[1:]
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
