// Package dot is one of many.
package dot

// T is a text.
type T string
