//go:build !linux

package evidence

func preferHugePages([]byte) {}
