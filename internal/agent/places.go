package agent

import "sync"

// places bounds how many calls run at once. Who waits is served in order, but
// calls to targets that answer go first, and calls to suspects, whose last call
// failed, take at most half of the places: targets that hang until every
// deadline is over cannot keep the others waiting. Its methods may be called
// from anywhere.
type places struct {
	mu       sync.Mutex
	limit    int // 0: no bound
	taken    int
	suspects int // of those taken
	waiting  []*request
	behind   []*request // suspects
}

// request is somebody waiting for a place.
type request struct {
	suspect bool
	granted chan struct{} // closed when the place is theirs
}

// acquire waits for a place; ok is false when quit was closed first. The place
// is given back by release, once; further calls of it do nothing.
func (p *places) acquire(suspect bool, quit <-chan struct{}) (release func(), ok bool) {
	r := &request{suspect: suspect, granted: make(chan struct{})}
	p.mu.Lock()
	if suspect {
		p.behind = append(p.behind, r)
	} else {
		p.waiting = append(p.waiting, r)
	}
	p.serve()
	p.mu.Unlock()

	var once sync.Once
	release = func() { once.Do(func() { p.leave(r) }) }
	select {
	case <-r.granted:
		return release, true
	default:
	}
	select {
	case <-r.granted:
		return release, true
	case <-quit:
		release()
		return nil, false
	}
}

// resize changes the bound. Calls that run go on.
func (p *places) resize(limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
	p.serve()
}

// count returns how many places are taken and how many are waited for.
func (p *places) count() (taken, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken, len(p.waiting) + len(p.behind)
}

// leave gives back a place, or gives up waiting for one.
func (p *places) leave(r *request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-r.granted:
		p.taken--
		if r.suspect {
			p.suspects--
		}
	default:
		p.waiting, p.behind = without(p.waiting, r), without(p.behind, r)
	}
	p.serve()
}

// serve grants what can be granted. p.mu is held.
func (p *places) serve() {
	for len(p.waiting) > 0 && (p.limit == 0 || p.taken < p.limit) {
		p.grant(p.waiting[0])
		p.waiting = p.waiting[1:]
	}
	for len(p.behind) > 0 && (p.limit == 0 || p.taken < p.limit && p.suspects < max(p.limit/2, 1)) {
		p.grant(p.behind[0])
		p.behind = p.behind[1:]
	}
}

func (p *places) grant(r *request) {
	p.taken++
	if r.suspect {
		p.suspects++
	}
	close(r.granted)
}

func without(list []*request, r *request) []*request {
	for i, one := range list {
		if one == r {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}
