package config

import (
	"fmt"
	"os"
	"path/filepath"
)

// Load reads the file at path for a role. The error is Problems when the file
// could be read but not used.
func Load(path string, role Role) (*Config, error) {
	bz, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return parse(path, bz, role)
}

// parse decodes what it can and collects everything that is wrong.
func parse(path string, bz []byte, role Role) (*Config, error) {
	cfg := Default()
	d := decodeFile(path, bz, &cfg)
	if d.body == nil && len(d.problems) > 0 {
		return nil, d.problems // no syntax tree, so nothing to check
	}
	cfg.resolve(filepath.Dir(path))
	v := &validator{decoder: d, cfg: &cfg, role: role}
	v.validate()
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return &cfg, nil
}

// resolve completes what depends on the file's place and on other keys.
func (c *Config) resolve(dir string) {
	c.Miner.DataDir = relativeTo(dir, c.Miner.DataDir)
	c.Relayer.Spool.Dir = relativeTo(dir, c.Relayer.Spool.Dir)
	for _, file := range []*string{
		&c.Keys.File, &c.Keys.Dir, &c.Keys.Keyring.Dir, &c.Keys.Keyring.PassphraseFile,
		&c.Keys.Age.File, &c.Keys.Age.IdentityFile, &c.Keys.Age.PassphraseFile, &c.Keys.Mnemonic.File,
		&c.Miner.Raft.TLS.CA, &c.Miner.Raft.TLS.Cert, &c.Miner.Raft.TLS.Key,
		&c.Redis.TLS.CA, &c.Redis.TLS.Cert, &c.Redis.TLS.Key,
		&c.Relayer.TLS.Cert, &c.Relayer.TLS.Key,
	} {
		*file = relativeTo(dir, *file)
	}
	for i := range c.Relayer.Listeners {
		files := &c.Relayer.Listeners[i].TLS
		files.Cert, files.Key = relativeTo(dir, files.Cert), relativeTo(dir, files.Key)
	}
	if c.Miner.Raft.Advertise == "" {
		c.Miner.Raft.Advertise = c.Miner.Raft.Bind
	}
	for id, s := range c.Services {
		s.resolve()
		c.Services[id] = s
	}
}

// resolve picks the backend of requests that name no RPC type: JSON-RPC, or the
// only one there is.
func (s *Service) resolve() {
	if s.DefaultBackend != "" {
		return
	}
	if _, ok := s.Backends[defaultBackend]; ok {
		s.DefaultBackend = defaultBackend
		return
	}
	if len(s.Backends) == 1 {
		for name := range s.Backends {
			s.DefaultBackend = name
		}
	}
}

func relativeTo(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
