package probe

// Code names a failure. Codes are stable; each has a test that provokes it.
type Code string

// The failure codes, by layer.
const (
	CodeNameNotFound   Code = "name_not_found"
	CodeResolveTimeout Code = "resolve_timeout"
	CodeResolveFailed  Code = "resolve_failed"

	CodeConnectRefused     Code = "connect_refused"
	CodeConnectTimeout     Code = "connect_timeout"
	CodeConnectUnreachable Code = "connect_unreachable"

	CodeTLSExpired          Code = "tls_certificate_expired"
	CodeTLSWrongName        Code = "tls_certificate_wrong_name"
	CodeTLSUnknownAuthority Code = "tls_unknown_authority"
	CodeTLSRefused          Code = "tls_refused"
	CodeTLSTimeout          Code = "tls_timeout"

	CodeUnauthorized  Code = "signaling_unauthorized"
	CodeNotFound      Code = "signaling_not_found"
	CodeUnavailable   Code = "signaling_unavailable"
	CodeRefused       Code = "signaling_refused"
	CodeRedirected    Code = "signaling_redirected"
	CodeBadAnswer     Code = "signaling_bad_answer"
	CodeNoAnswer      Code = "signaling_no_answer"
	CodeSignalingLost Code = "signaling_connection_lost"
	CodeNoCommonCodec Code = "signaling_no_common_codec"
	CodeNotAcceptable Code = "signaling_not_acceptable"
	CodeBusy          Code = "signaling_busy"
	CodeDeclined      Code = "signaling_declined"
	CodeNobodyThere   Code = "signaling_nobody_there"
	CodeDropped       Code = "signaling_connection_dropped"

	CodeNoCandidate Code = "gather_no_candidate"
	CodeNoRelay     Code = "gather_no_relay"

	// At gather or ICE, whichever broke for it.
	CodeSTUNNoResponse          Code = "stun_no_response"
	CodeTURNNotFound            Code = "turn_name_not_found"
	CodeTURNUnreachable         Code = "turn_unreachable"
	CodeTURNNoResponse          Code = "turn_no_response"
	CodeTURNUnauthorized        Code = "turn_unauthorized"
	CodeTURNQuota               Code = "turn_quota"
	CodeTURNRefused             Code = "turn_refused"
	CodeTURNPeerRefused         Code = "turn_peer_refused"
	CodeTURNLost                Code = "turn_lost"
	CodeTURNTLSExpired          Code = "turn_tls_certificate_expired"
	CodeTURNTLSWrongName        Code = "turn_tls_certificate_wrong_name"
	CodeTURNTLSUnknownAuthority Code = "turn_tls_unknown_authority"
	CodeTURNTLSRefused          Code = "turn_tls_refused"
	CodeTURNTLSTimeout          Code = "turn_tls_timeout"

	CodeNoPair      Code = "ice_no_pair"
	CodeConsentLost Code = "ice_consent_lost"

	CodeFingerprint Code = "dtls_fingerprint_mismatch"
	CodeDTLSSilent  Code = "dtls_no_response"
	CodeDTLSFailed  Code = "dtls_failed"

	CodeNoMedia      Code = "media_none"
	CodeOneWay       Code = "media_one_way"
	CodeMediaStopped Code = "media_stopped"
	CodeOtherCodec   Code = "media_other_codec"
	CodeRemoteHangup Code = "media_remote_hangup"

	CodeSilent       Code = "audio_silent"
	CodeComfortNoise Code = "audio_comfort_noise"
	CodeWrongContent Code = "audio_wrong_content"
	CodeAudioStopped Code = "audio_stopped"

	CodeCanceled Code = "canceled"
	CodeTimeout  Code = "call_timeout"
	CodeInternal Code = "internal_error"
)

// explanation is what a person is told about a code.
type explanation struct {
	meaning string // what happened, in words that can be read aloud after "failed at …:"
	hint    string // the next thing to do
}

// explanations has an entry for every code.
var explanations = map[Code]explanation{
	CodeNameNotFound: {
		"the host name does not exist",
		"check the spelling of the host name, and on this host: getent hosts NAME",
	},
	CodeResolveTimeout: {
		"the DNS server does not answer",
		"the DNS server does not answer from here; check /etc/resolv.conf and the path to it",
	},
	CodeResolveFailed: {
		"the DNS server answered with an error",
		"the DNS server answered with an error; ask its operator, or try another resolver",
	},
	CodeConnectRefused: {
		"nothing listens on that port",
		"nothing listens on that port; check the port number and whether the service runs",
	},
	CodeConnectTimeout: {
		"the connection was never answered",
		"packets to that port vanish; check firewalls between this host and the target",
	},
	CodeConnectUnreachable: {
		"there is no route to the target",
		"this host has no route to the target; check its network and default route",
	},
	CodeTLSExpired: {
		"the server's certificate is out of date",
		"the server's certificate is out of date; have it renewed (and check this host's clock)",
	},
	CodeTLSWrongName: {
		"the server's certificate is for another name",
		"the certificate is for another name; call the name it was issued for, or have it reissued",
	},
	CodeTLSUnknownAuthority: {
		"the server's certificate is not trusted",
		"the certificate's authority is not trusted here; give it with --ca-file, or have the chain completed",
	},
	CodeTLSRefused: {
		"the server does not agree on TLS",
		"the server does not speak TLS on that port, or accepts no common version; check the port and the scheme",
	},
	CodeTLSTimeout: {
		"the TLS handshake was never answered",
		"the TCP connection stands but TLS is silent; check middleboxes and the server's load",
	},
	CodeUnauthorized: {
		"the server refused the credentials",
		"the server wants other credentials; check --token-file, or --username and --password-file for SIP",
	},
	CodeNotFound: {
		"the server knows no such endpoint",
		"the server has no such endpoint; check the path of the URL, and the user part of a SIP address",
	},
	CodeUnavailable: {
		"the server is not available",
		"the server is overloaded or in maintenance; try again later, then ask its operator",
	},
	CodeRefused: {
		"the server refused the call",
		"the server refused the call; its reason is in the error",
	},
	CodeRedirected: {
		"the server points elsewhere",
		"the server points elsewhere; call the address in the error directly",
	},
	CodeBadAnswer: {
		"the answer is of no use",
		"what answered is not a WebRTC endpoint, or answered something unusable; check the URL",
	},
	CodeNoAnswer: {
		"the server never answered",
		"the server took the request and never answered; check the service behind it",
	},
	CodeSignalingLost: {
		"the connection broke before the answer",
		"the connection broke before the answer; check proxies and the server's log",
	},
	CodeNoCommonCodec: {
		"the two ends have no codec in common",
		"the far end knows none of the codecs that were offered; leave --codec-only out, or enable one of them there",
	},
	CodeNotAcceptable: {
		"the far end does not accept what was offered",
		"no codec in common, or no address it would send to: leave --codec-only out; FreeSWITCH refuses private addresses alone unless its apply-candidate-acl allows them: add a STUN server with --ice-server",
	},
	CodeBusy: {
		"the far end is busy",
		"the far end takes no further call; check how many calls at once it allows, and who else calls it",
	},
	CodeDeclined: {
		"the far end declined the call",
		"somebody or something at the far end declined the call; check that the address is that of an echo service",
	},
	CodeNobodyThere: {
		"nobody is registered at the called address",
		"the server knows the address, but nobody is there; check that the echo service runs and is registered",
	},
	CodeDropped: {
		"the signalling connection broke during the call",
		"the server or something on the way closed the signalling connection in mid-call; check its log, its restarts and the idle times of proxies",
	},
	CodeNoCandidate: {
		"this host has no usable address",
		"this host offered no usable address; check its interfaces, and --local-address",
	},
	CodeNoRelay: {
		"no TURN server gave a relay",
		"no TURN server gave a relay; check its address and credentials, and whether its port is open from here",
	},
	CodeSTUNNoResponse: {
		"the STUN server does not answer, and UDP does not get through",
		"not even the STUN server answers: UDP seems to be blocked here; open it, or use a TURN server over TCP or TLS with --ice-server",
	},
	CodeTURNNotFound: {
		"the TURN server's name gives no address",
		"check the spelling of the TURN server's name, and on this host: getent hosts NAME",
	},
	CodeTURNUnreachable: {
		"the TURN server cannot be reached",
		"the TURN server's port does not accept connections from here; check its address, its port and the firewalls",
	},
	CodeTURNNoResponse: {
		"the TURN server does not answer",
		"the TURN server is silent; check its address and port, and whether that protocol gets through from here; try it over TCP or TLS",
	},
	CodeTURNUnauthorized: {
		"the TURN server refused the credentials",
		"the TURN server refused the username or the password; check --ice-username and --ice-password-file",
	},
	CodeTURNQuota: {
		"the TURN server has no relay to give",
		"the TURN server has reached a quota or its capacity; end other calls of this user, or ask its operator",
	},
	CodeTURNRefused: {
		"the TURN server refused",
		"the TURN server refused to give a relay; its reason is in the error, ask its operator",
	},
	CodeTURNPeerRefused: {
		"the TURN server does not relay to the far end",
		"the TURN server may not send to the far end's address; allow it there (coturn: allowed-peer-ip), or call an endpoint that it may reach",
	},
	CodeTURNLost: {
		"the TURN server was lost during the call",
		"the TURN server broke the connection or vanished in mid-call; check whether it still runs, its log, and the path to it",
	},
	CodeTURNTLSExpired: {
		"the TURN server's certificate is out of date",
		"the TURN server's certificate is out of date; have it renewed (and check this host's clock)",
	},
	CodeTURNTLSWrongName: {
		"the TURN server's certificate is for another name",
		"the TURN server's certificate is for another name; use the name it was issued for, or have it reissued",
	},
	CodeTURNTLSUnknownAuthority: {
		"the TURN server's certificate is not trusted",
		"the authority of the TURN server's certificate is not trusted here; give it with --ca-file, or have the chain completed",
	},
	CodeTURNTLSRefused: {
		"the TURN server does not agree on TLS",
		"the TURN server does not speak TLS on that port, or accepts no common version; check the port and the scheme",
	},
	CodeTURNTLSTimeout: {
		"the TLS handshake with the TURN server was never answered",
		"the TCP connection to the TURN server stands but TLS is silent; check middleboxes and the server's load",
	},
	CodeNoPair: {
		"UDP does not get through",
		"UDP does not get through between the two ends; open UDP to the media address, or use a TURN server with --ice-server",
	},
	CodeConsentLost: {
		"the far end vanished during the call",
		"the far end vanished in mid-call; check whether it still runs and whether the network path changed",
	},
	CodeFingerprint: {
		"the far end is not the one that signalling announced",
		"signalling and media do not come from the same endpoint; look for a middlebox or a wrongly routed media address",
	},
	CodeDTLSSilent: {
		"the far end does not answer the handshake",
		"connectivity checks pass but DTLS gets no reply; check the roles in the error, and firewalls that inspect UDP",
	},
	CodeDTLSFailed: {
		"the handshake was refused",
		"the DTLS handshake was refused; compare cipher suites and certificates of both ends",
	},
	CodeNoMedia: {
		"no media came back",
		"the session stands but nothing is echoed; check that the far end is an echo service",
	},
	CodeOneWay: {
		"media goes in one direction only",
		"media arrives in one direction only; check the firewall and the media path of the silent direction",
	},
	CodeMediaStopped: {
		"media stopped during the call",
		"echoed media stopped before the end of the call; check the far end and the path",
	},
	CodeOtherCodec: {
		"media came back in another codec",
		"the far end does not send the codec that it agreed to get; check its codec list, or call it with the --codec that it sends and --codec-only",
	},
	CodeRemoteHangup: {
		"the far end hung up",
		"the far end ended the call early; check its limits on call length and its log",
	},
	CodeSilent: {
		"silence came back",
		"packets come back with nothing in them; check that the far end's echo gets our audio (hold, mute, a codec that one side cannot decode)",
	},
	CodeComfortNoise: {
		"comfort noise came back",
		"the far end sends comfort noise in place of our audio; check that its echo application runs and is not on hold or muted",
	},
	CodeAudioStopped: {
		"the audio stopped during the call, though packets kept coming",
		"the session looks alive and is deaf; check the far end's media path at that time: a restart, a re-negotiation, a lost bridge",
	},
	CodeWrongContent: {
		"what came back is not what was sent",
		"what came back is not what was sent; check that the far end is an echo service and does not play a recording",
	},
	CodeCanceled: {
		"it was interrupted",
		"the call was interrupted; run it again",
	},
	CodeTimeout: {
		"it took too long",
		"the call took longer than allowed; raise --timeout, or look at the slowest step",
	},
	CodeInternal: {
		"something unexpected happened",
		"this is a defect of earshot; please report it with the error",
	},
}

// Meaning says in words what the code stands for.
func (c Code) Meaning() string { return explanations[c].meaning }

// Hint names the next thing to do.
func (c Code) Hint() string { return explanations[c].hint }
