# Every target is one line that calls a script of the same name in scripts/.
.PHONY: run-image demo demo-down test test-nightly bench bench-agent bench-frames bench-service bench-start lint images install clean

demo:
	@scripts/demo

demo-down:
	@scripts/demo-down

test:
	@scripts/test

test-nightly:
	@scripts/test-nightly

bench:
	@.venv/bin/python scripts/bench

bench-frames:
	@.venv/bin/python scripts/bench-frames

bench-service:
	@.venv/bin/python scripts/bench-service

bench-start:
	@.venv/bin/python scripts/bench-start

bench-agent:
	@.venv/bin/python scripts/bench-agent

lint:
	@scripts/lint

images:
	@scripts/build-images

run-image:
	@scripts/run-image $(IMAGE)

install:
	@scripts/install

clean:
	@scripts/clean
