package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed assets
var files embed.FS

// asset is one file as it is sent. Its address holds the hash of its content, so
// that browsers keep it for good and never an old one.
type asset struct {
	path         string
	kind         string
	plain, small []byte // small is compressed
}

var kinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// assets are all files by name.
var assets = sync.OnceValue(func() map[string]*asset {
	all := map[string]*asset{}
	list, err := fs.ReadDir(files, "assets")
	if err != nil {
		panic(err) // they are embedded
	}
	for _, f := range list {
		b, err := files.ReadFile("assets/" + f.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(b)
		var small bytes.Buffer
		z, _ := gzip.NewWriterLevel(&small, gzip.BestCompression) // the level is one
		_, _ = z.Write(b)                                         // memory takes it
		_ = z.Close()
		all[f.Name()] = &asset{path: "/assets/" + hex.EncodeToString(sum[:6]) + "/" + f.Name(), kind: kinds[path.Ext(f.Name())], plain: b, small: small.Bytes()}
	}
	return all
})

// assetPath gives the address of a file by its name.
func assetPath(name string) string { return assets()[name].path }

func serveAsset(w http.ResponseWriter, r *http.Request) {
	a := assets()[path.Base(r.URL.Path)]
	if a == nil || a.path != r.URL.Path {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	body := a.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = a.small
	}
	_, _ = w.Write(body) // a browser that has gone has gone
}
