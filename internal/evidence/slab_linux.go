package evidence

import (
	"os"
	"syscall"
	"unsafe"
)

// preferHugePages asks the system to back memory with huge pages. It is only a
// wish: where it cannot be met, nothing changes but speed.
func preferHugePages(b []byte) {
	page := os.Getpagesize()
	if over := int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) % uintptr(page)); over > 0 {
		b = b[min(page-over, len(b)):]
	}
	if b = b[:len(b)/page*page]; len(b) > 0 {
		_ = syscall.Madvise(b, syscall.MADV_HUGEPAGE)
	}
}
