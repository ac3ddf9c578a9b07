// Package model is one of many.
package model

// T is a text.
type T string
