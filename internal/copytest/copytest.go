// Package copytest compares types with their copies in generated clients.
package copytest

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Same compares the JSON of random values with that of their copies, which is the
// same in all directions.
func Same[Original, Copy any](t *testing.T) {
	t.Helper()
	for seed := range uint64(300) {
		var original Original
		r := &random{rand.New(rand.NewPCG(seed, 0))}
		r.fill(reflect.ValueOf(&original).Elem(), 6)
		var direct Copy
		transfer(reflect.ValueOf(&original).Elem(), reflect.ValueOf(&direct).Elem())
		text := Encode(t, original)
		if got := Encode(t, direct); got != text {
			t.Fatalf("seed %d: %T encodes to\n%s\nand its copy to\n%s", seed, original, text, got)
		}
		read, there := Decode[Original](t, text), Decode[Copy](t, text)
		settled := Encode(t, read)
		if got := Encode(t, there); got != settled {
			t.Fatalf("seed %d: of\n%s\n%T keeps\n%s\nand its copy\n%s", seed, text, original, settled, got)
		}
		if got := Encode(t, Decode[Original](t, Encode(t, there))); got != settled {
			t.Fatalf("seed %d: the copy sends\n%s\nwhich %T reads as\n%s", seed, Encode(t, there), original, got)
		}
	}
}

// Encode returns the JSON of a value.
func Encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("%T: %v", value, err)
	}
	return string(text)
}

// Decode returns the value that JSON stands for.
func Decode[T any](t *testing.T, text string) (value T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%T: %v\n%s", value, err, text)
	}
	return value
}

// seen reports whether JSON sees a field. Embedded pointers to what is not
// exported it does not see in both directions.
func seen(f reflect.StructField) bool {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case f.Tag.Get("json") == "-", t == reflect.TypeFor[struct{}](), strings.HasPrefix(t.String(), "sync."):
		return false
	case f.Anonymous && t.Kind() == reflect.Struct:
		return true
	}
	return f.IsExported()
}

// transfer gives a copy the value of its original. Of a struct, the copy has the
// fields that JSON sees.
func transfer(original, copied reflect.Value) {
	if original.Type() == copied.Type() {
		copied.Set(original)
		return
	}
	switch original.Kind() {
	case reflect.Pointer:
		if !original.IsNil() {
			copied.Set(reflect.New(copied.Type().Elem()))
			transfer(original.Elem(), copied.Elem())
		}
	case reflect.Slice:
		if !original.IsNil() {
			copied.Set(reflect.MakeSlice(copied.Type(), original.Len(), original.Len()))
		}
		fallthrough
	case reflect.Array:
		for i := range original.Len() {
			transfer(original.Index(i), copied.Index(i))
		}
	case reflect.Map:
		if !original.IsNil() {
			copied.Set(reflect.MakeMap(copied.Type()))
		}
		for key, value := range original.Seq2() {
			k, v := reflect.New(copied.Type().Key()).Elem(), reflect.New(copied.Type().Elem()).Elem()
			transfer(key, k)
			transfer(value, v)
			copied.SetMapIndex(k, v)
		}
	case reflect.Struct:
		next := 0
		for i := range original.NumField() {
			if seen(original.Type().Field(i)) {
				transfer(original.Field(i), copied.Field(next))
				next++
			}
		}
		if next != copied.NumField() {
			panic(copied.Type().String() + " has other fields")
		}
	case reflect.Interface:
		if !original.IsNil() {
			copied.Set(original.Elem())
		}
	default:
		copied.Set(original.Convert(copied.Type()))
	}
}

// random makes values.
type random struct{ *rand.Rand }

func (r *random) text() string {
	return strings.Repeat(string([]rune("aB <é日\u2028\"")[r.IntN(8)]), r.IntN(3))
}

func (r *random) fill(v reflect.Value, depth int) {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(r.Int64N(1e9), r.Int64N(1e9)).UTC()))
		return
	case reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte([]string{`null`, `{"a":[1,"b"]}`, `-0.5`}[r.IntN(3)]))
		return
	}
	some := r.IntN(3)
	if depth <= 0 {
		some = 0
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(some > 0)
	case reflect.String:
		v.SetString(r.text())
	case reflect.Int, reflect.Int32, reflect.Int64:
		if some > 0 && !v.OverflowInt(r.Int64()) {
			v.SetInt(r.Int64())
		} else {
			v.SetInt(int64(some))
		}
	case reflect.Uint8:
		v.SetUint(r.Uint64N(3) * 100)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(float32(r.NormFloat64())))
	case reflect.Pointer:
		if some > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			r.fill(v.Elem(), depth-1)
		}
	case reflect.Slice:
		if r.IntN(2) > 0 {
			v.Set(reflect.MakeSlice(v.Type(), some, some))
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			r.fill(v.Index(i), depth-1)
		}
	case reflect.Map:
		if r.IntN(2) > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range some {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				r.fill(key, depth-1)
				r.fill(value, depth-1)
				v.SetMapIndex(key, value)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if seen(f) && (f.IsExported() || f.Type.Kind() == reflect.Struct) {
				r.fill(v.Field(i), depth-1)
			}
		}
	case reflect.Interface:
		if v.NumMethod() == 0 {
			v.Set(reflect.ValueOf([]any{"text", 1.5, true, map[string]any{"a": nil}, []any{"b"}}[r.IntN(5)]))
		}
	}
}
