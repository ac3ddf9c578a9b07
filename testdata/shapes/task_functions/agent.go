// Package task_functions works on after it has answered.
package task_functions

import (
	"context"
	"errors"
	"sync/atomic"
)

// Order is something to be shipped. Nothing is shipped to nowhere.
type Order struct {
	Item string `json:"item"`
	To   string `json:"to"`
}

// Parcel is an order on its way. It never leaves the process, so it can hold
// what JSON cannot.
type Parcel struct {
	Order
	Arrived chan<- string
}

var (
	// Arrivals has what arrived, or why it did not.
	Arrivals = make(chan string)
	// Sweeps counts how often the yard was swept.
	Sweeps atomic.Int64
)

// Take ships an order, and sweeps the yard for the next one.
//
//agentcore:entrypoint
func Take(ctx context.Context, order Order) error {
	ship, err := StartShip(ctx, Parcel{order, Arrivals})
	if err != nil {
		return err
	}
	sweep, err := startSweep(ctx)
	if err != nil {
		return err
	}
	<-sweep.Done()
	if _, err := StartWatch(ctx, ship.Done()); err != nil {
		return err
	}
	_, err = startFile(ctx, []string{order.Item, order.To})
	return err
}

// Ship brings a parcel to its place.
//
// It takes as long as it takes: /* nobody knows */ how long.
//
//	Lisbon	2 days
//
//agentcore:task
func Ship(ctx context.Context, parcel Parcel) error {
	if parcel.To == "" {
		parcel.Arrived <- "nowhere"
		return errors.New("a parcel without an address")
	}
	parcel.Arrived <- parcel.Item + " in " + parcel.To
	return nil
}

//agentcore:task
func sweep(context.Context) error {
	Sweeps.Add(1)
	return nil
}

// Watch waits for a parcel.
//
// Deprecated: it will arrive.
//
//agentcore:task
func Watch(ctx context.Context, arrived <-chan struct{}) error {
	select {
	case <-arrived:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// file notes what became of the order.
//
//agentcore:task
func file(_ context.Context, words []string) error {
	if len(words) != 2 {
		return errors.New("two words are wanted")
	}
	return nil
}
