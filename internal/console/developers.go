package console

import (
	"context"

	"daozhang/internal/access"
	"daozhang/internal/notify"
)

// Developers is what the pages of developers show and change.
type Developers struct {
	Notifier *notify.Notifier
	Keys     access.Keys
	// Calls gives the last requests of a key, or with "" of all, the newest first.
	Calls CallLog
}

// CallLog is the log of what programs asked.
type CallLog interface {
	RecentCalls(ctx context.Context, key string, most int) ([]access.Call, error)
}
