// Package media says which codecs Earshot calls with and holds what it says in
// a call: about 18 s of synthetic speech, encoded beforehand, frame by frame.
//
// Nothing is encoded during a call, so a frame costs nothing but the copy into
// the packet. No two frames of a clip are alike and pauses carry a low noise
// floor, so a payload that comes back tells by its bytes alone which frame it
// is; see [Clip.Find].
//
// The clips are made by the program in gen (go generate) with espeak-ng, sox
// and opusenc as Debian packages them; clips/manifest.json records what was
// said, the tools, the hashes and the levels. The speech is synthetic, from
// sentences written for Earshot; clips/README.md says why it is free to publish.
package media

//go:generate go run ./gen
