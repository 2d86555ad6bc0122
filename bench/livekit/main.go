// Command livekit measures what a received packet costs in LiveKit's receive
// statistics. bench/core runs it; it is a module of its own to keep LiveKit's
// dependencies out of Earshot's.
package main

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/livekit/livekit-server/pkg/sfu/rtpstats"
	"github.com/livekit/protocol/logger"
	"github.com/pion/rtp"
)

func main() {
	packets, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	stats := rtpstats.NewRTPStatsReceiver(rtpstats.RTPStatsParams{})
	stats.SetLogger(logger.GetLogger())
	stats.SetClockRate(8000)
	const stream = 512
	var raw [stream][]byte
	for i := range raw {
		raw[i] = make([]byte, 172)
		raw[i][0] = 0x80
		raw[i][11] = 7
	}
	var n uint32
	var header rtp.Header
	start := time.Now().UnixNano()
	each := func(count int) {
		for range count {
			b := raw[n%stream]
			binary.BigEndian.PutUint16(b[2:], uint16(n))
			binary.BigEndian.PutUint32(b[4:], n*160)
			size, err := header.Unmarshal(b)
			if err != nil {
				panic(err)
			}
			stats.Update(start+int64(n)*20e6, header.SequenceNumber, header.Timestamp, header.Marker, size, len(b)-size, 0)
			n++
		}
	}
	each(stream)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	each(packets)
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	err = json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"Nanoseconds": float64(took.Nanoseconds()) / float64(packets),
		"Allocations": float64(after.Mallocs-before.Mallocs) / float64(packets),
	})
	if err != nil {
		panic(err)
	}
}
