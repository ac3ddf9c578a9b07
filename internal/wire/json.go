package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// AppendJSON appends the JSON of value, without a line end, or nothing when it
// returns an error. Unlike [json.Marshal] it leaves <, > and & as they are.
func AppendJSON(buf *bytes.Buffer, value any) error {
	start := buf.Len()
	encoder := json.NewEncoder(buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		buf.Truncate(start)
		return err
	}
	buf.Truncate(buf.Len() - 1) // Encode ends with a newline
	return nil
}

// quickly is encoding/json as the standard library's next implementation of it
// has it, which reads long texts several times faster. Its errors are others, for
// which it does not have to read the text twice.
var quickly = jsonv2.JoinOptions(jsonv1.DefaultOptionsV1(), jsonv1.ReportErrorsWithLegacySemantics(false))

// Unmarshaler returns the function that decodes a JSON text into a T, as
// [json.Unmarshal] does. A number that lands in an interface becomes a
// [json.Number], so that big ones survive.
func Unmarshaler[T any]() func(text []byte, value any) error {
	if needsNumbers(reflect.TypeFor[T]()) {
		return unmarshalNumbers
	}
	return unmarshalQuickly
}

// unmarshalQuickly is [json.Unmarshal].
func unmarshalQuickly(text []byte, value any) error {
	if jsonv2.Unmarshal(text, value, quickly) == nil {
		return nil
	}
	reflect.ValueOf(value).Elem().SetZero()
	return json.Unmarshal(text, value) // for its errors
}

// unmarshalNumbers is [json.Unmarshal] with [json.Decoder.UseNumber].
func unmarshalNumbers(text []byte, value any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := d.Decode(value)
	rest := text[d.InputOffset():]
	if err != nil || len(bytes.Trim(rest, " \t\r\n")) > 0 { // a Decoder stops after the first value
		if syntax := json.Unmarshal(text, new(json.RawMessage)); syntax != nil {
			return syntax
		}
	}
	return err
}

// numberTypes remembers what needsNumbers has found out, by type.
var numberTypes sync.Map

// needsNumbers reports whether a type has to be decoded with unmarshalNumbers.
func needsNumbers(t reflect.Type) bool {
	if known, ok := numberTypes.Load(t); ok {
		return known.(bool)
	}
	needs := holdsAny(t, make(map[reflect.Type]bool))
	numberTypes.Store(t, needs)
	return needs
}

// holdsAny reports whether a type holds an interface, in which a number has to
// be a json.Number, or one of these.
func holdsAny(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.String:
		return t == reflect.TypeFor[json.Number]()
	case reflect.Map:
		return holdsAny(t.Key(), seen) || holdsAny(t.Elem(), seen)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return holdsAny(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsAny(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}
