package history

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// A point on disk, 40 bytes: version, verdict, scale, one byte unused, the time
// in Unix nanoseconds, then seven figures as 32-bit floats, where NaN is not
// known. All big-endian.
const (
	pointVersion = 1
	pointSize    = 4 + 8 + 7*4
)

// The codes of verdicts and scales on disk are places in these lists: only
// ever append.
var (
	pointVerdicts = []probe.Verdict{"", probe.Good, probe.Degraded, probe.Failed, probe.Untrusted}
	pointScales   = []string{"", "nb", "wb", "fb"}
)

var errPoint = errors.New("not a point")

func (p Point) encode() []byte {
	b := make([]byte, 4, pointSize)
	b[0], b[1], b[2] = pointVersion, place(pointVerdicts, p.Verdict), place(pointScales, p.Scale)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Time.UnixNano()))
	for _, x := range p.figures() {
		v := float32(math.NaN())
		if *x != nil {
			v = float32(**x)
		}
		b = binary.BigEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func decodePoint(b []byte) (Point, error) {
	if len(b) != pointSize || b[0] != pointVersion || int(b[1]) >= len(pointVerdicts) || int(b[2]) >= len(pointScales) {
		return Point{}, errPoint
	}
	p := Point{Time: time.Unix(0, int64(binary.BigEndian.Uint64(b[4:]))).UTC(), Verdict: pointVerdicts[b[1]]}
	p.Scale = pointScales[b[2]]
	for i, x := range p.figures() {
		if v := math.Float32frombits(binary.BigEndian.Uint32(b[12+4*i:])); !math.IsNaN(float64(v)) {
			*x = known(float64(v))
		}
	}
	return p, nil
}

// figures lists the places of the figures in their order on disk.
func (p *Point) figures() []**float64 {
	return []**float64{
		&p.Uplink.MOS, &p.Uplink.Loss, &p.Uplink.Jitter,
		&p.Downlink.MOS, &p.Downlink.Loss, &p.Downlink.Jitter, &p.RTT,
	}
}

// place of x in list; what the list lacks is as the first.
func place[T comparable](list []T, x T) byte {
	for i, y := range list {
		if x == y {
			return byte(i)
		}
	}
	return 0
}
