package catalog

const groupHistory = "History"

// History is how the store of finished calls is doing, at the time of a scrape.
type History struct {
	Written, Dropped, SetAside int64
	Waiting                    int
	Bytes, Limit               int64
	Writable                   bool
}

// The history on disk.
var (
	HistoryWritten = add(Metric{
		Name: "earshot_history_calls_written_total", Type: Counter, Unit: Calls, Group: groupHistory,
		Help:        "Finished calls that were written to the history on disk.",
		FromHistory: func(h *History, put Put) { put(float64(h.Written)) },
	})
	HistoryDropped = add(Metric{
		Name: "earshot_history_dropped_total", Type: Counter, Unit: Count, Group: groupHistory,
		Help:        "Calls and windows that are not in the history, because it could not be written and too many waited.",
		FromHistory: func(h *History, put Put) { put(float64(h.Dropped)) },
	})
	HistorySetAside = add(Metric{
		Name: "earshot_history_set_aside_total", Type: Counter, Unit: Count, Group: groupHistory,
		Help:        "Files of the history that were damaged and are kept under another name.",
		FromHistory: func(h *History, put Put) { put(float64(h.SetAside)) },
	})
	HistoryWaiting = add(Metric{
		Name: "earshot_history_waiting", Type: Gauge, Unit: Count, Group: groupHistory,
		Help:        "Calls and windows that wait to be written to the history.",
		FromHistory: func(h *History, put Put) { put(float64(h.Waiting)) },
	})
	HistoryBytes = add(Metric{
		Name: "earshot_history_bytes", Type: Gauge, Unit: Bytes, Group: groupHistory,
		Help:        "Size of what the history holds, in bytes.",
		FromHistory: func(h *History, put Put) { put(float64(h.Bytes)) },
	})
	HistoryLimit = add(Metric{
		Name: "earshot_history_limit_bytes", Type: Gauge, Unit: Bytes, Group: groupHistory,
		Help:        "Most that the history may hold, in bytes.",
		FromHistory: func(h *History, put Put) { put(float64(h.Limit)) },
	})
	HistoryWritable = add(Metric{
		Name: "earshot_history_writable", Type: Gauge, Group: groupHistory,
		Help: "1 if the history can be written, 0 if the disk refused it the last time.",
		FromHistory: func(h *History, put Put) {
			if h.Writable {
				put(1)
				return
			}
			put(0)
		},
	})
)
