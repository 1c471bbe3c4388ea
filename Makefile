# Each target is one line to what really does it.
.PHONY: demo test test-image image bench docs fuzz install-tools

demo:
	@packaging/dev/demo.sh $(if $(ONCE),--once)

test: 
	@packaging/dev/test.sh

image:
	@packaging/dev/image.sh

test-image:
	@packaging/dev/test-image.sh

bench:
	@packaging/dev/bench.sh

docs:
	@UPDATE=1 cargo test --quiet --package orchd --test it generated

fuzz:
	@packaging/dev/fuzz.sh
