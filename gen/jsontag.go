package gen

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// checkTag reports what the tag of a field says of JSON and encoding/json does
// not hear, or hears as something else. It is the same in both directions, also
// for options that only count when a value is encoded: a client encodes what the
// agent decodes.
func (c *payloadCheck) checkTag(f jsonField, at place) {
	t := &tagCheck{payloadCheck: c, field: f, at: at, where: nameOf(f.field)}
	if literal := c.tags[f.field.Pos()]; literal != nil {
		t.where, t.literal = literal, literal
	}
	pairs, rest := tagPairs(f.tag)
	first := slices.IndexFunc(pairs, func(p tagPair) bool { return p.key == "json" })
	if first < 0 {
		t.checkUnseen(pairs, rest)
		return
	}
	if slices.ContainsFunc(pairs[first+1:], func(p tagPair) bool { return p.key == "json" }) {
		t.report(codePayloadTag, "encoding/json reads the first json of a tag, and this one has another: remove one of them")
		return
	}
	t.json = pairs[first]
	behind := f.tag[t.json.end:]
	if m := optionBehind.FindStringSubmatchIndex(behind); m != nil {
		option := behind[m[2]:m[3]]
		value := t.json.value + "," + option
		t.json.end += m[3]
		t.fix(t.report(codePayloadTag, "encoding/json does not read the option %s behind the quotes: write json:%q", option, value), value)
		return
	}
	name, options, hasOptions := strings.Cut(t.json.value, ",")
	if t.checkName(name, options, hasOptions) && hasOptions {
		t.checkOptions(name, strings.Split(options, ","))
	}
}

// tagCheck is about one tag.
type tagCheck struct {
	*payloadCheck
	field   jsonField
	at      place
	where   analysis.Range
	literal *ast.BasicLit // nil if it cannot be found
	json    tagPair
}

func (t *tagCheck) report(code code, format string, args ...any) *problem {
	return t.reportAt(t.where, code, t.at, fmt.Sprintf(format, args...))
}

// warn is report for options that do nothing. No value is lost, code that works
// is full of them, and some are for others who read the tag.
func (t *tagCheck) warn(code code, format string, args ...any) *problem {
	p := t.report(code, format, args...)
	if p != nil {
		p.severity = SeverityWarning
	}
	return p
}

// fix offers to give the json of a tag another value. There is no problem when
// it has been reported before.
func (t *tagCheck) fix(p *problem, value string) {
	if p == nil || t.literal == nil {
		return
	}
	before, after := t.field.tag[:t.json.start], t.field.tag[t.json.end:]
	if before != "" && !strings.HasSuffix(before, " ") {
		before += " "
	}
	pair := "json:" + strconv.Quote(value)
	p.fix(t.literal, tagLiteral(before+pair+after), "Write "+pair)
}

// tagLiteral writes a tag, in backquotes if it can.
func tagLiteral(tag string) string {
	if strconv.CanBackquote(tag) {
		return "`" + tag + "`"
	}
	return strconv.Quote(tag)
}

var (
	// jsonInTag finds what was meant for a key and a value in a text that is none.
	jsonInTag = regexp.MustCompile("(?i)\\bjson\\s*[:=]\\s*[\\\\\"'\u201c]*([^\"'\\\\\\s\u201d]*)")
	// jsonAlone is such a text with nothing else in it.
	jsonAlone = regexp.MustCompile("(?i)^\\s*json\\s*[:=]\\s*[\\\\\"'\u201c]*([\\w-]*(,\\w+)*)[\\\\\"'\u201d]*\\s*$")
)

// optionBehind matches an option that comes after what it belongs into.
var optionBehind = regexp.MustCompile(`^\s*,?\s*(omitempty|omitzero|string)(?:,?\s|,?$)`)

// checkUnseen reports a tag that says something of JSON where encoding/json does
// not look for it. The rest is what follows the pairs.
func (t *tagCheck) checkUnseen(pairs []tagPair, rest string) {
	for _, t.json = range pairs {
		switch key := t.json.key; {
		case strings.EqualFold(key, "json"):
			t.fix(t.report(codePayloadTag, "encoding/json looks for json in a tag, and not for %s: write json:%q", key, t.json.value), t.json.value)
			return
		case strings.EqualFold(strings.TrimLeft(key, ",;|"), "json"):
			t.fix(t.report(codePayloadTag, "encoding/json looks for json in a tag, and finds %s: write a space before json, and nothing else", key), t.json.value)
			return
		}
	}
	found := jsonInTag.FindStringSubmatch(rest)
	if found == nil {
		return
	}
	value := found[1]
	if name, _, _ := strings.Cut(value, ","); name != "" && !isJSONName(name) {
		value = "name"
	}
	p := t.report(codePayloadTag, "encoding/json does not see what this tag says, for that has not the form key:\"value\": write json:%q", value)
	if jsonAlone.MatchString(t.field.tag) {
		t.json = tagPair{end: len(t.field.tag)}
		t.fix(p, value)
	}
}

// checkName checks the name in a tag. It reports whether the options are worth
// a look.
func (t *tagCheck) checkName(name, options string, hasOptions bool) bool {
	value := func(name string) string {
		if hasOptions {
			return name + "," + options
		}
		return name
	}
	switch {
	case name == "":
		return true
	case name == "-" && options != "":
		t.report(codePayloadTag, "the field is called - in JSON, for only json:\"-\" leaves it out: write that, or another name")
		return false
	case !isJSONName(name):
		t.report(codePayloadTag, "encoding/json does not take %q for a name and does without: use letters, digits, and punctuation other than quotes and backslashes", name)
	case strings.TrimSpace(name) != name:
		want := value(cmp.Or(strings.TrimSpace(name), t.field.field.Name()))
		t.fix(t.report(codePayloadTag, "the field is called %q in JSON, with the space: write json:%q", name, want), want)
	case !hasOptions && isOmit(name) && !strings.EqualFold(name, t.field.field.Name()):
		want := "," + name
		t.fix(t.report(codePayloadTag, "the field is called %s in JSON, for no comma is before it: write json:%q", name, want), want)
		return false
	}
	if i := strings.LastIndexAny(name, " ;:|"); i > 0 && isOmit(name[i+1:]) {
		want := value(strings.TrimRight(name[:i], " ;:|") + "," + name[i+1:])
		t.fix(t.report(codePayloadTag, "the field is called %q in JSON, for an option comes after a comma: write json:%q", name, want), want)
	}
	return true
}

func isOmit(option string) bool { return option == "omitempty" || option == "omitzero" }

// jsonOptions are what encoding/json knows.
var jsonOptions = []string{"omitempty", "omitzero", "string"}

func (t *tagCheck) checkOptions(name string, options []string) {
	// with returns the value of the tag with another option, "" for none.
	with := func(i int, option string) string {
		changed := slices.Clone(options)
		if changed[i] = option; option == "" || slices.Contains(options, option) {
			changed = slices.Delete(changed, i, i+1)
		}
		return strings.Join(append([]string{name}, changed...), ",")
	}
	_, embedded, isPointer := embeddedStruct(t.field.field)
	flattened := embedded != nil && !t.field.tagged
	for i, option := range options {
		near := nearestOption(option)
		switch {
		case option == "":
		case flattened && (isPointer || option == "inline"):
			// What the option asks for is done anyway.
		case near == option && flattened:
			p := t.warn(codePayloadTagOption, "%s has no effect on an embedded struct, whose fields take its place: remove it, or give the field a name", option)
			t.fix(p, with(i, ""))
		case option == "string":
			if problem := t.stringProblem(); problem != "" {
				t.fix(t.report(codePayloadTagOption, "%s: remove the option", problem), with(i, ""))
			}
		case option == "omitempty" && !slices.Contains(options, "omitzero"):
			if problem := t.omitEmptyProblem(); problem != "" {
				t.fix(t.warn(codePayloadOmitEmpty, "%s", problem), with(i, "omitzero"))
			}
		case near == option:
		case near != "":
			t.fix(t.report(codePayloadTagOption, "encoding/json does not know the option %q: write %s", option, near), with(i, near))
		default:
			t.warn(codePayloadTagOption, "encoding/json does not know the option %q, only omitempty, omitzero and string: remove it", option)
		}
	}
}

// nearestOption returns the option that one of this name most likely stands
// for, or "".
func nearestOption(name string) string {
	name = strings.NewReplacer(" ", "", "_", "", "-", "").Replace(strings.ToLower(name))
	for _, option := range jsonOptions {
		if distance(name, option) <= len(option)/4 {
			return option
		}
	}
	return ""
}

// omitEmptyProblem says that the value of the field is never empty in the sense
// of encoding/json.
func (t *tagCheck) omitEmptyProblem() string {
	if t.isParameter() {
		return ""
	}
	switch u := t.field.field.Type().Underlying().(type) {
	case *types.Struct:
		return "omitempty has no effect on a struct: write omitzero, or use a pointer"
	case *types.Array:
		if u.Len() > 0 {
			return "omitempty has no effect on an array: write omitzero, or use a slice"
		}
	}
	return ""
}

// stringProblem says why the option string does no good to the field.
func (t *tagCheck) stringProblem() string {
	if t.isParameter() {
		return ""
	}
	inner := types.Unalias(t.field.field.Type())
	if p, ok := inner.(*types.Pointer); ok {
		inner = types.Unalias(p.Elem())
	}
	basic, ok := inner.Underlying().(*types.Basic)
	if !ok || basic.Info()&(types.IsString|types.IsInteger|types.IsFloat|types.IsBoolean) == 0 {
		return "the option string has no effect on " + t.handler.text(t.field.field.Type()) + ", for it is for strings, numbers and booleans"
	}
	for _, name := range []string{"MarshalJSON", "MarshalText", "UnmarshalJSON", "UnmarshalText"} {
		if method(inner, true, name) != nil && (name != "UnmarshalJSON" || method(inner, true, "MarshalJSON") != nil) {
			return "encoding/json does not decode what it encodes with the option string, for " + t.handler.text(inner) + " has the method " + name
		}
	}
	return ""
}

// isParameter reports whether the type of the field is a type argument: then the
// tag is right for other types.
func (t *tagCheck) isParameter() bool {
	inner := t.field.field.Origin().Type()
	if p, ok := inner.(*types.Pointer); ok {
		inner = p.Elem()
	}
	_, ok := inner.(*types.TypeParam)
	return ok
}

// tagPair is a key and a value, from start to end in a tag.
type tagPair struct {
	key, value string
	start, end int
}

// tagPairs returns what is in a tag, as [reflect.StructTag.Lookup] finds it, and
// the rest that is not of that form.
func tagPairs(tag string) (pairs []tagPair, rest string) {
	for i := 0; ; {
		for i < len(tag) && tag[i] == ' ' {
			i++
		}
		start := i
		for i < len(tag) && tag[i] > ' ' && tag[i] != ':' && tag[i] != '"' && tag[i] != 0x7f {
			i++
		}
		key := tag[start:i]
		if key == "" || !strings.HasPrefix(tag[i:], `:"`) {
			return pairs, tag[start:]
		}
		quoted := i + 1
		for i = quoted + 1; i < len(tag) && tag[i] != '"'; i++ {
			if tag[i] == '\\' {
				i++
			}
		}
		if i >= len(tag) {
			return pairs, tag[start:]
		}
		i++
		value, err := strconv.Unquote(tag[quoted:i])
		if err != nil && key == "json" {
			return pairs, tag[start:]
		}
		pairs = append(pairs, tagPair{key, value, start, i})
	}
}

// tagLiterals returns the tags of all fields in files, by the positions of the
// fields' names.
func tagLiterals(files []*ast.File) map[token.Pos]*ast.BasicLit {
	tags := make(map[token.Pos]*ast.BasicLit)
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok && field.Tag != nil {
				for _, name := range field.Names {
					tags[name.Pos()] = field.Tag
				}
				if name := embeddedName(field.Type); len(field.Names) == 0 && name != nil {
					tags[name.Pos()] = field.Tag
				}
			}
			return true
		})
	}
	return tags
}

// embeddedName returns the name of an embedded field in its type, or nil if the
// type is none that can be embedded.
func embeddedName(t ast.Expr) *ast.Ident {
	switch t := t.(type) {
	case *ast.Ident:
		return t
	case *ast.StarExpr:
		return embeddedName(t.X)
	case *ast.SelectorExpr:
		return t.Sel
	case *ast.IndexExpr:
		return embeddedName(t.X)
	case *ast.IndexListExpr:
		return embeddedName(t.X)
	case *ast.ParenExpr:
		return embeddedName(t.X)
	}
	return nil
}
