# gofs. "make test" is the whole truth; "make demo" shows it working.

GO      ?= go
BIN     := bin/gofs
PREFIX  ?= /usr/local
TIMEOUT ?= 15m
export CGO_ENABLED ?= 0

.PHONY: all build demo demo-stop test race bench sim lint generate man install uninstall package deps clean

all: build

build:
	$(GO) build -trimpath -o $(BIN) ./cmd/gofs

# What the tests and the demo need of the machine. apt-get runs only if something is missing.
deps:
	@dist/deps.sh

# A pool of three nodes on this machine, with a volume of two copies and an arbiter across
# them, mounted and left running.
demo: deps build
	@dist/demo.sh start

demo-stop:
	@dist/demo.sh stop

# -count=1: some tests build and run the binary, which the test cache does not see. What
# runs whole processes, or simulates for minutes, has the machine to itself.
test: deps lint
	$(GO) test -count=1 -timeout $(TIMEOUT) -p 2 $$($(GO) list ./... | grep -v /tests/)
	$(GO) test -count=1 -timeout $(TIMEOUT) -p 1 ./tests/...

race: deps
	CGO_ENABLED=1 $(GO) test -count=1 -race -timeout 30m -p 2 ./...

# gofs, GlusterFS and the bare disk side by side, in turns; about 6 minutes a round.
# Also: make bench ROUNDS=1 BENCHFLAGS='-only small -systems gofs,gluster'
ROUNDS  ?= 3
bench: deps build
	@dist/deps.sh glusterfs-server fio
	$(GO) run ./tests/bench -rounds $(ROUNDS) -json bench.json $(BENCHFLAGS)

# Replication in simulation: faults, crashes, loss of power, several clients (see
# docs/simulation.md). "make test" runs the first 2,000 seeds of each kind of set.
SEEDS ?= 20000
FROM  ?= 0
sim:
	$(GO) test -c -o bin/sim.test ./tests/sim
	bin/sim.test -test.timeout 0 -test.parallel 3 -test.v -runs $(SEEDS) -from $(FROM) -progress 10s

lint:
	@bad=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$bad" ]; then echo "not formatted by gofmt:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...

# The protobuf code from protocol/pb/fop.proto.
generate:
	@dist/deps.sh protobuf-compiler
	$(GO) build -o bin/protoc-gen-go google.golang.org/protobuf/cmd/protoc-gen-go
	PATH="$(CURDIR)/bin:$$PATH" $(GO) generate ./...

# The manual pages, from the tables of commands and options.
man: build
	$(BIN) man $(dir $(BIN))man

# DESTDIR is put before everything. mount(8) finds helpers in /sbin only.
SBINDIR ?= /sbin
UNITDIR ?= $(PREFIX)/lib/systemd/system
ETCDIR  ?= /etc
TO       = $(DESTDIR)$(PREFIX)
SHARE    = $(TO)/share
install: man
	install -D -m 0755 $(BIN) $(TO)/bin/gofs
	install -d $(DESTDIR)$(SBINDIR)
	ln -sfn $(PREFIX)/bin/gofs $(DESTDIR)$(SBINDIR)/mount.gofs
	install -D -m 0755 -t $(TO)/lib/gofs dist/stop-bricks
	install -D -m 0644 -t $(DESTDIR)$(UNITDIR) dist/gofsd.service dist/gofs-bricks.service
	sed -i 's|/usr/local/|$(PREFIX)/|' $(DESTDIR)$(UNITDIR)/gofsd.service $(DESTDIR)$(UNITDIR)/gofs-bricks.service
	install -D -m 0644 dist/gofs.logrotate $(DESTDIR)$(ETCDIR)/logrotate.d/gofs
	install -D -m 0644 -t $(SHARE)/man/man8 $(dir $(BIN))man/*.8
	install -D -m 0644 -t $(SHARE)/doc/gofs README.md LICENSE docs/*.md
	install -d $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	$(BIN) completion bash > $(SHARE)/bash-completion/completions/gofs
	$(BIN) completion zsh > $(SHARE)/zsh/site-functions/_gofs
	$(BIN) completion fish > $(SHARE)/fish/vendor_completions.d/gofs.fish

# With the same variables as install. Logs, the configuration and the bricks stay.
uninstall:
	rm -f $(TO)/bin/gofs $(DESTDIR)$(SBINDIR)/mount.gofs $(DESTDIR)$(UNITDIR)/gofsd.service $(DESTDIR)$(UNITDIR)/gofs-bricks.service
	rm -f $(DESTDIR)$(ETCDIR)/logrotate.d/gofs $(SHARE)/man/man8/gofs.8 $(SHARE)/man/man8/gofs-daemon.8 $(SHARE)/man/man8/mount.gofs.8
	rm -f $(SHARE)/bash-completion/completions/gofs $(SHARE)/zsh/site-functions/_gofs $(SHARE)/fish/vendor_completions.d/gofs.fish
	rm -rf $(TO)/lib/gofs $(SHARE)/doc/gofs

# gofs_VERSION_ARCH.deb and gofs-VERSION-1.ARCH.rpm in OUT; nfpm is a module of its own
# in dist/package, so that gofs's go.mod stays short.
OUT     ?= bin/package
ARCH    ?= $(shell $(GO) env GOARCH)
VERSION := $(shell sed -n 's/^const version = "\(.*\)"/\1/p' cmd/gofs/main.go)
NFPM     = OUT="$(abspath $(OUT))" VERSION=$(VERSION) ARCH=$(ARCH) \
	$(GO) -C dist/package tool nfpm package -f nfpm.yaml -t "$(abspath $(OUT))"
package:
	rm -rf $(OUT)/root
	$(MAKE) --no-print-directory install BIN=$(BIN) DESTDIR=$(abspath $(OUT))/root PREFIX=/usr SBINDIR=/usr/sbin
	GOARCH=$(ARCH) $(GO) build -trimpath -ldflags=-s -o $(OUT)/root/usr/bin/gofs ./cmd/gofs
	gzip -9nf $(OUT)/root/usr/share/man/man8/*.8
	$(NFPM) -p deb
	$(NFPM) -p rpm

clean: demo-stop
	rm -rf bin
