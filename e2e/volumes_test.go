package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// volumes give every miner a small filesystem of its own for its data directory: an
// image file on a loop device, which can be filled up, or frozen so that writes
// hang. It takes root, and loop devices.
type volumes struct {
	t      *testing.T
	images string

	mu     sync.Mutex
	at     map[string]string // where a miner's is mounted
	frozen map[string]bool
}

const volumeSize = "24M"

func newVolumes(t *testing.T) *volumes {
	t.Helper()
	v := &volumes{t: t, images: t.TempDir(), at: make(map[string]string), frozen: make(map[string]bool)}
	t.Cleanup(v.unmount)
	return v
}

// edit mounts a volume where the miner's data will be.
func (v *volumes) edit(name string, config map[string]any) {
	if !strings.HasPrefix(name, "miner") {
		return
	}
	dir, image := config["miner"].(map[string]any)["data_dir"].(string), filepath.Join(v.images, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		v.t.Fatal(err)
	}
	v.run("truncate", "--size", volumeSize, image)
	v.run("mkfs.ext4", "-q", "-m", "0", image)
	v.run("mount", "-o", "loop", image, dir)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at[name] = dir
}

func (v *volumes) run(name string, args ...string) {
	v.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		v.t.Fatalf("%s %s: %v: %s (this test mounts loop devices: it needs root)", name, strings.Join(args, " "), err, out)
	}
}

// fill takes all the space that is left.
func (v *volumes) fill(miner string) {
	v.t.Helper()
	f, err := os.Create(filepath.Join(v.at[miner], "ballast"))
	if err != nil {
		v.t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		v.t.Fatal(err)
	}
}

// empty gives it back.
func (v *volumes) empty(miner string) { remove(v.t, filepath.Join(v.at[miner], "ballast")) }

// freeze makes writes hang until thaw.
func (v *volumes) freeze(miner string) {
	v.t.Helper()
	v.mu.Lock()
	v.frozen[miner] = true
	v.mu.Unlock()
	v.run("fsfreeze", "--freeze", v.at[miner])
}

func (v *volumes) thaw(miner string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.frozen[miner] {
		delete(v.frozen, miner)
		_ = exec.Command("fsfreeze", "--unfreeze", v.at[miner]).Run() // it shows: nothing goes on
	}
}

func (v *volumes) thawAll() {
	for _, miner := range miners {
		v.thaw(miner)
	}
}

func (v *volumes) unmount() {
	for _, dir := range v.at {
		_ = exec.Command("umount", dir).Run()
	}
}
