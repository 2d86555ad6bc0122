package remotewrite

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"

	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	dto "github.com/prometheus/client_model/go"
)

// batch is what one request carries. Its payload is a Request of Remote Write
// 2.0, deflated; a receiver that knows only 1.0 gets it translated.
type batch struct {
	samples int
	at      int64 // of its oldest sample, milliseconds since 1970
	payload []byte
}

// encoder turns series into batches. It belongs to one goroutine.
type encoder struct {
	perBatch int // series in one batch
	symbols  writev2.SymbolsTable
	deflate  *flate.Writer
}

func newEncoder(perBatch int) *encoder {
	deflate, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // only for a level that does not exist
	}
	return &encoder{perBatch: perBatch, symbols: writev2.NewSymbolTable(), deflate: deflate}
}

// encode keeps the order of the series.
func (e *encoder) encode(all []series) ([]batch, error) {
	var out []batch
	for len(all) > 0 {
		n := min(len(all), e.perBatch)
		b, err := e.one(all[:n])
		if err != nil {
			return nil, err
		}
		out = append(out, b)
		all = all[n:]
	}
	return out, nil
}

func (e *encoder) one(all []series) (batch, error) {
	e.symbols.Reset()
	b := batch{samples: len(all), at: all[0].at}
	request := &writev2.Request{Timeseries: make([]*writev2.TimeSeries, len(all))}
	for i, s := range all {
		b.at = min(b.at, s.at)
		request.Timeseries[i] = e.timeSeries(s)
	}
	request.Symbols = e.symbols.Symbols()
	plain, err := request.MarshalVT()
	if err != nil {
		return batch{}, fmt.Errorf("encode samples: %w", err)
	}
	var packed bytes.Buffer
	e.deflate.Reset(&packed)
	e.deflate.Write(plain) // a bytes.Buffer takes everything
	e.deflate.Close()
	b.payload = packed.Bytes()
	return b, nil
}

func (e *encoder) timeSeries(s series) *writev2.TimeSeries {
	out := &writev2.TimeSeries{
		LabelsRefs:       e.symbols.SymbolizeLabels(s.labels, nil),
		CreatedTimestamp: s.created,
		Metadata: &writev2.Metadata{
			Type:    metricType(s.family.GetType()),
			HelpRef: e.symbols.Symbolize(s.family.GetHelp()),
			UnitRef: e.symbols.Symbolize(s.family.GetUnit()),
		},
	}
	if s.native != nil {
		out.Histograms = []*writev2.Histogram{s.native}
	} else {
		out.Samples = []*writev2.Sample{{Value: s.value, Timestamp: s.at}}
	}
	for _, x := range s.exemplars {
		var labels []string
		for _, l := range x.GetLabel() {
			labels = append(labels, l.GetName(), l.GetValue())
		}
		sortPairs(labels)
		out.Exemplars = append(out.Exemplars, &writev2.Exemplar{
			LabelsRefs: e.symbols.SymbolizeLabels(labels, nil),
			Value:      x.GetValue(),
			Timestamp:  x.GetTimestamp().AsTime().UnixMilli(),
		})
	}
	return out
}

func metricType(t dto.MetricType) writev2.Metadata_MetricType {
	switch t {
	case dto.MetricType_COUNTER:
		return writev2.Metadata_METRIC_TYPE_COUNTER
	case dto.MetricType_GAUGE:
		return writev2.Metadata_METRIC_TYPE_GAUGE
	case dto.MetricType_SUMMARY:
		return writev2.Metadata_METRIC_TYPE_SUMMARY
	case dto.MetricType_HISTOGRAM:
		return writev2.Metadata_METRIC_TYPE_HISTOGRAM
	case dto.MetricType_GAUGE_HISTOGRAM:
		return writev2.Metadata_METRIC_TYPE_GAUGEHISTOGRAM
	}
	return writev2.Metadata_METRIC_TYPE_UNSPECIFIED
}

// maxPlain bounds what a batch may inflate to. Batches are of our own making and
// far smaller; a damaged one must not fill the memory.
const maxPlain = 64 << 20

// message returns the Request of Remote Write 2.0 that a payload holds.
func message(payload []byte) ([]byte, error) {
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(payload)), maxPlain))
	if err != nil {
		return nil, fmt.Errorf("inflate a batch: %w", err)
	}
	return plain, nil
}
