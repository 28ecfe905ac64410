package main

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lakeflow": func() { os.Exit(realMain()) }, "kfake": kfakeMain})
}

// TestScripts runs the scripts in testdata/script: the contract of the product.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Condition: condition})
}

// condition knows pyiceberg: whether Python can read tables back here.
func condition(name string) (bool, error) {
	if name != "pyiceberg" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	return exec.Command("python3", "-c", "import pyiceberg.catalog.sql, pyarrow").Run() == nil, nil
}
