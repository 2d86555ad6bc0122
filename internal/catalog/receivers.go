package catalog

import "time"

const groupReceivers = "Remote write"

// Receiver is a receiver that metrics are pushed to, and what became of the
// samples since the start.
type Receiver struct {
	Name     string
	Protocol string // version in use

	Collected, Sent            int64
	Rejected, Dropped, Damaged int64 // lost
	Retries                    int64 // requests

	Backlog                    int64 // samples
	BacklogBytes, BacklogLimit int64
	Oldest                     time.Time // of the backlog; zero: nothing waits
	LastSent                   time.Time // zero: never
}

// What is pushed. Of the samples collected, all are sent, lost, or wait.
var (
	RemoteWriteCollected = add(Metric{
		Name: "earshot_remote_write_samples_collected_total", Type: Counter, Unit: Count, Group: groupReceivers, Labels: []string{"receiver"},
		Help:         "Samples put into the queue for a receiver.",
		FromReceiver: func(r *Receiver, put Put) { put(float64(r.Collected), r.Name) },
	})
	RemoteWriteSent = add(Metric{
		Name: "earshot_remote_write_samples_sent_total", Type: Counter, Unit: Count, Group: groupReceivers, Labels: []string{"receiver"},
		Help:         "Samples that a receiver took.",
		FromReceiver: func(r *Receiver, put Put) { put(float64(r.Sent), r.Name) },
	})
	RemoteWriteLost = add(Metric{
		Name: "earshot_remote_write_samples_lost_total", Type: Counter, Unit: Count, Group: groupReceivers, Labels: []string{"receiver", "reason"},
		Help: "Samples that never reached a receiver: rejected by it, the oldest of a full queue, or damaged on disk.",
		FromReceiver: func(r *Receiver, put Put) {
			put(float64(r.Rejected), r.Name, "rejected")
			put(float64(r.Dropped), r.Name, "full")
			put(float64(r.Damaged), r.Name, "damaged")
		},
	})
	RemoteWriteRetries = add(Metric{
		Name: "earshot_remote_write_retries_total", Type: Counter, Unit: Count, Group: groupReceivers, Labels: []string{"receiver"},
		Help:         "Requests to a receiver that failed and were tried again.",
		FromReceiver: func(r *Receiver, put Put) { put(float64(r.Retries), r.Name) },
	})
	RemoteWriteBacklog = add(Metric{
		Name: "earshot_remote_write_backlog_samples", Type: Gauge, Unit: Count, Group: groupReceivers, Labels: []string{"receiver"},
		Help:         "Samples that wait for a receiver.",
		FromReceiver: func(r *Receiver, put Put) { put(float64(r.Backlog), r.Name) },
	})
	RemoteWriteBacklogBytes = add(Metric{
		Name: "earshot_remote_write_backlog_bytes", Type: Gauge, Unit: Bytes, Group: groupReceivers, Labels: []string{"receiver"},
		Help:         "Bytes that the samples take that wait for a receiver.",
		FromReceiver: func(r *Receiver, put Put) { put(float64(r.BacklogBytes), r.Name) },
	})
	RemoteWriteBacklogLimit = add(Metric{
		Name: "earshot_remote_write_backlog_limit_bytes", Type: Gauge, Unit: Bytes, Group: groupReceivers, Labels: []string{"receiver"},
		Help:         "Bytes from which on the oldest samples that wait for a receiver are dropped.",
		FromReceiver: func(r *Receiver, put Put) { put(float64(r.BacklogLimit), r.Name) },
	})
	RemoteWriteBacklogAge = add(Metric{
		Name: "earshot_remote_write_backlog_age_seconds", Type: Gauge, Unit: Seconds, Group: groupReceivers, Labels: []string{"receiver"},
		Help: "Age of the oldest sample that waits for a receiver, in seconds; 0 when none does.",
		FromReceiver: func(r *Receiver, put Put) {
			age := 0.0
			if !r.Oldest.IsZero() {
				age = max(0, time.Since(r.Oldest).Seconds())
			}
			put(age, r.Name)
		},
	})
	RemoteWriteLastSent = add(Metric{
		Name: "earshot_remote_write_last_sent_timestamp_seconds", Type: Gauge, Unit: Timestamp, Group: groupReceivers, Labels: []string{"receiver"},
		Help: "When a receiver last took samples, in seconds since 1970. Absent until it did.",
		FromReceiver: func(r *Receiver, put Put) {
			if !r.LastSent.IsZero() {
				put(float64(r.LastSent.UnixMilli())/1000, r.Name)
			}
		},
	})
	RemoteWriteProtocol = add(Metric{
		Name: "earshot_remote_write_protocol", Type: Gauge, Group: groupReceivers, Labels: []string{"receiver", "protocol"},
		Help:         "1 for the version of the protocol that a receiver is spoken to in.",
		FromReceiver: func(r *Receiver, put Put) { put(1, r.Name, r.Protocol) },
	})
)
