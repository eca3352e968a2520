package main

import (
	"context"
	"io"
	"strings"
)

// apiKeyVariable holds the key with which a server is asked, so that it stands in
// no list of processes.
const apiKeyVariable = "DAOZHANG_API_KEY"

// traceServer prints one payment's answer card as a server gives it.
func (m *Main) traceServer(ctx context.Context, server, ref, out, form string) error {
	asked := m.asking(server)
	body, err := asked.Whereabouts(ctx, strings.TrimSpace(ref), form != "ndjson")
	if err != nil {
		return err
	}
	return m.deliver(out, func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	})
}
