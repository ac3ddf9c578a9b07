package names_packages

import (
	"context"

	"github.com/agentcore-go/agentcore/runtime"
	two "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/2/model"
	bmodel "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/b/a/model"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/blank"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/go-model/v2"
	"github.com/agentcore-go/agentcore/testdata/shapes/names_packages/reach"
	stringer "github.com/agentcore-go/agentcore/testdata/shapes/names_packages/string"
)

// spell yields some texts.
func spell(texts ...stringer.T) reach.Stream {
	return func(yield func(two.T, error) bool) {
		for _, text := range texts {
			if !yield(two.T(text), nil) {
				return
			}
		}
	}
}

// Talk receives and sends what it does not name.
//
//agentcore:websocket
func Talk(ctx context.Context, conn *reach.Conn) error {
	text, err := conn.Receive(ctx)
	if err != nil {
		return err
	}
	return conn.Send(ctx, []blank.T{blank.T(text)})
}

// Health is well.
//
//agentcore:ping
func Health() runtime.PingStatus { return runtime.Healthy }

// Started is what Index has been started with.
var Started = make(chan string, 1)

// Index takes packages of one name.
//
//agentcore:task
func Index(_ context.Context, in struct {
	A model.T
	B bmodel.T
}) error {
	Started <- string(in.A) + string(in.B)
	return nil
}
