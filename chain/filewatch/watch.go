package filewatch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Watcher looks at files, and at the files in directories, for changes. It polls:
// notifications miss network file systems, and the directories that a Kubernetes
// secret is swapped with. The zero value has read nothing yet. One goroutine at a
// time may use it.
type Watcher struct {
	acted string // how things were when they were read last
	last  string // how they were at the last look
}

// Read says that the files are read now, before they are.
func (w *Watcher) Read(paths []string) { w.acted = fingerprint(paths) }

// Again has them be taken for changed at the next look: they could not be read.
func (w *Watcher) Again() { w.acted = "" }

// Changed says that the files are not as they were when they were read, and that
// nobody has touched them since the last look: a file is not read half-written. They
// are taken for read then.
func (w *Watcher) Changed(paths []string) bool {
	now := fingerprint(paths)
	calm := now == w.last
	w.last = now
	if !calm || now == w.acted {
		return false
	}
	w.acted = now
	return true
}

// fingerprint tells files apart, and what is in directories, through links.
func fingerprint(paths []string) string {
	var b strings.Builder
	for _, path := range paths {
		info, err := os.Stat(path)
		describe(&b, path, info, err)
		if err != nil || !info.IsDir() {
			continue
		}
		names, err := Visible(path)
		if err != nil {
			fmt.Fprintf(&b, "%v\n", err)
		}
		for _, name := range names {
			file := filepath.Join(path, name)
			info, err := os.Stat(file)
			describe(&b, file, info, err)
		}
	}
	return b.String()
}

func describe(b *strings.Builder, path string, info os.FileInfo, err error) {
	if err != nil {
		fmt.Fprintf(b, "%s %v\n", path, err)
		return
	}
	var inode uint64
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = stat.Ino
	}
	fmt.Fprintf(b, "%s %d %d %d %o\n", path, inode, info.Size(), info.ModTime().UnixNano(), info.Mode())
}

// Visible are the names of the files in dir that count, in order. Those with a dot in
// front do not: Kubernetes links the files of a secret to ..data, and editors hide
// what is not finished.
func Visible(dir string) (names []string, err error) {
	list, err := os.ReadDir(dir)
	for _, each := range list {
		if !each.IsDir() && !strings.HasPrefix(each.Name(), ".") {
			names = append(names, each.Name())
		}
	}
	return names, err
}
