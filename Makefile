# Each target is one line to what really does it.
.PHONY: demo test test-slow lint test-image test-action-image test-system bench docs fuzz deb image action-image install

demo:
	@packaging/dev/demo.sh $(if $(ONCE),--once)

test: 
	@packaging/dev/test.sh

test-slow:
	@packaging/dev/test.sh --slow

lint:
	@packaging/dev/lint.sh

test-system:
	@packaging/dev/test-system.sh

image:
	@packaging/dev/image.sh

test-image:
	@packaging/dev/test-image.sh

action-image:
	@packaging/dev/action-image.sh

test-action-image:
	@packaging/dev/test-action-image.sh

bench:
	@packaging/dev/bench.sh

docs:
	@UPDATE=1 cargo test --quiet --workspace --test it --test stories generated

fuzz:
	@packaging/dev/fuzz.sh

deb:
	@packaging/dev/deb.sh

install:
	@DESTDIR='$(DESTDIR)' PREFIX='$(or $(PREFIX),/usr)' packaging/dev/install.sh
