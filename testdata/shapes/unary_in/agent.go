// Package unary_in takes readings of a thermometer.
package unary_in

import "sync/atomic"

// Reading is one measurement.
type Reading struct {
	Celsius float64 `json:"celsius"`
}

// Latest is the reading that came last.
var Latest atomic.Pointer[Reading]

// Record notes a reading.
//
//agentcore:entrypoint
func Record(reading Reading) { Latest.Store(&reading) }
