package spark

import (
	"strconv"
	"strings"
)

// readers are the functions behind FROM that read files or other systems.
var readers = map[string]bool{"read_files": true, "read_stream": true, "cloud_files": true, "read_kafka": true, "read_kinesis": true, "read_pubsub": true,
	"read_pulsar": true, "read_statestore": true, "read_state_metadata": true}

// formats are those that a path may stand behind: json.`path`.
var formats = map[string]bool{"json": true, "csv": true, "parquet": true, "text": true, "avro": true, "orc": true, "binaryfile": true, "xml": true, "delta": true,
	"iceberg": true}

// readsFiles reads a call of one of the readers, or returns nil.
func (p *parser) readsFiles(at span, stream bool) relation {
	if !readers[strings.ToLower(p.text(p.i))] || p.op(p.i+1) != "(" {
		return nil
	}
	own := p.here()
	c, ok := p.primaryExpression().(*call)
	if !ok {
		return nil
	}
	r := Relation{Function: c.name, Stream: stream || c.name == "cloud_files"}
	p.readsStream = p.readsStream || r.Stream
	for _, a := range c.args {
		r.Args = append(r.Args, p.fileArgument(a))
	}
	return p.found(r, at, own, stream)
}

// found adds a relation to the result. own is where it begins behind STREAM.
func (p *parser) found(r Relation, at, own span, stream bool) relation {
	r.Name = "__files_" + strconv.Itoa(len(p.result.Relations)+1)
	r.Range = p.place(at.start, p.before())
	f := &files{span: p.since(at), found: len(p.result.Relations), call: span{own.start, p.before()}, bare: r.Stream && !stream}
	p.result.Relations = append(p.result.Relations, r)
	if !stream { // what STREAM stands in front of may have an alias behind its bracket
		f.alias = p.alias()
		f.span = p.since(at)
	}
	return f
}

func (p *parser) fileArgument(a argument) Argument {
	at := a.value.at()
	arg := Argument{Name: a.name, Range: p.place(at.start, at.end)}
	switch v := a.value.(type) {
	case *literal:
		arg.Value, arg.Const = v.value, true
	case *call:
		if v.name != "map" && v.name != "named_struct" {
			break
		}
		for i := 0; i+1 < len(v.args); i += 2 {
			key, ok := v.args[i].value.(*literal)
			if !ok {
				p.refuse(v.args[i].value.at(), "write a text", "the name of an option is a constant")
			}
			option := p.fileArgument(v.args[i+1])
			option.Name = key.value
			arg.Options = append(arg.Options, option)
		}
	}
	return arg
}

// isPath reports whether json.`path` follows.
func (p *parser) isPath() bool {
	return formats[strings.ToLower(p.text(p.i))] && p.op(p.i+1) == "." && p.token(p.i+2).Kind == Name && p.op(p.i+3) != "."
}

func (p *parser) path(at span, stream bool) relation {
	own := p.here()
	format := strings.ToLower(p.text(p.i))
	p.i += 2
	name := p.ident("a path")
	arg := Argument{Value: name.name, Const: true, Range: p.place(name.start, name.end)}
	return p.found(Relation{Function: format, Stream: stream, Args: []Argument{arg}}, at, own, stream)
}
