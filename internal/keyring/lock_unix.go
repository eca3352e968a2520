//go:build unix

package keyring

import (
	"os"
	"syscall"
)

// lockFile keeps other processes from the file as long as it is open.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
