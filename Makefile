# The two commands a newcomer needs are `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

BIN := bin
UNIT := $(shell go list ./... 2>/dev/null | grep -v -e /e2e -e '/cmd/devnet$$')
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help build demo test test-unit test-system bench lint fuzz proto docs clean
.PHONY: bench-relay profile-relay soak-relay bench-transports bench-ring bench-ingest kill-ingest bench-failover bench-calm test-clock test-drain test-claims test-abuse

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

build: ## build bin/raftminer, bin/raftctl and bin/devnet
	go build -o $(BIN)/ ./cmd/raftminer ./cmd/raftctl ./cmd/devnet

demo: build ## relays on a real chain, the leader killed half-way, and what was paid
	@scripts/deps.sh --optional
	$(BIN)/devnet run --relays 600 --rps 60 --kill-leader 1 --sessions 3 -o table

test: ## everything: unit tests with -race, then the system tests on the real chain
	scripts/deps.sh haproxy
	scripts/test-unit.sh
	scripts/test-system.sh

test-unit: ## unit tests with -race
	scripts/deps.sh
	scripts/test-unit.sh

test-system: ## system tests on the real chain
	scripts/deps.sh haproxy
	scripts/test-system.sh

bench: ## go benchmarks with allocations, COUNT times each, fit for benchstat
	go test -run '^$$' -bench . -benchmem -count $(or $(COUNT),1) $(UNIT)

lint: ## gofmt, vet and staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	go vet ./...
	go vet -tags failpoints ./ingest/...
	go run $(STATICCHECK) $(UNIT)

bench-relay: ## a relayer on one core against stock cryptography, in one run; ends with JSON
	@scripts/bench-relay.sh

profile-relay: ## where a relayer's processor time goes, by stage
	@scripts/profile-relay.sh

soak-relay: ## a million relays through a relayer whose memory and goroutines may not grow; ends with JSON
	@scripts/soak-relay.sh

bench-transports: ## events of 100 streams and 1,000 idle WebSockets through one relayer; ends with JSON
	@scripts/bench-transports.sh

bench-ring: ## ring verification against ring-go, in one run; ends with JSON
	@scripts/bench-ring.sh

bench-ingest: ## from the stream into stored trees, miner and Redis on one core; ends with JSON
	@scripts/bench-ingest.sh

kill-ingest: ## 1,000 owners killed inside the flush, the trees compared with a reference; ends with JSON
	@scripts/kill-ingest.sh

bench-failover: ## how long the miners are without a leader that stores relays; ends with JSON
	@scripts/bench-failover.sh

bench-calm: ## ten minutes under load on all CPUs in which nobody may be elected; ends with JSON
	@scripts/bench-failover.sh -calm 10m -kills 0 -pauses 0 -transfers 0

test-clock: ## set the clocks of leading miners while relays flow; builds everything once more
	@scripts/test-clock.sh

test-claims: ## 20 suppliers, five services, ten sessions, proofs of some; also with a leader killed every 2 s
	scripts/deps.sh
	go build -tags failpoints -o bin/claims/ ./cmd/raftminer ./cmd/raftctl
	RAFTMINER_CLAIMS_SUPPLIERS=20 RAFTMINER_CLAIMS_SESSIONS=10 RAFTMINER_TEST_BIN=$(CURDIR)/bin/claims go test -count=1 -timeout 40m -parallel 1 -run TestClaimsMixed -v ./e2e

test-drain: ## stop relayers under load, 20 times; nothing may fail or stay unpublished
	scripts/deps.sh
	go build -race -tags failpoints -o bin/test/ ./cmd/raftminer ./cmd/raftctl
	RAFTMINER_DRAIN_ROUNDS=20 RAFTMINER_TEST_BIN=$(CURDIR)/bin/test go test -count=1 -timeout 40m -run TestRelayDrain -v ./e2e

test-abuse: ## 7,000 slow connections, 100,000 junk requests and gRPC abuse against a relayer that good clients use
	scripts/deps.sh
	go build -o bin/ ./cmd/raftminer ./cmd/raftctl
	RAFTMINER_ABUSE=full RAFTMINER_TEST_BIN=$(CURDIR)/bin go test -count=1 -timeout 20m -run TestRelayAbuse -v ./e2e

fuzz: ## every fuzz target for a minute
	scripts/fuzz.sh

proto: ## rewrite the code of the admin API; needs protoc, protoc-gen-go and protoc-gen-go-grpc
	go generate ./raftfsm/adminpb

docs: ## rewrite the pages that are made from the code
	go test ./config ./cmd/raftctl -run TestReferenceIsCurrent -update

clean: ## remove what was built
	rm -rf $(BIN)
