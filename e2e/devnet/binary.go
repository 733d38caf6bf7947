package devnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const binaryPackage = "github.com/raftminer/raftminer/cmd/raftminer"

// findBinary takes the binary it was told, else the one next to this
// executable, else builds one from the module we stand in.
func (d *Devnet) findBinary(ctx context.Context) error {
	if d.opts.Binary != "" {
		path, err := filepath.Abs(d.opts.Binary)
		if err != nil {
			return fmt.Errorf("raftminer binary: %w", err)
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("raftminer binary: %w", err)
		}
		d.binary = path
		return nil
	}
	if self, err := os.Executable(); err == nil && d.opts.BuildTags == "" {
		path := filepath.Join(filepath.Dir(self), "raftminer")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			d.binary = path
			return nil
		}
	}
	return d.buildBinary(ctx)
}

func (d *Devnet) buildBinary(ctx context.Context) error {
	d.binary = filepath.Join(d.dir, "bin", "raftminer")
	d.say("building  %s", binaryPackage)
	return BuildBinary(ctx, d.binary, d.opts.BuildTags)
}

// BuildBinary builds raftminer from the module that we stand in. Tests that
// start several devnets build it once, and pass it as Options.Binary.
func BuildBinary(ctx context.Context, path, tags string) error {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return errors.New("no raftminer binary next to devnet, and no go to build one: pass --raftminer-bin")
	}
	out, err := exec.CommandContext(ctx, goTool, "build", "-tags", tags, "-o", path, binaryPackage).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build raftminer (pass --raftminer-bin outside of its source tree): %w\n%s", err, out)
	}
	return nil
}
