// Package realpeer is what tests against servers of other makers share: their
// processes, earshot's own as a user has it, and the table that says what was
// found.
//
// The tests are behind the build tag peers, since they need those servers; the
// scripts in .ci/peers install them and run the tests, each in a network
// namespace of its own. EARSHOT names the program to test and ADDRESS an address
// of the namespace that is not loopback: some servers offer none of loopback's.
package realpeer
