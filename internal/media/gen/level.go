package main

import (
	"encoding/binary"
	"math"
)

// The constants of ITU-T P.56, method B.
const (
	thresholds = 15   // one per bit of a 16-bit sample
	smoothing  = 0.03 // seconds
	hangover   = 0.2  // seconds
	margin     = 15.9 // dB between the active level and its threshold
)

// speechLevel is the active speech level of ITU-T P.56 method B in dBov
// (0 dBov: a full-scale square wave) and the share of time with speech.
// Full scale of samples is 1.
func speechLevel(samples []float64, rate int) (dbov, activity float64) {
	var (
		g       = math.Exp(-1 / (float64(rate) * smoothing))
		hang    = int(hangover * float64(rate))
		p, q    float64
		energy  float64
		active  [thresholds]int
		inHang  [thresholds]int
		cut     [thresholds]float64
		toLevel = func(power float64) float64 { return 10 * math.Log10(power) }
	)
	for j := range cut {
		cut[j] = math.Ldexp(1, j-15)
		inHang[j] = hang
	}
	for _, s := range samples {
		energy += s * s
		p = g*p + (1-g)*math.Abs(s)
		q = g*q + (1-g)*p
		for j := range cut {
			switch {
			case q >= cut[j]:
				active[j]++
				inHang[j] = 0
			case inHang[j] < hang:
				active[j]++
				inHang[j]++
			}
		}
	}
	// The active level falls and the threshold rises with j; the level is
	// read where they are margin apart, between two thresholds by straight line.
	var lastLevel, lastOver float64
	for j := range cut {
		if active[j] == 0 {
			break
		}
		level := toLevel(energy / float64(active[j]))
		over := level - 20*math.Log10(cut[j]) - margin
		if over <= 0 && j > 0 {
			dbov = lastLevel + (level-lastLevel)*lastOver/(lastOver-over)
			return dbov, energy / math.Pow(10, dbov/10) / float64(len(samples))
		}
		lastLevel, lastOver = level, over
	}
	return math.Inf(-1), 0
}

// frameLevels describes each frame of a loop of samples in four bytes, high byte
// first: its level below overload in hundredths of a decibel, and how many
// ten-thousandths of it are active, which is where the speech is louder than
// the threshold that belongs to the loop's active level. The second round of the
// loop counts, so that its seam is like any other place.
func frameLevels(samples []float64, rate int, active float64) []byte {
	var (
		size      = int(math.Round(float64(rate) * frame))
		g         = math.Exp(-1 / (float64(rate) * smoothing))
		hang      = int(hangover * float64(rate))
		threshold = math.Pow(10, (active-margin)/20)
		p, q      float64
		since     = hang
		table     []byte
	)
	for round := range 2 {
		for start := 0; start < len(samples); start += size {
			var square float64
			count := 0
			for _, s := range samples[start : start+size] {
				square += s * s
				p = g*p + (1-g)*math.Abs(s)
				q = g*q + (1-g)*p
				if since++; q >= threshold {
					since = 0
				}
				if since <= hang {
					count++
				}
			}
			if round == 0 {
				continue
			}
			level := -1000 * math.Log10(square/float64(size))
			share := 10000 * float64(count) / float64(size)
			table = binary.BigEndian.AppendUint16(table, uint16(math.Round(min(max(level, 0), math.MaxUint16))))
			table = binary.BigEndian.AppendUint16(table, uint16(math.Round(share)))
		}
	}
	return table
}
