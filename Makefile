.PHONY: demo test
demo:
	@echo "under construction"; exit 1
test:
	cargo test
