package project

import (
	"regexp"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
)

// Arguments are the pipeline file and its parameters as a command line has them, for commands that people are told to
// go on with. The value of a secret is not shown.
func (p *Project) Arguments() string {
	text := Quote(p.file)
	for _, param := range p.opts.Params {
		secret := func(d dsl.Parameter) bool { return d.Name == param.Name && d.Secret }
		if slices.ContainsFunc(p.Pipeline.Parameters, secret) {
			param.Value = "***"
		}
		text += " --param " + Quote(param.Name+"="+param.Value)
	}
	for _, flag := range [][2]string{{"--overlay", p.opts.Overlay}, {"--target", p.opts.Target}, {"--resource", p.opts.Resource}} {
		if flag[1] != "" {
			text += " " + flag[0] + " " + Quote(flag[1])
		}
	}
	return text
}

// Again is the command that runs the pipeline.
func (p *Project) Again() string { return "lakeflow run " + p.Arguments() }

var plainArgument = regexp.MustCompile(`^[\pL\pN_./@%+=:,-]+$`)

// Quote is an argument as a shell reads it.
func Quote(s string) string {
	if plainArgument.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
