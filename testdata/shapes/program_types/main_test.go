package main

import (
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/agentcore-go/agentcore/internal/copytest"
	types "github.com/agentcore-go/agentcore/testdata/shapes/program_types/programtypesclient"
)

// TestCopies compares types with their copies.
func TestCopies(t *testing.T) {
	copytest.Same[*Query[filter[Level], time.Time], *types.Query[types.Filter[types.Level], time.Time]](t)
	copytest.Same[page[string, *Item], types.Page[string, *types.Item]](t)
	copytest.Same[event, types.Event](t)
	copytest.Same[All, types.All](t)
}

// TestOnlyEncoded has what the original cannot be decoded into.
func TestOnlyEncoded(t *testing.T) {
	text := copytest.Encode(t, Item{extra: &extra{"more"}, Shape: tone("round")})
	copied := copytest.Decode[types.Item](t, text)
	if got := copytest.Encode(t, copied); got != text || copied.Extra.Extra != "more" || copied.Shape != "round" {
		t.Errorf("got\n%s\nwant\n%s", got, text)
	}
}

// TestConstants has those that the copies come with.
func TestConstants(t *testing.T) {
	for original, copied := range map[any]any{
		Low: types.Low, Medium: types.Medium, High: types.High, Lowest: types.Lowest, Extreme: types.Extreme,
		Polite: types.Polite, Rude: types.Rude, Client: types.ToneClient,
		Light: types.Light, Minus: types.Minus, Half: types.Half, Third: types.Third, Huge: types.Huge,
		Yes: types.Yes, No: types.No, A: types.A,
	} {
		if x, y := reflect.ValueOf(original), reflect.ValueOf(copied); !x.Equal(y.Convert(x.Type())) {
			t.Errorf("%T %v is %T %v in the client", original, original, copied, copied)
		}
	}
}

// TestImports keeps the client apart from the agent and its server.
func TestImports(t *testing.T) {
	list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./programtypesclient").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.Lines(string(list)) {
		if path = strings.TrimSpace(path); strings.HasSuffix(path, "/program_types") || strings.HasSuffix(path, "/agentcore/runtime") {
			t.Errorf("the client imports %s", path)
		}
	}
}
