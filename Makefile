.PHONY: test lint ci bench

test:
	go test ./...

lint:
	@test -z "$$(gofmt -l $$(git ls-files "*.go"))" || { gofmt -l $$(git ls-files "*.go"); exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@latest ./...

ci:
	.ci/run

# Works below the user's cache folder, in about 1.5 GB; go run ./cmd/bench --help tells of other folders and of single workloads.
bench:
	go run ./cmd/bench
