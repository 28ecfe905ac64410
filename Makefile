.PHONY: build test lint ci bench chaos kills differential spark-diff

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

# Updates are killed at each place where the tests take a sample of them.
kills:
	LAKEFLOW_KILLS=all LAKEFLOW_DAMAGE=all go test ./engine/project ./cmd/lakeflow -run 'Killed|Damaged' -count=1 -timeout 3h

# Random histories of changes against a model, and random views and changes against their queries evaluated in full. INCREMENTAL_SEED and CDC_SEED repeat a run.
differential:
	INCREMENTAL_VIEWS=$${INCREMENTAL_VIEWS:-10000} go test ./engine/incremental -count=1 -v -timeout 6h
	CDC_HISTORIES=$${CDC_HISTORIES:-100000} go test ./engine/cdc -count=1 -timeout 6h

# Spark SQL as lakeflow reads it against a real Apache Spark, which is installed from PyPI (java 17 is needed). "scripts/spark-diff --write" stores its answers.
spark-diff:
	scripts/spark-diff
