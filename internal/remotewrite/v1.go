package remotewrite

import (
	"fmt"
	"math"
	"strings"

	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of prometheus.WriteRequest, the message of Remote Write 1.0.
// Samples and histograms are the same messages in both versions.
const (
	v1Timeseries protowire.Number = 1
	v1Metadata   protowire.Number = 3

	v1Labels     protowire.Number = 1
	v1Samples    protowire.Number = 2
	v1Exemplars  protowire.Number = 3
	v1Histograms protowire.Number = 4

	v1LabelName  protowire.Number = 1
	v1LabelValue protowire.Number = 2

	v1ExemplarLabels protowire.Number = 1
	v1ExemplarValue  protowire.Number = 2
	v1ExemplarAt     protowire.Number = 3

	v1MetadataType protowire.Number = 1
	v1MetadataName protowire.Number = 2
	v1MetadataHelp protowire.Number = 4
	v1MetadataUnit protowire.Number = 5
)

// toV1 translates a Request of Remote Write 2.0 into the message of 1.0. Start
// times are left out, which 1.0 has no place for.
func toV1(message []byte) ([]byte, error) {
	var request writev2.Request
	if err := request.UnmarshalVT(message); err != nil {
		return nil, fmt.Errorf("decode a batch: %w", err)
	}
	t := translation{symbols: request.GetSymbols(), described: map[string]bool{}}
	out := make([]byte, 0, 4*len(message))
	for _, s := range request.GetTimeseries() {
		one, err := t.timeSeries(s)
		if err != nil {
			return nil, fmt.Errorf("translate a series to Remote Write 1.0: %w", err)
		}
		out = field(out, v1Timeseries, one)
	}
	return append(out, t.metadata...), nil
}

// translation holds what the series of one message share.
type translation struct {
	symbols   []string
	described map[string]bool // families
	metadata  []byte          // fields of the message
}

func (t *translation) timeSeries(s *writev2.TimeSeries) ([]byte, error) {
	out, err := t.labels(nil, v1Labels, s.GetLabelsRefs())
	if err != nil {
		return nil, err
	}
	for _, one := range s.GetSamples() {
		plain, err := one.MarshalVT()
		if err != nil {
			return nil, err
		}
		out = field(out, v1Samples, plain)
	}
	for _, one := range s.GetExemplars() {
		plain, err := t.labels(nil, v1ExemplarLabels, one.GetLabelsRefs())
		if err != nil {
			return nil, err
		}
		plain = protowire.AppendTag(plain, v1ExemplarValue, protowire.Fixed64Type)
		plain = protowire.AppendFixed64(plain, math.Float64bits(one.GetValue()))
		plain = protowire.AppendTag(plain, v1ExemplarAt, protowire.VarintType)
		plain = protowire.AppendVarint(plain, uint64(one.GetTimestamp()))
		out = field(out, v1Exemplars, plain)
	}
	for _, one := range s.GetHistograms() {
		plain, err := one.MarshalVT()
		if err != nil {
			return nil, err
		}
		out = field(out, v1Histograms, plain)
	}
	return out, t.describe(s)
}

func (t *translation) labels(out []byte, number protowire.Number, refs []uint32) ([]byte, error) {
	for i := 0; i+1 < len(refs); i += 2 {
		name, err := t.symbol(refs[i])
		if err != nil {
			return nil, err
		}
		value, err := t.symbol(refs[i+1])
		if err != nil {
			return nil, err
		}
		out = field(out, number, text(text(nil, v1LabelName, name), v1LabelValue, value))
	}
	return out, nil
}

// describe adds the metadata of the family that a series belongs to, once.
func (t *translation) describe(s *writev2.TimeSeries) error {
	family, err := t.family(s)
	if err != nil || t.described[family] {
		return err
	}
	t.described[family] = true
	help, err := t.symbol(s.GetMetadata().GetHelpRef())
	if err != nil {
		return err
	}
	unit, err := t.symbol(s.GetMetadata().GetUnitRef())
	if err != nil {
		return err
	}
	plain := protowire.AppendTag(nil, v1MetadataType, protowire.VarintType)
	plain = protowire.AppendVarint(plain, uint64(s.GetMetadata().GetType()))
	plain = text(plain, v1MetadataName, family)
	plain = text(plain, v1MetadataHelp, help)
	plain = text(plain, v1MetadataUnit, unit)
	t.metadata = field(t.metadata, v1Metadata, plain)
	return nil
}

// family is the name of the family of a series: that of the series without what
// a histogram or summary puts behind it.
func (t *translation) family(s *writev2.TimeSeries) (string, error) {
	refs := s.GetLabelsRefs()
	name := ""
	for i := 0; i+1 < len(refs); i += 2 {
		label, err := t.symbol(refs[i])
		if err != nil {
			return "", err
		}
		if label != "__name__" {
			continue
		}
		if name, err = t.symbol(refs[i+1]); err != nil {
			return "", err
		}
	}
	switch s.GetMetadata().GetType() {
	case writev2.Metadata_METRIC_TYPE_HISTOGRAM, writev2.Metadata_METRIC_TYPE_GAUGEHISTOGRAM, writev2.Metadata_METRIC_TYPE_SUMMARY:
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if cut, had := strings.CutSuffix(name, suffix); had {
				return cut, nil
			}
		}
	}
	return name, nil
}

func (t *translation) symbol(ref uint32) (string, error) {
	if int(ref) >= len(t.symbols) {
		return "", fmt.Errorf("symbol %d of %d", ref, len(t.symbols))
	}
	return t.symbols[ref], nil
}

// field appends a field that holds a message.
func field(out []byte, number protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), message)
}

// text appends a field that holds a string, unless it is empty.
func text(out []byte, number protowire.Number, s string) []byte {
	if s == "" {
		return out
	}
	return protowire.AppendString(protowire.AppendTag(out, number, protowire.BytesType), s)
}
