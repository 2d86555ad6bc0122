package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
)

// bbolt trusts its file: a damaged page makes it panic, fault or run in circles.
// So the file is checked here before bbolt maps it, against the format that
// bbolt's internal/common documents (version 2): every page that can be reached
// is where it says, is used once, holds its elements and their keys in order;
// and every value has the checksum it was written with.

// Page types, and sizes in bytes.
const (
	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageFreelist = 0x10

	pageHeader  = 16
	pageElement = 16
	bucketSize  = 16
	metaSize    = 64
	metaMagic   = 0xED0CDAED
	metaVersion = 2

	elementBucket   = 0x01
	longFreelist    = 0xFFFF
	noFreelist      = ^uint64(0)
	deepestPageTree = 64
)

// order is that of the machine, as bbolt writes it.
var order = binary.NativeEndian

// damage is an error of the file's content.
type damage struct{ what string }

func (d *damage) Error() string { return "the file is damaged: " + d.what }

func damaged(format string, args ...any) error { return &damage{fmt.Sprintf(format, args...)} }

func isDamage(err error) bool {
	var d *damage
	return errors.As(err, &d)
}

// meta is the part of a meta page that matters.
type meta struct {
	pageSize                   uint32
	root, freelist, pages, txn uint64
}

// walker checks a file page by page.
type walker struct {
	file io.ReaderAt
	size int64
	meta meta
	seen map[uint64]bool
}

// checkStructure returns an error of type *damage when the file's content is
// damaged. No other process may be writing to it.
func checkStructure(file io.ReaderAt, size int64) error {
	m, err := readMeta(file, size)
	if err != nil {
		return err
	}
	w := walker{file: file, size: size, meta: m, seen: map[uint64]bool{0: true, 1: true}}
	if err := w.tree(m.root, 0); err != nil {
		return err
	}
	return w.freelist()
}

// readMeta returns the meta page of the last transaction. One of the two may be
// torn: that is how bbolt survives being killed.
func readMeta(file io.ReaderAt, size int64) (meta, error) {
	var best meta
	found := false
	consider := func(at int64) {
		b := make([]byte, metaSize)
		if _, err := file.ReadAt(b, at+pageHeader); err != nil {
			return
		}
		h := fnv.New64a()
		h.Write(b[:metaSize-8])
		if order.Uint32(b) != metaMagic || order.Uint32(b[4:]) != metaVersion || h.Sum64() != order.Uint64(b[metaSize-8:]) {
			return
		}
		m := meta{pageSize: order.Uint32(b[8:]), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]),
			pages: order.Uint64(b[40:]), txn: order.Uint64(b[48:])}
		if !found || m.txn > best.txn {
			best, found = m, true
		}
	}
	consider(0)
	if found {
		consider(int64(best.pageSize))
	} else {
		for at := int64(1 << 10); at <= 1<<16; at <<= 1 { // the size of a page is in the meta page that is lost
			consider(at)
		}
	}
	switch {
	case !found:
		return meta{}, damaged("neither of the two meta pages is valid")
	case best.pageSize < 512 || best.pageSize&(best.pageSize-1) != 0:
		return meta{}, damaged("a page of %d bytes", best.pageSize)
	case best.pages > uint64(size)/uint64(best.pageSize):
		return meta{}, damaged("it should have %d pages of %d bytes and has %d bytes", best.pages, best.pageSize, size)
	}
	return best, nil
}

// page reads the page with all that overflows, once.
func (w *walker) page(id uint64) ([]byte, error) {
	if id < 2 || id >= w.meta.pages {
		return nil, damaged("page %d is outside of it", id)
	}
	size := int64(w.meta.pageSize)
	head := make([]byte, pageHeader)
	if _, err := w.file.ReadAt(head, int64(id)*size); err != nil {
		return nil, w.unread(id, err)
	}
	overflow := uint64(order.Uint32(head[12:]))
	if order.Uint64(head) != id || id+overflow >= w.meta.pages || int64(id+overflow)*size >= w.size {
		return nil, damaged("page %d says it is page %d and %d more", id, order.Uint64(head), overflow)
	}
	for i := id; i <= id+overflow; i++ {
		if w.seen[i] {
			return nil, damaged("page %d is used twice", i)
		}
		w.seen[i] = true
	}
	b := make([]byte, int64(overflow+1)*size)
	if n, err := w.file.ReadAt(b, int64(id)*size); err != nil && (!errors.Is(err, io.EOF) || n == 0) {
		return nil, w.unread(id, err)
	}
	return b, nil
}

func (w *walker) unread(id uint64, err error) error {
	if errors.Is(err, io.EOF) {
		return damaged("it ends before page %d", id)
	}
	return fmt.Errorf("read page %d: %w", id, err)
}

// tree checks the page and everything below it.
func (w *walker) tree(id uint64, depth int) error {
	b, err := w.page(id)
	if err != nil {
		return err
	}
	return w.content(b, id, depth)
}

// content checks a branch or leaf page. A small bucket has such a page inside
// its value, without a number.
func (w *walker) content(b []byte, id uint64, depth int) error {
	if depth > deepestPageTree {
		return damaged("page %d lies %d levels deep", id, depth)
	}
	flags, count := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	if pageHeader+count*pageElement > len(b) {
		return damaged("page %d says that it holds %d elements", id, count)
	}
	var last []byte
	for i := range count {
		key, err := []byte(nil), error(nil)
		switch flags {
		case pageBranch:
			key, err = w.branch(b, i, id, depth)
		case pageLeaf:
			key, err = w.leaf(b, i, id, depth)
		default:
			return damaged("page %d is of a kind %#x", id, flags)
		}
		if err != nil {
			return err
		}
		if i > 0 && bytes.Compare(last, key) >= 0 {
			return damaged("the keys of page %d are out of order", id)
		}
		last = key
	}
	return nil
}

// branch checks the element and the page it points to.
func (w *walker) branch(b []byte, i int, id uint64, depth int) ([]byte, error) {
	at := pageHeader + i*pageElement
	key, err := slice(b, at, order.Uint32(b[at:]), order.Uint32(b[at+4:]), id)
	if err != nil {
		return nil, err
	}
	return key, w.tree(order.Uint64(b[at+8:]), depth+1)
}

// leaf checks the element: its value's checksum, or the bucket it stands for.
func (w *walker) leaf(b []byte, i int, id uint64, depth int) ([]byte, error) {
	at := pageHeader + i*pageElement
	offset, keySize := order.Uint32(b[at+4:]), order.Uint32(b[at+8:])
	key, err := slice(b, at, offset, keySize, id)
	if err != nil {
		return nil, err
	}
	value, err := slice(b, at+len(key), offset, order.Uint32(b[at+12:]), id)
	if err != nil {
		return nil, err
	}
	if order.Uint32(b[at:])&elementBucket == 0 {
		_, err := unseal(key, value)
		return key, err
	}
	if len(value) < bucketSize {
		return nil, damaged("a bucket of page %d is cut off", id)
	}
	if root := order.Uint64(value); root != 0 {
		return key, w.tree(root, depth+1)
	}
	if len(value) < bucketSize+pageHeader {
		return nil, damaged("a bucket of page %d is cut off", id)
	}
	return key, w.content(value[bucketSize:], id, depth+1)
}

// slice cuts size bytes that begin offset behind at.
func slice(b []byte, at int, offset, size uint32, id uint64) ([]byte, error) {
	from := int64(at) + int64(offset)
	if from+int64(size) > int64(len(b)) {
		return nil, damaged("an element of page %d points outside of it", id)
	}
	return b[from : from+int64(size)], nil
}

// freelist checks that no page is both free and in use.
func (w *walker) freelist() error {
	if w.meta.freelist == noFreelist {
		return nil
	}
	b, err := w.page(w.meta.freelist)
	if err != nil {
		return err
	}
	if order.Uint16(b[8:]) != pageFreelist {
		return damaged("page %d is not the list of free pages", w.meta.freelist)
	}
	count, list := uint64(order.Uint16(b[10:])), b[pageHeader:]
	if count == longFreelist {
		count, list = order.Uint64(list), list[8:]
	}
	if count > uint64(len(list))/8 {
		return damaged("the list of free pages says that it holds %d", count)
	}
	for i := range count {
		id := order.Uint64(list[8*i:])
		if id < 2 || id >= w.meta.pages || w.seen[id] {
			return damaged("page %d is listed as free", id)
		}
		w.seen[id] = true
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal puts a checksum of key and payload before the payload.
func seal(key, payload []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, payload)
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(payload)), sum), payload...)
}

// unseal returns the payload of a sealed value, which stays valid as long as
// the value does.
func unseal(key, value []byte) ([]byte, error) {
	if len(value) < 4 {
		return nil, damaged("a value is cut off")
	}
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value[4:])
	if sum != binary.BigEndian.Uint32(value) {
		return nil, damaged("a value does not match its checksum")
	}
	return value[4:], nil
}
