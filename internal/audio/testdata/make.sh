#!/usr/bin/env bash
# Makes the oracles of this folder again, with programs that share no code with
# Earshot (Debian 12):
#
#	apt-get install sox opus-tools ffmpeg
#	bash internal/audio/testdata/make.sh
#
# mu.s16, a.s16   what sox makes of the 256 codes of G.711
# opus/*.opus     a second of speech in each mode of Opus, by opusenc
# opus/*.s16      the first 0.3 s of it (dtx: 1.2 s) as opusdec decodes it, 48 kHz mono
# altered/*.raw   6 s of the clip through other codecs, in mu-law
# ../../farend/voice/gateway.opus: two rounds of the clip through G.711 and into Opus again
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clip=../../media/clips/pcmu.raw
pcm=(-t raw -e signed -b 16 -L)

for i in $(seq 0 255); do printf "\\x$(printf %02x "$i")"; done >"$work/codes"
sox -t ul -r 8000 -c 1 "$work/codes" "${pcm[@]}" mu.s16
sox -t al -r 8000 -c 1 "$work/codes" "${pcm[@]}" a.s16

mkdir -p opus altered
sox -D -t ul -r 8000 -c 1 "$clip" -b 16 "$work/speech.wav" rate -v 48000 trim 1 1
sox -D "$work/speech.wav" "$work/pausing.wav" trim 0 0.6 pad 0 1
sox -D "$work/speech.wav" -c 2 "$work/stereo.wav" remix 1 1v0.3
mode() { # name, input, seconds, opusenc's arguments...
	local name=$1 in=$2 seconds=$3
	shift 3
	opusenc --quiet --serial 1 "$@" "$work/$in.wav" "opus/$name.opus"
	opusdec --quiet --rate 48000 --no-dither "opus/$name.opus" "$work/decoded.wav"
	sox -D "$work/decoded.wav" "${pcm[@]}" "opus/$name.s16" remix - trim 0 "$seconds"
}
# libopus controls: 4000=2048 VOIP, 4004 the largest bandwidth (1101 NB, 1103 WB,
# 1104 SWB, 1105 FB), 4016 DTX.
mode silk_nb_20ms speech 0.3 --bitrate 10 --speech --set-ctl-int 4000=2048 --set-ctl-int 4004=1101
mode silk_wb_60ms speech 0.3 --bitrate 18 --speech --framesize 60 --set-ctl-int 4000=2048 --set-ctl-int 4004=1103
mode hybrid_swb_20ms speech 0.3 --bitrate 32 --speech --set-ctl-int 4000=2048 --set-ctl-int 4004=1104
mode hybrid_fb_10ms speech 0.3 --bitrate 40 --speech --framesize 10 --set-ctl-int 4000=2048
mode celt_fb_10ms speech 0.3 --bitrate 96 --music --framesize 10
mode celt_stereo_20ms stereo 0.3 --bitrate 64 --music
mode dtx_wb_20ms pausing 1.2 --bitrate 16 --speech --set-ctl-int 4000=2048 --set-ctl-int 4004=1103 --set-ctl-int 4016=1

through() { # name, file suffix, ffmpeg's encoder...
	local name=$1 suffix=$2
	shift 2
	ffmpeg -v error -y -i "$work/whole.wav" "$@" "$work/x.$suffix"
	ffmpeg -v error -y -i "$work/x.$suffix" -ar 8000 "$work/back.wav"
	sox -D "$work/back.wav" -t ul "altered/$name.raw" trim 0 6
}
sox -D -t ul -r 8000 -c 1 "$clip" -b 16 -e signed "$work/whole.wav"
through gsm gsm -c:a libgsm
through g726_16 wav -c:a g726 -b:a 16k
through g723_1 nut -c:a g723_1 -b:a 6300
through opus_6 opus -ar 48000 -c:a libopus -b:a 6k -application voip
through speex_4 spx -c:a libspeex -b:a 4k

sox -D "$work/whole.wav" "$work/whole.wav" "$work/twice.wav" rate -v 48000
opusenc --quiet --serial 1 --bitrate 12 --speech --set-ctl-int 4000=2048 --set-ctl-int 4004=1103 "$work/twice.wav" ../../farend/voice/gateway.opus
