.PHONY: build test lint ci bench chaos

# The binary to hand on, without debugger tables and without the paths of this machine.
build:
	go build -trimpath -ldflags "-s -w" -o bin/lakeflow ./cmd/lakeflow

test:
	go test ./...

lint:
	@test -z "$$(gofmt -l $$(git ls-files "*.go"))" || { gofmt -l $$(git ls-files "*.go"); exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@latest ./...

ci:
	.ci/run

# Works below the user's cache folder, in about 6 GB, and with a broker in memory of as much (or LAKEFLOW_KAFKA_BROKERS); go run ./cmd/bench --help tells of other folders and of single workloads.
bench:
	go run ./cmd/bench

# A pipeline that reads a real Apache Kafka (java, mvn and openssl are needed) is killed a thousand times. LAKEFLOW_CHAOS_SEED=n repeats a run.
chaos:
	LAKEFLOW_CHAOS_KILLS=$${LAKEFLOW_CHAOS_KILLS:-1000} exec go test ./cmd/lakeflow -run '^TestChaos$$' -count=1 -v -timeout 3h
