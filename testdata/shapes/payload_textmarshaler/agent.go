// Package payload_textmarshaler sorts the log of a network, whose types are text in JSON.
package payload_textmarshaler

import (
	"context"
	"log/slog"
	"math/big"
	"net/netip"
)

// Entry is an entry of the log.
type Entry struct {
	From  netip.Addr `json:"from"`
	Level slog.Level `json:"level"`
	Bytes *big.Int   `json:"bytes,omitempty"`
}

// Largest returns the entry with the most bytes of each address.
//
//agentcore:entrypoint
func Largest(_ context.Context, log []Entry) (map[netip.Addr]Entry, error) {
	largest := make(map[netip.Addr]Entry)
	for _, entry := range log {
		if known, ok := largest[entry.From]; !ok || entry.Bytes.Cmp(known.Bytes) > 0 {
			largest[entry.From] = entry
		}
	}
	return largest, nil
}
