package archtest

// modulePath is the module that the rules are for.
const modulePath = "github.com/earshot-voip/earshot"

// place is where a package stands. Imports point to lower levels only.
type place struct {
	level  int
	reason string

	// only, when not nil, lists all that the package's code may import beyond
	// the standard library: modules by their path, project packages by theirs.
	only []string

	// pure is a package that reads no clock, takes no lock and logs nothing: all
	// that it knows comes in by its arguments.
	pure bool

	// testsOnly is a package that other packages may use in their tests alone.
	testsOnly bool
}

// places is the level table. A path that ends in /... stands for the folder and
// all below it.
var places = map[string]place{
	"internal/mono": {level: -1, reason: "the process clock: times taken in different packages can be subtracted", only: []string{}},

	"internal/spelling": {level: -1, reason: "which word was meant, for the hints of flags and files", only: []string{}},

	"internal/thread": {level: -1, reason: "favours of the scheduler, for the two threads whose lateness is our own error", only: []string{"golang.org/x/sys"}},

	"internal/frugal": {level: -1, reason: "how much memory a process that places calls may hold; the command and its benchmark say the same", only: []string{}},

	"mos": {level: 0, reason: "public; the E-model is arithmetic and needs nothing", only: []string{}, pure: true},
	"internal/rtpflow": {level: 0, reason: "the hot path: what it does with a packet depends on its arguments alone", pure: true,
		only: []string{"github.com/pion/rtp", "github.com/pion/rtcp"}},
	"internal/udp":       {level: 0, reason: "sockets know nothing of calls"},
	"internal/pace":      {level: 0, reason: "the send clock knows nothing of what it sends"},
	"internal/media":     {level: 0, reason: "codecs and clips are data"},
	"internal/signaling": {level: 0, reason: "the contract of the adapters; it must not know any of them"},
	"dashboards":         {level: 0, reason: "files; what makes and what writes them stands above", only: []string{}},
	"internal/impair":    {level: 0, reason: "the fate of a packet depends on its seed and its place alone"},
	"internal/iceserver": {level: 0, reason: "a STUN or TURN server by itself, however it is reached and whatever for"},

	"internal/peer":                    {level: 1, reason: "ICE, DTLS and SRTP over our sockets, as blocking steps"},
	"internal/signaling/janus":         {level: 1, reason: "one adapter; adapters do not know each other"},
	"internal/audio":                   {level: 1, reason: "listens to what came back; it knows the clips, and no call"},
	"internal/signaling/whip":          {level: 1, reason: "one adapter; adapters do not know each other"},
	"internal/signaling/sipws":         {level: 1, reason: "one adapter; adapters do not know each other"},
	"internal/signaling/signalingtest": {level: 1, reason: "the conformance suite of the adapters", testsOnly: true},
	"internal/netcheck":                {level: 1, reason: "asks STUN and TURN servers outside of a call, so it knows no call"},
	"internal/farend":                  {level: 1, reason: "far ends and networks that misbehave on purpose", testsOnly: true},
	"internal/prometheustest":          {level: 1, reason: "a real Prometheus, for the suites with servers of other makers", testsOnly: true},
	"internal/media/gen":               {level: 1, reason: "the command that makes the clips; nobody imports it"},

	"probe":         {level: 2, reason: "public; a call without command line, metrics or files"},
	"internal/echo": {level: 2, reason: "the far end; beside probe, so that neither can borrow the other's truth"},

	"internal/capture": {level: 2, reason: "the streams of a capture; beside probe, since nothing is called"},

	"internal/report":   {level: 3, reason: "turns a result into text, JSON and an exit code"},
	"internal/selftest": {level: 3, reason: "what this host can measure, found out by calls"},
	"internal/drill":    {level: 3, reason: "makes an echo go bad by a script, and watches the alerts"},
	"internal/agent":    {level: 3, reason: "calls on a schedule; it keeps no results and knows no metrics, files or pages"},

	"internal/config":  {level: 4, reason: "files to the plan of the agent; what has no file does not need it"},
	"internal/history": {level: 4, reason: "finished calls on disk; an observer of the agent"},
	"internal/catalog": {level: 4, reason: "the list of metrics: reads results, windows and the agent's state, and knows no Prometheus",
		only: []string{"internal/agent", "probe"}},
	"internal/exporter":    {level: 5, reason: "the catalog's metrics as a Prometheus collector"},
	"internal/dashgen":     {level: 5, reason: "the catalog's metrics as boards, rules and pages"},
	"internal/dashgen/gen": {level: 6, reason: "the command that writes what dashgen makes; nobody imports it"},

	"internal/remotewrite": {level: 3, reason: "pushes what a Gatherer gives; it knows no metric by its name"},

	"internal/web": {level: 6, reason: "what the agent shows over HTTP"},

	"cmd/earshot": {level: 7, reason: "flags to structs, results to exit codes"},
	"bench/...":   {level: 7, reason: "whole-system figures; uses everything"},

	"internal/realpeer": {level: 7, reason: "tests against servers of other makers; knows earshot as a program alone", only: []string{}, testsOnly: true},

	"internal/archtest": {level: 7, reason: "looks at the tree from outside", only: []string{}},
}

// impure are the imports and names of the standard library that a pure package
// does not have.
var (
	impureImports = []string{"log", "log/slog", "math/rand", "math/rand/v2", "os", "sync", "sync/atomic"}
	impureNames   = []string{"time.After", "time.AfterFunc", "time.NewTicker", "time.NewTimer", "time.Now", "time.Since", "time.Sleep", "time.Tick", "time.Until"}
)

// sameLevel lists the imports between packages of one level that are allowed
// all the same, with the reason.
var sameLevel = map[edge]string{}

// upwardInTests lists the imports of tests that point upwards. Tests may import
// packages of their own level and below without being listed.
var upwardInTests = map[edge]string{
	{"internal/iceserver", "internal/farend"}:                  "servers that answer, refuse and break are there",
	{"internal/iceserver", "internal/signaling/signalingtest"}: "authorities for TLS are there",
}

// edge is an import of one project package by another.
type edge struct{ from, to string }

// moduleRule says which packages may import a module.
type moduleRule struct {
	code   []string // packages that may import it; their tests may too
	tests  []string // packages of which only tests may import it
	reason string
}

// independent are the packages that build other peers than ours, to test and
// to compare with: they may import all of pion.
var independent = []string{"internal/farend", "bench/..."}

// modules lists every direct dependency.
var modules = map[string]moduleRule{
	"github.com/spf13/cobra": {code: []string{"cmd/earshot"},
		reason: "flags end in the command; packages take structs"},
	"github.com/spf13/pflag": {code: []string{"cmd/earshot"},
		reason: "the flags of cobra"},
	"golang.org/x/term": {code: []string{"cmd/earshot"},
		reason: "only the command knows what it writes to"},
	"github.com/rogpeppe/go-internal": {tests: []string{"cmd/earshot"},
		reason: "testscript drives the command"},

	"go.yaml.in/yaml/v3": {code: []string{"internal/config", "internal/drill", "internal/dashgen"}, tests: []string{"cmd/earshot"},
		reason: "files that people write"},

	"github.com/pion/ice/v4": {code: []string{"internal/peer"}, tests: []string{"internal/udp"},
		reason: "callbacks of the media stack live in internal/peer alone"},
	"github.com/pion/dtls/v3": {code: []string{"internal/peer"},
		reason: "callbacks of the media stack live in internal/peer alone"},
	"github.com/pion/srtp/v3": {code: []string{"internal/peer"},
		reason: "keys never leave internal/peer"},
	"github.com/pion/sdp/v3": {code: []string{"internal/peer"},
		reason: "session descriptions are text to everybody else"},
	"github.com/pion/logging": {code: []string{"internal/peer", "internal/iceserver"},
		reason: "carries the media stack's log to slog"},
	"github.com/pion/stun/v4": {code: []string{"internal/peer", "internal/iceserver"},
		reason: "STUN messages, and the URLs of ICE servers"},
	"github.com/pion/transport/v5": {code: []string{"internal/udp", "internal/iceserver"},
		reason: "the interface through which ICE takes our sockets"},
	"github.com/pion/rtp": {code: []string{"internal/rtpflow", "internal/peer"},
		reason: "packet headers"},
	"github.com/pion/rtcp": {code: []string{"internal/rtpflow", "internal/peer", "internal/echo", "probe"},
		reason: "reports"},
	"github.com/pion/opus": {code: []string{"internal/audio"},
		reason: "what comes back altered is decoded in one place"},
	"github.com/pion/webrtc/v4": {tests: []string{"internal/peer"},
		reason: "the independent peer in tests and the baseline in bench; never in a call"},
	"github.com/pion/turn/v5": {code: []string{"internal/iceserver"}, tests: []string{"internal/udp"},
		reason: "the TURN client, whose errors name the server; in tests a real TURN server on loopback"},
	"github.com/pion/interceptor": {tests: []string{"internal/rtpflow"},
		reason: "what the core's speed is compared with; part of the independent peer"},

	"github.com/coder/websocket": {code: []string{"internal/signaling", "internal/signaling/sipws", "internal/signaling/janus", "internal/signaling/signalingtest"},
		reason: "WebSocket under the adapters that need it"},
	"github.com/prometheus/client_golang": {code: []string{"internal/exporter", "internal/remotewrite", "internal/web", "cmd/earshot", "bench/..."},
		reason: "the exporter makes metrics; remote write takes what is gathered; /probe answers with it; bench collects as a scrape does"},
	"github.com/prometheus/client_model": {code: []string{"internal/exporter", "internal/remotewrite", "bench/..."},
		reason: "the form in which a collector hands over a series"},
	"github.com/prometheus/common": {code: []string{"internal/remotewrite"}, tests: []string{"internal/exporter"},
		reason: "HTTP clients with secrets from files; the expositions that tests read"},
	"google.golang.org/protobuf": {code: []string{"internal/exporter", "internal/remotewrite"},
		reason: "timestamps and pointers of client_model; the wire form of Remote Write 1.0"},

	"github.com/emiago/sipgo": {code: []string{"internal/signaling/sipws"},
		reason: "SIP messages; what is sent where is the adapter's own"},
	"github.com/icholy/digest": {code: []string{"internal/signaling/sipws"},
		reason: "digest credentials of SIP"},

	"github.com/gopacket/gopacket": {code: []string{"internal/capture", "bench/..."}, tests: []string{"internal/rtpflow"},
		reason: "reads captures"},

	"github.com/prometheus/client_golang/exp": {code: []string{"internal/remotewrite"},
		reason: "the client and the messages of Remote Write"},

	"github.com/prometheus/exporter-toolkit": {code: []string{"internal/web"},
		reason: "TLS, passwords and sockets of systemd, as in every exporter"},
	"github.com/chromedp/chromedp": {tests: []string{"internal/web"},
		reason: "drives a real browser over the pages"},
	"github.com/chromedp/cdproto": {tests: []string{"internal/web"},
		reason: "the browser's protocol, of chromedp"},

	"go.etcd.io/bbolt": {code: []string{"internal/history"},
		reason: "the file of the history"},

	"golang.org/x/sys": {code: []string{"internal/udp", "internal/pace", "internal/thread", "bench/..."}, tests: []string{"cmd/earshot"},
		reason: "socket options and timers of the kernel"},
	"golang.org/x/net": {code: []string{"internal/udp", "internal/iceserver", "internal/signaling/signalingtest"}, tests: []string{"internal/signaling", "probe"},
		reason: "IP options on every platform; DNS messages for the tests' name server"},
}

// bannedNames are package names that say nothing about what is inside.
var bannedNames = []string{"util", "utils", "common", "helper", "helpers", "type", "types", "misc", "shared", "base"}

// topFolders lists the folders at the top of the tree. Hidden folders other
// than .ci belong to tools and are not looked at.
var topFolders = map[string]string{
	".ci":        "what the continuous integration runs",
	"bench":      "whole-system figures and their results",
	"cmd":        "the command",
	"dashboards": "boards, rules and runbooks for those who watch",
	"docs":       "architecture and decision records",
	"internal":   "everything that is nobody else's business",
	"mos":        "public package: the E-model",
	"probe":      "public package: a call",
}

// publicPackages show their names to users of the module.
var publicPackages = []string{"mos", "probe"}
