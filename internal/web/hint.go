package web

import "strings"

// inFile rewords a hint that names flags of `earshot call` for who keeps an agent's
// configuration: the same settings by the names that they have in its file.
var inFile = strings.NewReplacer(
	"--codec-only", "codec_only",
	"--codec", "codec",
	"--ice-server", "ice_servers",
	"--ice-username", "the username of ice_servers",
	"--ice-password-file", "its password_file",
	"--ca-file", "ca_file",
	"--token-file", "token_file",
	"--username", "username",
	"--password-file", "password_file",
	"--local-address", "local_address",
	"--timeout", "timeout",
).Replace
