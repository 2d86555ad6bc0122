package remotewrite

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Options says where samples go and how. Zero values are the defaults.
type Options struct {
	Name string // of the receiver, in metrics and logs; default: the host of URL
	URL  string // with path, as https://prometheus.example.com/api/v1/write

	Interval time.Duration // between collections; default 15 s
	Timeout  time.Duration // of one request; default 30 s
	Grace    time.Duration // for delivering the last samples when the agent stops; default 5 s
	MinRetry time.Duration // first wait after a failed request; default 1 s
	MaxRetry time.Duration // longest wait, also if the receiver asks for more; default 1 min

	Protocol         Protocol
	NativeHistograms bool // beside the classic ones; the receiver must have them switched on
	Exemplars        bool
	ExternalLabels   map[string]string // for every series that has no label of that name
	SamplesPerSend   int               // most samples in a request; default 2000

	Headers       map[string]string // of every request, as X-Scope-OrgID; not for secrets
	Username      string            // of basic authentication
	PasswordFile  string
	TokenFile     string // of a bearer token, instead of username and password
	CAFile        string // certificates of authorities, in PEM; default: those of the system
	CertFile      string // of this client
	KeyFile       string
	TLSServerName string // in the receiver's certificate; default: the host of URL

	QueueDir   string // folder of the queue; empty: in memory, gone when the process ends
	QueueBytes int64  // most that the queue takes; default 256 MiB on disk, 32 MiB in memory
}

// Protocol is the version of Remote Write to speak.
type Protocol string

// The protocols. Auto begins with 2.0 and falls back to 1.0 where the receiver
// does not know it.
const (
	Auto      Protocol = ""
	Version1  Protocol = "1.0"
	Version2  Protocol = "2.0"
	reprobing          = time.Hour // after which a receiver that knew only 1.0 is tried again
)

// WithDefaults returns the options with every default filled in.
func (o Options) WithDefaults() Options {
	if u, err := url.Parse(o.URL); err == nil {
		o.Name = cmp.Or(o.Name, u.Host)
	}
	o.Interval = cmp.Or(o.Interval, 15*time.Second)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.Grace = cmp.Or(o.Grace, 5*time.Second)
	o.MinRetry = cmp.Or(o.MinRetry, time.Second)
	o.MaxRetry = max(cmp.Or(o.MaxRetry, time.Minute), o.MinRetry)
	o.SamplesPerSend = cmp.Or(o.SamplesPerSend, 2000)
	size := int64(256 << 20)
	if o.QueueDir == "" {
		size = 32 << 20
	}
	o.QueueBytes = cmp.Or(o.QueueBytes, size)
	return o
}

// Validate reports what cannot work, apart from files that cannot be read. No
// error shows a secret.
func (o Options) Validate() error {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("not a URL of a receiver: %q\nhint: write it as https://prometheus.example.com/api/v1/write", withoutSecrets(o.URL))
	case u.User != nil:
		return errors.New("the URL holds a user name\nhint: give username and password_file")
	case o.QueueBytes != 0 && o.QueueBytes < MinQueueBytes:
		return fmt.Errorf("the queue must have at least %d bytes, has %d", MinQueueBytes, o.QueueBytes)
	}
	switch o.Protocol {
	case Auto, Version1, Version2:
	default:
		return fmt.Errorf("unknown protocol %q\nhint: leave it out, or write 1.0 or 2.0", string(o.Protocol))
	}
	for name := range o.ExternalLabels {
		if !LabelName.MatchString(name) {
			return fmt.Errorf("not a name of a label: %q", name)
		}
	}
	return nil
}

// MinQueueBytes is the smallest queue: a few collections of a small site.
const MinQueueBytes = 1 << 20

// LabelName is what an external label may be called. Names that begin with two
// underscores belong to Prometheus.
var LabelName = regexp.MustCompile(`^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]*$`)

// withoutSecrets cuts what may hold a password or a token from a URL that could
// not be parsed.
func withoutSecrets(raw string) string {
	raw, _, _ = strings.Cut(raw, "?")
	if at := strings.LastIndex(raw, "@"); at >= 0 {
		return "…" + raw[at:]
	}
	return raw
}
