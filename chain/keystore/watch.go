package keystore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// watcher looks at files for changes. It polls: notifications miss network file
// systems, and the directories that a Kubernetes secret is swapped with.
type watcher struct {
	acted string // how things were when they were read last
	last  string // how they were at the last look
}

// changed says that the files are not as they were when they were read, and that
// nobody has touched them since the last look: a file is not read half-written.
func (w *watcher) changed(paths []string) bool {
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
		names, err := visible(path)
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
