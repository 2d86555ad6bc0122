// Package thread asks the scheduler for favours on behalf of the two threads
// whose lateness is the instrument's own error: the send clock and the reader of
// sockets.
package thread

// Hurry asks the scheduler to run the calling thread soon after it wakes: with a
// short slice (Linux 6.12, any process may), and with the best niceness where
// the process may have it (CAP_SYS_NICE or an RLIMIT_NICE). A wish that is
// refused leaves an ordinary thread; elsewhere than on Linux it does nothing.
//
// The calling goroutine must be locked to its thread, and stay so: the thread
// keeps what it got.
func Hurry() { hurry() }
