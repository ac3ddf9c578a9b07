// Package predeclared has other names for Go's predeclared types. Generated code
// imports it in a package that declares, say, a type called string or error, in
// which those words no longer mean what they do elsewhere. Nothing else needs
// it.
package predeclared

// The predeclared types of values.
type (
	Any        = any
	Bool       = bool
	Byte       = byte
	Complex64  = complex64
	Complex128 = complex128
	Error      = error
	Float32    = float32
	Float64    = float64
	Int        = int
	Int8       = int8
	Int16      = int16
	Int32      = int32
	Int64      = int64
	Rune       = rune
	String     = string
	Uint       = uint
	Uint8      = uint8
	Uint16     = uint16
	Uint32     = uint32
	Uint64     = uint64
	Uintptr    = uintptr
)

// NoError returns nil, for a package that has something else of that name.
func NoError() error { return nil }
