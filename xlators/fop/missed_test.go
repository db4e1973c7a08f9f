package fop

import (
	"reflect"
	"testing"
)

func FuzzParseMissed(f *testing.F) {
	m := Missed{Covered: map[string]uint32{"trusted.afr.v-client-1": 3, "": 0}}
	m.Spans.Add(Span{5, 9})
	m.Spans.Add(From(100))
	f.Add(m.Bytes())
	f.Add([]byte{255, 255, 255, 255, 0, 1, 'a', 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMissed(b)
		if err != nil {
			return
		}
		again, err := ParseMissed(m.Bytes())
		if err != nil || !reflect.DeepEqual(again.Covered, m.Covered) || !reflect.DeepEqual(again.Spans.All(), m.Spans.All()) {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
	})
}
