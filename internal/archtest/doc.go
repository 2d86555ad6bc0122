// Package archtest holds the rules of the source tree and the tests that keep
// them: who may import whom, which package uses which module, what the public
// packages show. Nobody imports it.
//
// The rules are plain data in rules_test.go, each with its reason. A new
// package or module fails here until it has a row there; docs/architecture.md
// shows the same table to readers, and a test compares the two.
package archtest
