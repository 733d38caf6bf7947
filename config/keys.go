package config

// Keys says where supplier operator keys are. Every node reads its own, so none
// of this is part of the hash.
type Keys struct {
	File      string   `yaml:"keys_file" local:"yes" doc:"keys of 64 hex digits, as a YAML list under keys or one a line; mode 0600; relative to this file"`
	Dir       string   `yaml:"keys_dir" local:"yes" doc:"directory of such files, a Kubernetes secret for example; names that start with a dot are left out; relative to this file"`
	Keyring   Keyring  `yaml:"keyring"`
	Age       Age      `yaml:"age"`
	Mnemonic  Mnemonic `yaml:"mnemonic"`
	Retired   []string `yaml:"retired" local:"yes" doc:"addresses of suppliers that serve no new session; what they served is claimed and proved"`
	HotReload bool     `yaml:"hot_reload_enabled" local:"yes" doc:"look for changes of this section and of the sources; otherwise on SIGHUP only"`
}

// Keyring is a keyring of the cosmos-sdk, as pocketd keeps it.
type Keyring struct {
	Backend        string   `yaml:"backend" local:"yes" doc:"file, os or test; empty: no keyring. Changes of os are seen on SIGHUP only"`
	Dir            string   `yaml:"dir" local:"yes" doc:"home of pocketd, the parent of keyring-file or keyring-test; relative to this file"`
	AppName        string   `yaml:"app_name" local:"yes" doc:"name of the application in an os keyring"`
	KeyNames       []string `yaml:"key_names" local:"yes" doc:"names of the keys; empty: all"`
	PassphraseFile string   `yaml:"passphrase_file" local:"yes" doc:"file with the passphrase; relative to this file"`
	PassphraseEnv  string   `yaml:"passphrase_env" local:"yes" doc:"or the environment variable that has it"`
}

// Age is a keys file that age encrypted.
type Age struct {
	File           string `yaml:"file" local:"yes" doc:"keys file, encrypted with age, armored or not; relative to this file"`
	IdentityFile   string `yaml:"identity_file" local:"yes" doc:"identities that decrypt it; relative to this file"`
	PassphraseFile string `yaml:"passphrase_file" local:"yes" doc:"or a file with its passphrase; relative to this file"`
	PassphraseEnv  string `yaml:"passphrase_env" local:"yes" doc:"or the environment variable that has it"`
}

// Mnemonic derives keys at m/44'/118'/account'/0/index.
type Mnemonic struct {
	File    string `yaml:"file" local:"yes" doc:"file with the 12 to 24 words; relative to this file"`
	First   int    `yaml:"first" local:"yes" doc:"first index"`
	Count   int    `yaml:"count" local:"yes" doc:"how many, at most 100000"`
	Account int    `yaml:"account" local:"yes" doc:"account of the HD path m/44'/118'/account'/0/index"`
}
