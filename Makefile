# Builds, tests and shows ngx_http_oidc_module.  "make help" lists what it can.
#
#   BUILD=release    what goes into production (default)
#   BUILD=debug      no optimisation, for gdb
#   BUILD=static     a whole nginx with the module inside (--add-module)
#   BUILD=sanitize   the same under AddressSanitizer and UBSan, with a hiredis
#                    that has TLS
#   NGINX_SRC=DIR    build for the nginx source tree in DIR instead of the
#                    installed nginx; NGINX_FLAGS for its ./configure
#   PROFILE=e2e      the demo with loose limits (default: production)
#   FUZZ=NAME FUZZ_TIME=60   one fuzz target, seconds each
#
# Everything made stands under build/; the result is
# build/ngx_http_oidc_module.so, a link to the last build's module.

SHELL := /bin/bash
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

BUILD ?= release
PROFILE ?= production
FUZZ_TIME ?= 60
JOBS ?= $(shell nproc)
NGINX ?= $(or $(shell PATH=$$PATH:/usr/sbin command -v nginx),nginx)

ROOT := $(CURDIR)
CACHE := build/cache
MODULE := ngx_http_oidc_module.so
# NGINX_SRC has a build directory of its own, so that switching is cheap
OUT := build/$(BUILD)$(if $(NGINX_SRC),-$(notdir $(abspath $(NGINX_SRC))))
TREE := $(OUT)/nginx-src

ifeq ($(filter $(BUILD),release debug static sanitize),)
$(error BUILD is release, debug, static or sanitize, not "$(BUILD)")
endif

ifneq ($(filter $(BUILD),static sanitize),)
STATIC := 1
endif

# Flags.  nginx adds -W -Wall -Wpointer-arith -Wno-unused-parameter -Werror for
# its own sources, ours included: -W is -Wextra, and unused parameters stay
# allowed because every nginx handler has some (its own headers do not need
# more).  "make modules" compiles nothing but our files, so a warning is ours.

HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wformat \
          -Werror=format-security
SANITIZE := -fsanitize=address,undefined -fno-omit-frame-pointer

CC_OPT.release := -O2 -g $(HARDEN)
CC_OPT.debug := -O0 -g3
CC_OPT.static := -O2 -g $(HARDEN)
CC_OPT.sanitize := -O1 -g $(SANITIZE) -DNGX_DEBUG_PALLOC=1
LD_OPT.release := -Wl,-z,relro -Wl,-z,now
LD_OPT.static := -Wl,-z,relro -Wl,-z,now
LD_OPT.sanitize := $(SANITIZE)

CC_OPT := $(CC_OPT.$(BUILD))
LD_OPT := $(LD_OPT.$(BUILD))

# The suite so runs over two hiredis: the system's, which on Debian 12 is 0.14
# without TLS, and one of 1.x.
ifeq ($(BUILD),sanitize)
HIREDIS := $(OUT)/hiredis
CC_OPT += -I $(ROOT)/$(HIREDIS)/include
LD_OPT += -L $(ROOT)/$(HIREDIS)
endif

PURE_CFLAGS := -std=gnu11 -Wall -Wextra -Wpointer-arith \
               -Wno-unused-parameter -Werror -MMD -MP -I src/oidc
PURE_LIBS := -ljwt -ljansson -lcrypto

CFLAGS.release := -O2 -g
CFLAGS.debug := -O0 -g3
CFLAGS.static := -O2 -g
CFLAGS.sanitize := -O1 -g $(SANITIZE) -fno-sanitize-recover=undefined
TEST_CFLAGS := $(PURE_CFLAGS) $(CFLAGS.$(BUILD)) $(CFLAGS)

PURE_SRCS := $(wildcard src/oidc/*.c)
PURE_OBJS := $(PURE_SRCS:src/oidc/%.c=$(OUT)/oidc/%.o)
LIBOIDC := $(OUT)/liboidc.a
UNITS := $(patsubst t/unit/%.c,$(OUT)/unit/%,$(wildcard t/unit/*.c))
FUZZERS := $(filter-out replay,$(patsubst t/fuzz/%.c,%,$(wildcard t/fuzz/*.c)))
REPLAYS := $(FUZZERS:%=$(OUT)/fuzz/%)
JOSE_SRCS := $(wildcard t/jose/*.c)
JOSE := $(if $(JOSE_SRCS),$(OUT)/jose)

# The suite: prove starts in the order given, so the two that take minutes come
# first; they run one after the other, beside the rest.
SLOW_TESTS := $(wildcard t/demo.t t/e2e_*.t)
TESTS ?= $(SLOW_TESTS) $(filter-out $(SLOW_TESTS),$(sort \
         $(shell find t -name '*.t' -not -path '*/node_modules/*')))

##@ Build

.PHONY: all default
all: module  ## build build/ngx_http_oidc_module.so (or a static nginx)
default: all

.PHONY: install
install: all  ## copy the module to nginx's modules directory (DESTDIR=)
ifdef STATIC
	@echo "a static build has no module to install: $(OUT)/nginx"; exit 1
else
	@set -e; \
	modules=$$($(NGINX) -V 2>&1 \
	    | sed -n 's/.*--modules-path=\([^ ]*\).*/\1/p'); \
	modules=$(DESTDIR)$${modules:-/usr/lib/nginx/modules}; \
	install -D -m 644 $(OUT)/$(MODULE) "$$modules/$(MODULE)"; \
	echo "installed $$modules/$(MODULE)"; \
	available=$(DESTDIR)/usr/share/nginx/modules-available; \
	if [ -n "$(DESTDIR)" ] || [ -d "$$available" ]; then \
	    install -d "$$available"; \
	    echo "load_module modules/$(MODULE);" \
	        > "$$available/mod-http-oidc.conf"; \
	    echo "to load it: ln -s /usr/share/nginx/modules-available/mod-http-oidc.conf /etc/nginx/modules-enabled/"; \
	fi
endif

.PHONY: deps
deps:  ## install what is missing for everything (apt as root or sudo)
	@.ci/deps test

.PHONY: clean
clean:  ## remove what was built, keep what was downloaded
	@if [ -d build ]; then \
	    find build -mindepth 1 -maxdepth 1 ! -name cache \
	        -exec rm -rf {} +; \
	fi

.PHONY: distclean
distclean:  ## remove everything that is not in the repository
	rm -rf build t/browser/node_modules t/provider/node_modules

.PHONY: help
help:  ## this list
	@awk 'BEGIN { FS = ":.*## " } \
	     /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	     /^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile
	@sed -n 's/^#   \([A-Z].*\)/  \1/; t p; s/^#    *\([a-z].*\)/      \1/; t p; b; :p p' \
	    Makefile | sed '1i\\nVariables' | sed -n '1,12p'

##@ Try

.PHONY: demo
demo:  ## log in through a real Keycloak (PROFILE=production|e2e)
	@.ci/deps demo
	@$(MAKE) --no-print-directory all BUILD=$(BUILD)
	@exec conf/demo/run $(PROFILE) $(OUT)

##@ Test

.PHONY: test
test:  ## install, build, run the whole suite
	@.ci/deps test
	@$(MAKE) --no-print-directory -j$(JOBS) all test-tools BUILD=$(BUILD)
	@TEST_ALL=1 $(MAKE) --no-print-directory prove BUILD=$(BUILD)

# For whoever works on the module: no look at the packages.
.PHONY: prove
prove: all test-tools  ## run the suite, or TESTS="t/a.t t/b.t"
	@set -o pipefail; $(TEST_ENV) prove -j$$(($(JOBS) + 1)) -I t/lib \
	    --rules 'seq=t/{demo,e2e_}*' --rules 'par=**' $(TESTS) 2>&1 \
	    | tee $(OUT)/prove.log \
	    || { echo "What went wrong ($(OUT)/prove.log):"; \
	         grep -E '^#|^[^ ]* died|^Bail' $(OUT)/prove.log | tail -n 20; \
	         exit 1; }

.PHONY: unit
unit: $(UNITS)  ## run the C unit tests alone
	@prove --exec '' $(UNITS)

.PHONY: fuzz
fuzz: $(if $(FUZZ),run-fuzz-$(FUZZ),$(FUZZERS:%=run-fuzz-%))  ## fuzz every parser FUZZ_TIME seconds, or FUZZ=name

.PHONY: bench
bench: all  ## measure against plain nginx (BENCH="hot redis ...")
	@$(TEST_ENV) t/bench/run

.PHONY: timing
timing: $(OUT)/timing/oaep  ## whether failed decryptions tell why (minutes)
	@$<

.PHONY: check-style
check-style:  ## the checks of the source itself
	@prove -I t/lib $(or $(wildcard t/style*.t t/source*.t),t/unit.t)

.PHONY: test-tools
test-tools: $(UNITS) $(REPLAYS) $(JOSE) $(OUT)/clock.so
	@if [ -n "$(JOSE)" ]; then ln -sfn $(BUILD)/jose build/jose; fi

# What the test bed is told: which nginx, which module ("static": it is inside),
# where the unit tests and the replays stand.
TEST_ENV = TEST_NGINX_BINARY=$(if $(STATIC),$(ROOT)/$(OUT)/nginx,$(NGINX)) \
           TEST_OIDC_MODULE=$(if $(STATIC),static,$(ROOT)/$(OUT)/$(MODULE)) \
           TEST_BUILD_DIR=$(ROOT)/$(OUT) \
           $(if $(filter sanitize,$(BUILD)),ASAN_OPTIONS=$(ASAN) \
             LSAN_OPTIONS=$(LSAN) UBSAN_OPTIONS=$(UBSAN))

# Leaks count: NGX_DEBUG_PALLOC makes each allocation one of its own.  .ci/lsan
# names what nginx itself forgets.
ASAN := detect_leaks=1:detect_stack_use_after_return=1
LSAN := suppressions=$(ROOT)/.ci/lsan:print_suppressions=0
# nginx's own code has some undefined behaviour of the harmless kind, so UBSan
# goes on; the test bed tells those reports from ours and fails on ours.
UBSAN := print_stacktrace=1

# The module: nginx's own build system does the work in a copy of its tree.

.PHONY: module
ifdef STATIC

module: $(OUT)/configured
	@$(LOCKED) $(MAKE) -s --no-print-directory -C $(TREE) \
	    -f objs/Makefile $(PARALLEL) binary
	@cmp -s $(TREE)/objs/nginx $(OUT)/nginx \
	    || cp --remove-destination $(TREE)/objs/nginx $(OUT)/nginx
	@echo "built $(OUT)/nginx"

CONFIGURE_MODULE := --add-module=$(ROOT)

else

module: $(OUT)/configured
	@$(LOCKED) $(MAKE) -s --no-print-directory -C $(TREE) \
	    -f objs/Makefile $(PARALLEL) modules
	@cmp -s $(TREE)/objs/$(MODULE) $(OUT)/$(MODULE) \
	    || cp --remove-destination $(TREE)/objs/$(MODULE) $(OUT)/$(MODULE)
	@ln -sfn $(OUT:build/%=%)/$(MODULE) build/$(MODULE)
	@echo "built build/$(MODULE) ($(OUT)/$(MODULE))"

CONFIGURE_MODULE := --add-dynamic-module=$(ROOT)

endif

# Two makes in one checkout take turns in nginx's tree.
LOCKED = flock $(OUT)/lock

# Under "make -j" the jobs are shared with us already.
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

# What a new ./configure is needed for: another nginx, other flags, a file that
# came or went, a changed "config".  Kept as text; only a change touches it.
$(OUT)/inputs: FORCE
	@mkdir -p $(OUT)
	@{ $(NGINX) -v 2>&1; \
	   dpkg-query -W -f '$${Version}\n' nginx-dev 2>/dev/null; \
	   echo '$(NGINX_SRC)' '$(NGINX_FLAGS)' '$(CC)' '$(CC_OPT)' '$(LD_OPT)'; \
	   cat config .ci/configure; \
	   find src *.c \( -name '*.c' -o -name '*.h' \) | sort; \
	 } > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(OUT)/configured: $(OUT)/inputs $(HIREDIS:%=%/libhiredis.a)
	@$(LOCKED) .ci/configure $(BUILD) '$(NGINX)' $(TREE) '$(NGINX_SRC)' \
	    $(CONFIGURE_MODULE) --with-cc='$(CC)' --with-cc-opt='$(CC_OPT)' \
	    --with-ld-opt='$(LD_OPT)' $(NGINX_FLAGS)
	@touch $@

.PHONY: FORCE
FORCE:

%/hiredis/libhiredis.a: .ci/hiredis
	@.ci/hiredis build/cache $(@D) '$(CC)' -O1 -g $(SANITIZE)

# The pure layer, for everything that runs without nginx.

$(OUT)/oidc/%.o: src/oidc/%.c
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -c $< -o $@

$(LIBOIDC): $(PURE_OBJS)
	@rm -f $@
	$(AR) rcs $@ $(PURE_OBJS)

$(OUT)/unit/%: t/unit/%.c $(LIBOIDC)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -I t/unit $< $(LIBOIDC) $(PURE_LIBS) -o $@

$(OUT)/timing/%: t/timing/%.c $(LIBOIDC)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -I t/unit $< $(LIBOIDC) $(PURE_LIBS) -lm -o $@

$(OUT)/jose: $(JOSE_SRCS) t/jose/jose.h $(LIBOIDC)
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(TEST_CFLAGS)) $(JOSE_SRCS) $(LIBOIDC) \
	    $(PURE_LIBS) -o $@

# The clock of tests in which hours pass; it must not bring ASan with it.
$(OUT)/clock.so: t/lib/clock.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_DEFAULT_SOURCE -O2 -Wall -Wextra -Werror -shared -fPIC $< -o $@

# Fuzzing: the same file as a replay of its seeds (every test run) and as a
# libFuzzer binary (make fuzz), which needs the pure layer built by clang.

$(OUT)/fuzz/%: t/fuzz/%.c t/fuzz/replay.c $(LIBOIDC)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -I t/fuzz $< t/fuzz/replay.c $(LIBOIDC) \
	    $(PURE_LIBS) -o $@

FUZZ_CFLAGS := $(filter-out -MMD -MP,$(PURE_CFLAGS)) -O1 -g $(SANITIZE)

build/fuzz/oidc/%.o: src/oidc/%.c $(wildcard src/oidc/*.h)
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -c $< -o $@

build/fuzz/bin/%: t/fuzz/%.c $(PURE_SRCS:src/oidc/%.c=build/fuzz/oidc/%.o)
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -fsanitize=fuzzer -I t/fuzz $^ $(PURE_LIBS) -o $@

.PHONY: run-fuzz-%
run-fuzz-%: build/fuzz/bin/%
	@mkdir -p build/fuzz/corpus/$*
	build/fuzz/bin/$* -max_total_time=$(FUZZ_TIME) -timeout=10 \
	    -rss_limit_mb=1024 -artifact_prefix=build/fuzz/$*- \
	    $(if $(wildcard t/fuzz/$*.dict),-dict=t/fuzz/$*.dict) \
	    build/fuzz/corpus/$* $(wildcard t/fuzz/seeds/$*)

.SECONDARY:
-include $(wildcard $(OUT)/oidc/*.d $(OUT)/unit/*.d $(OUT)/fuzz/*.d)
