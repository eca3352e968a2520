package backoffice

import (
	"maps"
	"sync"

	"daozhang/internal/calendar"
)

// seen is what an office remembers so that a sweep need not ask for it again.
// Losing it costs time only: all of it is on record.
type seen struct {
	mu sync.Mutex
	// files are those of each folder whose filing is done.
	files map[string]map[string]stamp
	// closed is, of each merchant, the latest day whose last run is done, followed
	// the version of its row that settlement is in line with, advised the latest day
	// whose settlement file is written.
	closed   map[string]calendar.Date
	followed map[string]uint32
	advised  map[string]calendar.Date
	// ran is, of merchants paid on the day of the sale, the turn of their latest run.
	ran map[string]int64
	// declared are days that were declared whole.
	declared map[calendar.Date]bool
}

func (s *seen) known(folder string, e Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.files[folder][e.Name]
	return ok && was.size == e.Size && was.modified.Equal(e.Modified)
}

func (s *seen) know(folder string, e Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files = map[string]map[string]stamp{}
	}
	if s.files[folder] == nil {
		s.files[folder] = map[string]stamp{}
	}
	s.files[folder][e.Name] = stamp{e.Size, e.Modified}
}

// get and set of one of the maps by merchant.
func get[K comparable, V any](s *seen, m *map[K]V, key K) (V, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := (*m)[key]
	return v, ok
}

func set[K comparable, V any](s *seen, m *map[K]V, key K, v V) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = v
}

// forget drops days that no sweep asks for any more.
func (s *seen) forget(before calendar.Date) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.declared, func(d calendar.Date, _ bool) bool { return d < before })
}
