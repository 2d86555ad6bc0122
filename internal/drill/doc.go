// Package drill breaks calls on purpose and by a script, so that a team sees
// its alerts fire before it trusts them. Most people would call it a fire drill.
//
// A [Scenario] says what is wrong when, and which alerts are expected by when.
// [Run] makes an echo endpoint follow it, watches a Prometheus or an
// Alertmanager, and returns for each expected alert when it fired.
package drill
