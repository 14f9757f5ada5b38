SHELL := /bin/bash
BIN := $(or $(CARGO_TARGET_DIR),target)/release/weir

.PHONY: help demo test lint build captures bench speed bench-instructions budgets

help:
	@echo "make demo                build weir and show the latency of a recorded shop, by route"
	@echo "make test                run every test"
	@echo "make lint                formatting and lints"
	@echo "make build               build target/release/weir"
	@echo "make captures            record captures/ anew (root, Debian-like)"
	@echo "make bench               weir beside other programs: time, memory, bytes on disk"
	@echo "make speed               the same, and its table into README.md"
	@echo "make bench-instructions  instructions an exchange, against their budgets"
	@echo "make budgets             sets the budgets to what is counted now"

build:
	@tools/need build
	@tools/build

demo: build
	@echo
	@echo "captures/shop.pcap was recorded by tcpdump beside a small shop: seven seconds, thirty shoppers."
	@echo "How long did each route take, and how far can each number be trusted?"
	@echo
	@echo "  $$ weir latency captures/shop.pcap"
	@echo
	@$(BIN) latency captures/shop.pcap
	@echo
	@echo "Next, with $(BIN):"
	@echo "  weir list captures/shop.pcap --where 'status >= 500'          the failures, a line each"
	@echo "  weir list captures/shop.pcap --where 'total > 500ms'          the slow ones; the ID follows the time"
	@echo "  weir show captures/shop.pcap ID                               one exchange in full (secrets redacted)"
	@echo "  weir compare captures/shop.pcap captures/shop-after.pcap.gz   what the shop's next version changed"
	@echo "  sudo weir capture -i eth0 -p 80 -w segments                   the same of your own traffic, live"

test:
	@tools/need test
	@tools/foreign
	cargo test --locked --features parquet,otlp

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets --features parquet,otlp -- -D warnings

captures:
	captures/record

# OPTIONS='--size 0.1 --traces api,mixed --peers weir,tshark --repeat 3'; TRACES=DIR reads other
# captures; benches/peers --help tells all. On Debian: apt-get install tshark tcpflow ngrep httpry
# tcpdump zstd time.
bench:
	@tools/need build
	@cargo build --release --locked --bin weir --example floor --example traces
	@benches/peers $(if $(TRACES),--from $(TRACES)) $(OPTIONS)

speed:
	@$(MAKE) bench OPTIONS="--readme README.md $(OPTIONS)"

bench-instructions budgets:
	@tools/need build
	@cargo build --release --locked --bin weir --example traces
	@benches/instructions $(if $(filter budgets,$@),--write)
