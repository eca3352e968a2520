package journal

import "os"

// Replace lets a test write to another file from now on.
func (j *Journal) Replace(f *os.File) {
	j.file.Close()
	j.file = f
}
