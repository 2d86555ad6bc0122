package remotewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// What a request holds is read here from the published formats alone: the Snappy
// block format, protobuf's encoding, and the two messages of Remote Write. No
// code is shared with what writes them.

// unsnap decodes a Snappy block.
func unsnap(in []byte) ([]byte, error) {
	size, n := binary.Uvarint(in)
	if n <= 0 || size > 64<<20 {
		return nil, errors.New("snappy: bad length")
	}
	in = in[n:]
	out := make([]byte, 0, size)
	take := func(n int) ([]byte, error) {
		if n > len(in) {
			return nil, errors.New("snappy: ends early")
		}
		part := in[:n]
		in = in[n:]
		return part, nil
	}
	for len(in) > 0 {
		tag := in[0]
		in = in[1:]
		var length, offset int
		switch tag & 3 {
		case 0: // literal
			length = int(tag>>2) + 1
			if extra := length - 60; extra > 0 {
				raw, err := take(extra)
				if err != nil {
					return nil, err
				}
				length = int(littleEndian(raw)) + 1
			}
			literal, err := take(length)
			if err != nil {
				return nil, err
			}
			out = append(out, literal...)
			continue
		case 1:
			raw, err := take(1)
			if err != nil {
				return nil, err
			}
			length, offset = int(tag>>2&7)+4, int(tag>>5)<<8|int(raw[0])
		default: // 2 or 4 bytes of offset
			raw, err := take(int(tag&2) + 2*int(tag&1))
			if err != nil {
				return nil, err
			}
			length, offset = int(tag>>2)+1, int(littleEndian(raw))
		}
		if offset == 0 || offset > len(out) {
			return nil, errors.New("snappy: bad offset")
		}
		for range length {
			out = append(out, out[len(out)-offset])
		}
	}
	if len(out) != int(size) {
		return nil, fmt.Errorf("snappy: %d bytes, announced %d", len(out), size)
	}
	return out, nil
}

func littleEndian(raw []byte) (v uint64) {
	for i, b := range raw {
		v |= uint64(b) << (8 * i)
	}
	return v
}

// part is a field of a protobuf message.
type part struct {
	number int
	value  uint64 // varint, fixed64, fixed32
	bytes  []byte
}

func parts(in []byte) (out []part) {
	for len(in) > 0 {
		key, n := binary.Uvarint(in)
		if n <= 0 {
			panic("protobuf: bad key")
		}
		in = in[n:]
		p := part{number: int(key >> 3)}
		switch key & 7 {
		case 0:
			p.value, n = binary.Uvarint(in)
		case 1:
			p.value, n = binary.LittleEndian.Uint64(in), 8
		case 2:
			size, head := binary.Uvarint(in)
			n = head + int(size)
			p.bytes = in[head:n]
		case 5:
			p.value, n = uint64(binary.LittleEndian.Uint32(in)), 4
		default:
			panic("protobuf: bad wire type")
		}
		if n <= 0 {
			panic("protobuf: bad value")
		}
		out, in = append(out, p), in[n:]
	}
	return out
}

// varints reads a packed field.
func varints(in []byte) (out []uint64) {
	for len(in) > 0 {
		v, n := binary.Uvarint(in)
		out, in = append(out, v), in[n:]
	}
	return out
}

func zigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// pushed is one series of a request, as a receiver has it.
type pushed struct {
	series    string // name{label="value",…}, in the order of the request
	at        int64  // milliseconds
	value     float64
	native    *pushedHistogram
	exemplars []pushedExemplar
	created   int64
	metadata  pushedMetadata // of 2.0, where each series has its own
}

type pushedExemplar struct {
	labels string
	value  float64
	at     int64
}

type pushedMetadata struct {
	kind             uint64
	name, help, unit string // name: of the family, in 1.0 alone
}

// pushedHistogram is a native histogram, with the absolute counts of its buckets.
type pushedHistogram struct {
	count, zeroCount uint64
	sum, threshold   float64
	schema           int64
	positive         map[int64]int64 // by index
	negative         map[int64]int64
}

// decode1 reads a prometheus.WriteRequest.
func decode1(in []byte) (out []pushed, about []pushedMetadata) {
	for _, p := range parts(in) {
		switch p.number {
		case 1:
			out = append(out, series1(p.bytes))
		case 3:
			about = append(about, metadata1(p.bytes))
		}
	}
	return out, about
}

func series1(in []byte) (s pushed) {
	var labels []string
	for _, p := range parts(in) {
		switch p.number {
		case 1:
			labels = append(labels, label1(p.bytes)...)
		case 2:
			s.value, s.at = sample(p.bytes)
		case 3:
			e := pushedExemplar{}
			var names []string
			for _, q := range parts(p.bytes) {
				switch q.number {
				case 1:
					names = append(names, label1(q.bytes)...)
				case 2:
					e.value = math.Float64frombits(q.value)
				case 3:
					e.at = int64(q.value)
				}
			}
			e.labels = braces(names)
			s.exemplars = append(s.exemplars, e)
		case 4:
			s.native, s.at = histogram(p.bytes)
		}
	}
	s.series = named(labels)
	return s
}

func label1(in []byte) []string {
	pair := make([]string, 2)
	for _, p := range parts(in) {
		pair[p.number-1] = string(p.bytes)
	}
	return pair
}

func metadata1(in []byte) (m pushedMetadata) {
	for _, p := range parts(in) {
		switch p.number {
		case 1:
			m.kind = p.value
		case 2:
			m.name = string(p.bytes)
		case 4:
			m.help = string(p.bytes)
		case 5:
			m.unit = string(p.bytes)
		}
	}
	return m
}

// decode2 reads an io.prometheus.write.v2.Request.
func decode2(in []byte) (out []pushed) {
	var symbols []string
	for _, p := range parts(in) {
		if p.number == 4 {
			symbols = append(symbols, string(p.bytes))
		}
	}
	if len(symbols) > 0 && symbols[0] != "" {
		panic("the first symbol must be empty")
	}
	resolve := func(packed []byte) (labels []string) {
		for _, ref := range varints(packed) {
			labels = append(labels, symbols[ref])
		}
		return labels
	}
	for _, p := range parts(in) {
		if p.number == 5 {
			out = append(out, series2(p.bytes, symbols, resolve))
		}
	}
	return out
}

func series2(in []byte, symbols []string, resolve func([]byte) []string) (s pushed) {
	for _, p := range parts(in) {
		switch p.number {
		case 1:
			s.series = named(resolve(p.bytes))
		case 2:
			s.value, s.at = sample(p.bytes)
		case 3:
			s.native, s.at = histogram(p.bytes)
		case 4:
			e := pushedExemplar{}
			for _, q := range parts(p.bytes) {
				switch q.number {
				case 1:
					e.labels = braces(resolve(q.bytes))
				case 2:
					e.value = math.Float64frombits(q.value)
				case 3:
					e.at = int64(q.value)
				}
			}
			s.exemplars = append(s.exemplars, e)
		case 5:
			for _, q := range parts(p.bytes) {
				switch q.number {
				case 1:
					s.metadata.kind = q.value
				case 3:
					s.metadata.help = symbols[q.value]
				case 4:
					s.metadata.unit = symbols[q.value]
				}
			}
		case 6:
			s.created = int64(p.value)
		}
	}
	return s
}

func sample(in []byte) (value float64, at int64) {
	for _, p := range parts(in) {
		switch p.number {
		case 1:
			value = math.Float64frombits(p.value)
		case 2:
			at = int64(p.value)
		}
	}
	return value, at
}

func histogram(in []byte) (h *pushedHistogram, at int64) {
	h = &pushedHistogram{positive: map[int64]int64{}, negative: map[int64]int64{}}
	spans := map[int][][]byte{}
	deltas := map[int][]uint64{}
	for _, p := range parts(in) {
		switch p.number {
		case 1:
			h.count = p.value
		case 3:
			h.sum = math.Float64frombits(p.value)
		case 4:
			h.schema = zigzag(p.value)
		case 5:
			h.threshold = math.Float64frombits(p.value)
		case 6:
			h.zeroCount = p.value
		case 8, 11:
			spans[p.number] = append(spans[p.number], p.bytes)
		case 9, 12:
			deltas[p.number-1] = varints(p.bytes)
		case 15:
			at = int64(p.value)
		}
	}
	spread(h.negative, spans[8], deltas[8])
	spread(h.positive, spans[11], deltas[11])
	return h, at
}

// spread turns spans and deltas into counts by bucket.
func spread(into map[int64]int64, spans [][]byte, deltas []uint64) {
	index, count, next := int64(0), int64(0), 0
	for _, raw := range spans {
		length := uint64(0)
		for _, p := range parts(raw) {
			switch p.number {
			case 1:
				index += zigzag(p.value)
			case 2:
				length = p.value
			}
		}
		for range length {
			count += zigzag(deltas[next])
			into[index] = count
			next, index = next+1, index+1
		}
	}
}

// named writes labels as name{label="value",…}. They must be sorted by name.
func named(labels []string) string {
	name, rest := "", []string{}
	for i := 0; i < len(labels); i += 2 {
		if i > 0 && labels[i] <= labels[i-2] {
			panic("labels are not sorted: " + strings.Join(labels, " "))
		}
		if labels[i] == "__name__" {
			name = labels[i+1]
			continue
		}
		rest = append(rest, labels[i], labels[i+1])
	}
	return name + braces(rest)
}

func braces(pairs []string) string {
	var all []string
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, pairs[i]+"="+strconv.Quote(pairs[i+1]))
	}
	slices.Sort(all)
	if len(all) == 0 {
		return ""
	}
	return "{" + strings.Join(all, ",") + "}"
}
