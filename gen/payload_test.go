package gen

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPayloadsLikeEncodingJSON makes payload types at random, finds out what
// encoding/json loses of each, field by field, in a program of their own, and
// compares it with what checkPayloads says.
func TestPayloadsLikeEncodingJSON(t *testing.T) {
	const structs = 300
	types, lost := randomPayloads(t, 1, structs)
	pkg, diagnostics := typeCheckPayloads(t, types, structs)
	if n := len(pkg.graph.TypeErrors); n > 0 {
		t.Fatal(pkg.graph.TypeErrors)
	}
	for name, fields := range lost {
		comparePayload(t, name, fields, diagnostics[name])
	}
	if t.Failed() {
		t.Logf("the types are\n%s", types)
	}
}

// TestPayloadsManyPaths checks types that have very many paths through them.
// Each would take longer than a test may run if every path were walked.
func TestPayloadsManyPaths(t *testing.T) {
	const fields, embedded = 2000, 60
	var b strings.Builder
	b.WriteString("package main\n\nimport \"net/http\"\n\n")
	// Each struct has several ways to the next.
	for i := range fields {
		fmt.Fprintf(&b, "type F%d struct { A, B *F%d; M map[string][]F%d; C http.Header }\n", i, i+1, i+1)
	}
	for i := range embedded {
		fmt.Fprintf(&b, "type (\n\tE%d struct { A%[1]d; B%[1]d }\n\tA%[1]d struct { *E%[2]d }\n\tB%[1]d struct { *E%[2]d }\n)\n", i, i+1)
	}
	fmt.Fprintf(&b, "type F%d struct { Fn func() }\ntype E%d struct { Fn func() }\ntype T0 struct {\n\tF F0\n\tE E0\n", fields, embedded)
	for i := range fields { // of another package, and with many fields
		fmt.Fprintf(&b, "\tC%d []*http.Cookie\n", i)
	}
	b.WriteString("}\n")
	pkg, reported := typeCheckPayloads(t, b.String(), 1)
	if n := len(pkg.graph.TypeErrors); n > 0 {
		t.Fatal(pkg.graph.TypeErrors)
	}
	var got, want []string // the names of fields, and what is said of them
	for _, d := range reported["T0"] {
		path, problem, _ := strings.Cut(d.Message, ": ")
		got = append(got, path[strings.LastIndexByte(path, '.')+1:]+": "+strings.Join(strings.Fields(problem)[:5], " "))
	}
	for i := 1; i < embedded; i++ {
		want = append(want, fmt.Sprintf("A%d: encoding/json drops the fields of", i), fmt.Sprintf("B%d: encoding/json drops the fields of", i))
	}
	want = append(want, "Fn: JSON has no value for", "Fn: encoding/json drops this field and")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// outcome is what became of a field.
type outcome struct {
	Type, Path string
	Chain      string   // the path, with > before a field of a struct that is embedded
	Names      []string // in JSON, of all fields on the path
	Lost       string   // "", or how
	Unsure     bool     // if so
	Zero       bool     // it is there when all fields are zero
	Quoted     bool     // its JSON is a string
	Tag        string
}

func comparePayload(t *testing.T, name string, fields []outcome, reported []Diagnostic) {
	t.Helper()
	var errors []string // messages
	for _, d := range reported {
		onlyTag := d.Code == string(codePayloadTag) || d.Code == string(codePayloadTagOption) && !strings.Contains(d.Message, "does not decode")
		if d.Severity == SeverityError && !onlyTag {
			errors = append(errors, d.Message)
		}
	}
	used := make(map[string]bool)
	for _, f := range fields {
		explained := isHidden(f, fields)
		for _, message := range errors {
			path, _, _ := strings.Cut(strings.ReplaceAll(message, "[]", ""), ": ")
			mentions := slices.ContainsFunc(payloadPath.FindAllString(message, -1), func(path string) bool { return within(f.Path, path) })
			promoted := strings.Contains(message, "makes the JSON of the whole struct") && within(f.Path, path[:strings.LastIndexByte(path, '.')])
			// Those that are deeper than fields that clash are dropped with them.
			clash := slices.ContainsFunc(f.Names, func(name string) bool { return strings.Contains(message, "are called "+name+":") })
			panics := strings.HasPrefix(f.Lost, "panic") && strings.Contains(message, "embedded pointer")
			// A field is reported once, however many ways lead to it.
			same := strings.Contains("."+f.Path+".", "."+lastTwo(path)+".")
			if within(f.Path, path) || within(path, f.Path) || same || mentions || promoted || clash || panics {
				explained = true
				if f.Lost != "" {
					used[message] = true
				}
			}
		}
		if f.Lost != "" && !f.Unsure && !explained {
			t.Errorf("%s is lost: %s\nreported are %q", f.Path, f.Lost, errors)
		}
	}
	for _, message := range errors {
		if !used[message] {
			t.Errorf("%s\nnothing is lost there", message)
		}
	}
	for _, f := range fields {
		if f.Lost != "" || strings.Count(f.Path, ".") > 1 {
			continue
		}
		_, options, _ := strings.Cut(f.Tag, ",")
		has := func(code code, what string) bool {
			for _, d := range reported {
				if d.Code == string(code) && strings.HasPrefix(d.Message, f.Path+": ") && strings.Contains(d.Message, what) {
					return true
				}
			}
			return false
		}
		if options == "omitempty" && f.Zero != has(codePayloadOmitEmpty, "omitempty") {
			t.Errorf("%s with %q: it is there when it is zero: %v", f.Path, f.Tag, f.Zero)
		}
		if options == "string" && f.Quoted == has(codePayloadTagOption, "the option string") {
			t.Errorf("%s with %q: it is quoted: %v", f.Path, f.Tag, f.Quoted)
		}
	}
}

// within reports whether a path is another, or goes through it.
func within(path, outer string) bool { return path == outer || strings.HasPrefix(path, outer+".") }

var payloadPath = regexp.MustCompile(`\bT\d+(\.\w+)+`)

func lastTwo(path string) string {
	parts := strings.Split(path, ".")
	return strings.Join(parts[max(0, len(parts)-2):], ".")
}

// isHidden reports whether a field, or one that it is in, is meant to be hidden:
// one of the same name in Go is less deep.
func isHidden(f outcome, fields []outcome) bool {
	for root, own := range members(f.Chain) {
		name := own[strings.LastIndexByte(own, '>')+1:]
		for _, other := range fields {
			for otherRoot, path := range members(other.Chain) {
				if root == otherRoot && name == path[strings.LastIndexByte(path, '>')+1:] && strings.Count(path, ">") < strings.Count(own, ">") {
					return true
				}
			}
		}
	}
	return false
}

// members yields the objects that are on the way to a field, and which member of
// each leads there.
func members(chain string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		parts := strings.Split(chain, ".")
		for i := 1; i < len(parts); i++ {
			if !yield(strings.Join(parts[:i], "."), parts[i]) {
				return
			}
		}
	}
}

// typeCheckPayloads returns what is reported of each type, as a payload and as
// a result.
func typeCheckPayloads(t *testing.T, source string, structs int) (*loadedPackage, map[string][]Diagnostic) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "a.go", source+"\nfunc Handle() {}\n", parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	pkg := typeCheck(t, fset, file)
	reported := make(map[string][]Diagnostic)
	for i := range structs {
		name := "T" + strconv.Itoa(i)
		payload := pkg.types.Scope().Lookup(name).Type()
		h := &handler{
			kind: entrypoint, decl: file.Decls[len(file.Decls)-1].(*ast.FuncDecl),
			fn: pkg.types.Scope().Lookup("Handle").(*types.Func), in: payload, out: payload,
		}
		diagnostics := &diagnostics{fset: fset}
		checkPayloads(pkg, &agent{handlers: []*handler{h}}, diagnostics)
		reported[name] = diagnostics.public()
	}
	return pkg, reported
}

// randomPayloads writes types T0 and so on, and returns what encoding/json
// loses of them.
func randomPayloads(t *testing.T, seed uint64, structs int) (source string, lost map[string][]outcome) {
	t.Helper()
	p := &payloads{Rand: rand.New(rand.NewPCG(seed, 0))}
	p.text.WriteString(payloadTypes)
	for i := range structs {
		p.declare("T"+strconv.Itoa(i), 2)
	}
	source = p.text.String()
	dir := t.TempDir()
	var all strings.Builder
	for i := range structs {
		fmt.Fprintf(&all, "\treflect.TypeFor[T%d](),\n", i)
	}
	for name, text := range map[string]string{
		"go.mod":   "module payloads\n\ngo 1.26\n",
		"types.go": source,
		"main.go":  payloadProgram,
		"all.go":   "package main\n\nimport \"reflect\"\n\nvar all = []reflect.Type{\n" + all.String() + "}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), "go", "run", ".")
	run.Dir = dir
	var stderr bytes.Buffer
	run.Stderr = &stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	lost = make(map[string][]outcome)
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var o outcome
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		lost[o.Type] = append(lost[o.Type], o)
	}
	return source, lost
}

// payloads is a source in the making.
type payloads struct {
	*rand.Rand
	text strings.Builder
}

func (p *payloads) oneOf(choices ...string) string { return choices[p.IntN(len(choices))] }

// declare declares a struct, and others that are in it.
func (p *payloads) declare(name string, depth int) {
	var fields, embedded []string
	used := make(map[string]bool)
	for i := range p.IntN(3) {
		if depth == 0 {
			break
		}
		inner := p.oneOf("E", "e") + name + strconv.Itoa(i)
		p.declare(inner, depth-1)
		embedded = append(embedded, inner)
		fields = append(fields, p.oneOf("", "", "*")+inner+" "+p.oneOf("", "", "", "", "`json:\"a\"`", "`json:\"-\"`", "`json:\"it's\"`", "`json:\",omitempty\"`"))
	}
	if depth > 0 && len(embedded) > 0 && p.IntN(4) == 0 { // one that embeds what is embedded already
		inner := p.oneOf("F", "f") + name
		fmt.Fprintf(&p.text, "type %s struct {\n\t%s\n\t%s int\n}\n\n", inner, p.oneOf(embedded...), p.oneOf("A", "B", "G"))
		fields = append(fields, inner)
	}
	if depth > 0 && p.IntN(6) == 0 { // one that is embedded twice
		p.declare("S"+name, depth-1)
		for _, outer := range []string{"P" + name, "Q" + name} {
			fmt.Fprintf(&p.text, "type %s struct {\n\t%sS%s\n\t%s int\n}\n\n", outer, p.oneOf("", "*"), name, p.oneOf("A", "B", "G"))
			fields = append(fields, p.oneOf("", "*")+outer)
		}
	}
	if p.IntN(8) == 0 {
		fields = append(fields, p.oneOf("time.Time", "*time.Time", "Both", "Level", "level", "Shape", "Embedded"))
	}
	for i := range 1 + p.IntN(4) {
		field := p.oneOf("A", "B", "C", "D", "a")
		if i == 0 {
			field = p.oneOf("A", "B", "C", "D")
		}
		if used[field] {
			continue
		}
		used[field] = true
		t := p.oneOf("string", "int", "bool", "*float64", "[]string", "any", "map[string]int", "[2]int", "time.Time", "*time.Time",
			"Level", "*Level", "Both", "Pointers", "*Pointers", "[]Pointers", "map[string]Pointers", "**int", "map[Key]int", "struct{ X, Y int }", "json.Number", "[]byte")
		if p.IntN(20) == 0 {
			t = p.oneOf("chan int", "func()", "complex64", "map[bool]int", "map[Reads]int", "map[Writes]int", "map[*Key]int", "Shape", "error")
		}
		tag := p.oneOf("", "", "`json:\"a\"`", "`json:\"b\"`", "`json:\"A\"`", "`json:\",omitempty\"`", "`json:\"b,omitempty\"`", "`json:\",string\"`", "`json:\",omitzero\"`",
			"`json:\"-\"`", "`json:\"-,\"`", "`json: \"a\"`", "`JSON:\"b\"`", "`json:\"it's\"`", "`json:\"a, omitempty\"`", "`json:\"omitempty\"`", "`xml:\"a\",json:\"b\"`")
		fields = append(fields, field+" "+t+" "+tag)
	}
	fmt.Fprintf(&p.text, "type %s struct {\n\t%s\n}\n\n", name, strings.Join(fields, "\n\t"))
}

// payloadTypes are what random payloads are made of.
const payloadTypes = `package main

import (
	"encoding/json"
	"fmt"
	"time"
)

type (
	Shape interface{ Area() float64 }
	level int
)

// Level has methods, and so have others. What they write begins with "made".
type Level int

func (l Level) MarshalText() ([]byte, error) { return fmt.Append(nil, "made", int(l)), nil }
func (l *Level) UnmarshalText(text []byte) error { *l = 1; return nil }

type Both struct{ X int }

func (b Both) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "\"made%d\"", b.X), nil }
func (b *Both) UnmarshalJSON(text []byte) error { b.X = 1; return nil }

type Embedded struct{ X int }

func (b Embedded) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "\"made%d\"", b.X), nil }
func (b *Embedded) UnmarshalJSON(text []byte) error { b.X = 1; return nil }

type Pointers struct{ X int }

func (p *Pointers) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "\"made%d\"", p.X), nil }
func (p *Pointers) UnmarshalJSON(text []byte) error { p.X = 1; return nil }

type Key struct{ X int }

func (k Key) MarshalText() ([]byte, error) { return []byte("made"), nil }
func (k *Key) UnmarshalText(text []byte) error { k.X = 1; return nil }

type Writes struct{ X int }

func (w Writes) MarshalText() ([]byte, error) { return []byte("made"), nil }

type Reads struct{ X int }

func (r *Reads) UnmarshalText(text []byte) error { r.X = 1; return nil }

var _ json.Number
var _ time.Time

`

// payloadProgram prints the outcome for each field of each type.
const payloadProgram = `package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"
	"unsafe"
)

type square struct{}

func (square) Area() float64 { return 1 }

func main() {
	for _, t := range all {
		fields(t, t, nil, t.Name(), t.Name()+".", nil)
	}
}

// fields walks the fields of a struct that encoding/json might find.
func fields(root, t reflect.Type, index []int, path, chain string, names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _ := f.Tag.Lookup("json")
		if tag == "-" {
			continue
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		at, name := append(index[:len(index):len(index)], i), path + "." + f.Name
		key, _, _ := strings.Cut(tag, ",")
		unnamed := key == "" || key == "it's"
		if unnamed {
			key = f.Name
		}
		names := append(names[:len(names):len(names)], key)
		o := outcome{Type: root.Name(), Path: name, Chain: chain + f.Name, Names: names, Tag: tag}
		isStruct := inner.Kind() == reflect.Struct && !speaks(inner)
		switch {
		case isStruct && (f.Anonymous || f.IsExported()):
			next := chain + f.Name + "."
			if f.Anonymous && unnamed {
				next = chain + f.Name + ">"
			}
			fields(root, inner, at, name, next, names)
		case f.IsExported():
			try(root, at, o)
		case f.Anonymous:
			o.Lost = "it is not exported and no struct"
			report(o)
		case tag != "":
			o.Lost, o.Unsure = "it is not exported", true
			report(o)
		}
	}
}

func speaks(t reflect.Type) bool {
	for _, name := range []string{"MarshalJSON", "MarshalText"} {
		if _, ok := reflect.PointerTo(t).MethodByName(name); ok {
			if t.Kind() != reflect.Struct || t.PkgPath() != "main" || declared[t.Name()] {
				return true
			}
		}
	}
	return false
}

var declared = map[string]bool{"Both": true, "Embedded": true, "Pointers": true, "Key": true, "Writes": true, "Reads": true}

type outcome struct {
	Type, Path, Chain, Lost string
	Names                   []string
	Unsure, Zero, Quoted    bool
	Tag                     string
}

func report(o outcome) {
	line, _ := json.Marshal(o)
	fmt.Fprintf(os.Stdout, "%s\n", line)
}

// reach returns the field of a value, with all pointers on the way set.
func reach(v reflect.Value, index []int, allocate bool) (reflect.Value, bool) {
	for _, i := range index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !allocate {
					return v, false
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
		v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem() // exported or not
	}
	return v, true
}

func try(root reflect.Type, index []int, o outcome) {
	defer func() { report(o) }()
	value, base := reflect.New(root).Elem(), reflect.New(root).Elem()
	field, _ := reach(value, index, true)
	reach(base, index, true)
	if !fill(field) {
		o.Lost = "JSON has no value"
		return
	}
	got, err := encode(value)
	without, _ := encode(base)
	empty, _ := encode(reflect.New(root).Elem())
	if err != nil {
		_, own := encode(field)
		o.Lost, o.Unsure = err.Error(), own == nil // it may be the fault of another field
		return
	}
	key := o.Names[len(o.Names)-1]
	var members, zeroes map[string]json.RawMessage
	json.Unmarshal([]byte(got), &members)
	json.Unmarshal([]byte(empty), &zeroes)
	_, o.Zero = zeroes[key]
	inner := field.Type()
	if kind := inner.Kind(); kind == reflect.Pointer || kind == reflect.Slice || kind == reflect.Map {
		inner = inner.Elem()
	}
	made := inner.PkgPath() == "main" && speaks(inner)
	o.Quoted = strings.HasPrefix(string(members[key]), "\"") && !made && field.Kind() != reflect.Slice && field.Kind() != reflect.Interface && inner != reflect.TypeFor[time.Time]()
	switch {
	case got == without:
		o.Lost = "the JSON is the same without it: " + got
	case made && !strings.Contains(got, "made1"):
		o.Lost = "its methods are not called: " + got
	default:
		o.Lost = decode(root, index, got, field)
	}
}

func encode(v reflect.Value) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	b, err := json.Marshal(v.Interface())
	return string(b), err
}

func decode(root reflect.Type, index []int, text string, want reflect.Value) (lost string) {
	defer func() {
		if p := recover(); p != nil {
			lost = fmt.Sprint("panic: ", p)
		}
	}()
	v := reflect.New(root)
	err := json.Unmarshal([]byte(text), v.Interface())
	got, ok := reach(v.Elem(), index, false)
	if !ok || !reflect.DeepEqual(got.Interface(), want.Interface()) {
		return fmt.Sprintf("%s is not decoded: %v", text, err)
	}
	return ""
}

// fill gives a value one that is not zero, if JSON has any.
func fill(v reflect.Value) bool {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)))
		return true
	case reflect.TypeFor[error]():
		v.Set(reflect.ValueOf(errors.New("failed")))
		return true
	case reflect.TypeFor[Shape]():
		v.Set(reflect.ValueOf(square{}))
		return true
	case reflect.TypeFor[json.Number]():
		v.SetString("1")
		return true
	}
	switch v.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64:
		return false
	case reflect.String:
		v.SetString("s")
	case reflect.Int:
		v.SetInt(1)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Interface:
		v.Set(reflect.ValueOf("s"))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return fill(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(elem)
		v.SetMapIndex(key, elem)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	}
	return true
}
`
