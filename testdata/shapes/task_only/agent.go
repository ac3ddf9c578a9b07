// Package task_only has work to do for an agent that is elsewhere.
package task_only

import (
	"context"
	"fmt"
)

// Batch is some pages to index.
type Batch struct {
	Pages   []string
	Indexed chan<- string
}

// Index indexes a batch, page by page.
//
//agentcore:task
func Index(ctx context.Context, batch Batch) error {
	for i, page := range batch.Pages {
		if page == "" {
			return fmt.Errorf("page %d is empty", i+1)
		}
		select {
		case batch.Indexed <- page:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
