// Package websocket_binary inverts images.
package websocket_binary

import (
	"context"

	"github.com/agentcore-go/agentcore/runtime"
)

// Invert answers each image with its negative. An empty one is a bug of the
// client's that it does not survive.
//
//agentcore:websocket
func Invert(ctx context.Context, conn *runtime.Conn[[]byte, []byte]) error {
	for image, err := range conn.Messages(ctx) {
		if err != nil {
			return err
		}
		if len(image) == 0 {
			panic("an empty image")
		}
		for i := range image {
			image[i] = ^image[i]
		}
		if err := conn.Send(ctx, image); err != nil {
			return err
		}
	}
	return nil
}
