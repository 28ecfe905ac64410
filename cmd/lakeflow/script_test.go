package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lakeflow": func() { os.Exit(realMain()) }, "kfake": kfakeMain, "catalog": catalogMain, "flip": flipMain})
}

// catalogMain runs SQL on a warehouse's catalog, as another program would: catalog SQL.
func catalogMain() {
	db, err := sql.Open("sqlite", "file:warehouse/catalog.db")
	if err == nil {
		_, err = db.Exec(os.Args[1])
		err = errors.Join(err, db.Close())
	}
	exitWith(err)
}

// flipMain flips a bit of each byte of the files that a glob finds from an offset on, as a disk might: flip GLOB OFFSET
// LENGTH.
func flipMain() {
	files, err := filepath.Glob(os.Args[1])
	if err == nil && len(files) == 0 {
		err = errors.New("no file matches " + os.Args[1])
	}
	from, err1 := strconv.Atoi(os.Args[2])
	n, err2 := strconv.Atoi(os.Args[3])
	err = errors.Join(err, err1, err2)
	for _, path := range files {
		var content []byte
		if err == nil {
			content, err = os.ReadFile(path)
		}
		for i := from; err == nil && i < from+n; i++ {
			content[i] ^= 1
		}
		if err == nil {
			err = os.WriteFile(path, content, 0o644)
		}
	}
	exitWith(err)
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestScripts runs the scripts in testdata/script: the contract of the product.
func TestScripts(t *testing.T) {
	data, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Condition: condition, Setup: func(e *testscript.Env) error {
		e.Setenv("TESTDATA", data)
		return nil
	}})
}

// condition knows pyiceberg: whether Python can read tables back here.
func condition(name string) (bool, error) {
	if name != "pyiceberg" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	return exec.Command("python3", "-c", "import pyiceberg.catalog.sql, pyarrow").Run() == nil, nil
}
