# SPDX-License-Identifier: GPL-2.0-or-later

# What the parts are and how they are built is known to scripts/; this knows
# what comes before what. ninja and the scripts find out by themselves what is
# out of date, so that every target here is run each time and costs little.

MAKEFLAGS += --no-print-directory
# What builds uses all CPUs by itself, see check: for what does not.
ifndef AT_ONCE
.NOTPARALLEL:
endif
.DEFAULT_GOAL := all

ifneq ($(filter-out help check-fresh clean distclean,$(or $(MAKECMDGOALS),all)),)
include build/config.mk
endif

NET ?= user
MODE ?= two
# How many links the card of demo-card has.
FIFOS ?= 1
# The kernel of the driver machine: demo/run --help names them.
KERNEL ?= trixie
ARCH ?= arm64
DEMO_ARGS ?=
# What is measured against: the state before peers counted as hostile.
BASELINE ?= 47a8894
RESTART_ARGS ?=
FUZZ_TIME ?= 60
FUZZ_TARGET ?=
# How many suites run at a time: hardly one uses more than one CPU.
JOBS ?= $(shell nproc)

# SUITE= on the command line is a suite of Debian, that of check-fresh.
DEBIAN := $(SUITE)
COMMAND ?=
STEP := scripts/step
override SUITE := scripts/run-suite

# Those that the modules are built for, and one more for check-long.
KERNELS := bookworm-arm64 bookworm-amd64 trixie-arm64 trixie-amd64 \
           trixie-backports-arm64 trixie-backports-amd64
KERNELS_LONG := trixie-rt-arm64
# Those that find faults at run time, where all takes several times as long
KERNELS_DEBUG := debug-arm64 kcsan-arm64
# The whole driver suite runs with trixie-arm64 in each check, a part of it with
# the others; the whole with each is in check-long.
KERNELS_PART := $(filter-out trixie-arm64,$(KERNELS))
DEMOS := bookworm-arm64 bookworm-amd64 trixie-amd64 trixie-backports-arm64
RESTARTS := trixie-arm64 bookworm-arm64 trixie-backports-amd64
# NAME-ARCH as options of what boots a driver machine
driver-machine = --arch $(lastword $(subst -, ,$(1))) \
        --kernel $(patsubst %-amd64,%,$(1:%-arm64=%))

# Found by their names, so that a test that is added is run.
QTESTS := $(patsubst tests/qtest/%.c,%,$(wildcard tests/qtest/virtio-msg*-test.c))
# Those that say what messages do run over the wire of 2025 as well.
QTESTS_2025 := $(patsubst %,virtio-msg%test-2025,- -bus- -conformance- -hostile-)
# And those for which it makes no difference how the queues are laid out, over v1.
QTESTS_V1 := $(patsubst %,virtio-msg%test-v1,- -card- -conformance- -data-)
UNITS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test-*.c))
SUITES := $(UNITS) $(QTESTS) $(QTESTS_2025) $(QTESTS_V1) mutants decode endings \
          qos qos-2025 qos-base base-boot $(QTESTS:%=%-asan) qos-asan fuzz modules \
          driver $(KERNELS_PART:%=driver-%) \
          demo-two-user demo-two-bridge demo-two-user-vfio \
          demo-two-user-trixie-backports-amd64 demo-card-user-2-fifos \
          demo-card-user-trixie-backports-amd64 demo-local-user \
          $(DEMOS:%=demo-local-user-%) $(RESTARTS:%=restart-%)

.PHONY: all
all: host arm64 modules

build/config.mk:
	@./configure

.PHONY: deps
deps:
	@scripts/deps install

#
# QEMU
#

.PHONY: stage host arm64
stage: deps
	@[ -z "$(QEMU_SRC)" ] && grep -qs ^package build/base.stamp || \
		$(STEP) fetch-qemu "fetching QEMU" scripts/fetch-qemu $(QEMU_SRC)
	@$(STEP) stage "staging our changes over it" scripts/stage

host: stage
	@$(STEP) host "building QEMU for this host" scripts/build-qemu host

arm64: stage
	@$(STEP) sysroot "providing the libraries of Debian 12 for arm64" \
		scripts/build-sysroot
	@$(STEP) arm64 "building the device process for arm64" \
		scripts/build-qemu arm64

#
# The kernel modules
#

MODULES := $(KERNELS:%=modules-%) $(KERNELS_LONG:%=modules-%) \
           $(KERNELS_DEBUG:%=modules-%)
KERNEL_BUILDS := $(KERNELS_DEBUG:%=kernel-%)
.PHONY: modules $(MODULES) $(KERNEL_BUILDS)
modules: $(KERNELS:%=modules-%)

$(KERNEL_BUILDS): kernel-%: deps
	@$(STEP) $@ "building the kernel $*" scripts/build-debug-kernel $*

$(KERNELS_DEBUG:%=modules-%): modules-%: kernel-%

$(MODULES): modules-%: deps
	@$(STEP) $@ "building the kernel modules for $*" scripts/build-modules $*

#
# The demo
#

DRIVER := --kernel $(KERNEL) --arch $(ARCH)
IMAGES := $(KERNELS:%=images-%)
IMAGES_LONG := $(KERNELS_LONG:%=images-%) $(KERNELS_DEBUG:%=images-%)
.PHONY: images $(IMAGES) $(IMAGES_LONG) demo demo-card demo-local demo-shell
images: images-$(KERNEL)-$(ARCH)

$(IMAGES) $(IMAGES_LONG): images-%: host arm64 modules-%
	@$(STEP) $@ "making the images of the machines, $*" \
		scripts/build-images device driver-$*

demo: images
	@demo/run --mode $(MODE) --net $(NET) $(DRIVER) $(DEMO_ARGS)

demo-card: images
	@demo/run --mode card --fifos $(FIFOS) $(DRIVER) $(DEMO_ARGS)

demo-local: images
	@demo/run --mode local $(DRIVER) $(DEMO_ARGS)

demo-shell: images
	@demo/shell --mode $(MODE) --net $(NET) $(DRIVER) $(DEMO_ARGS)

#
# Tests
#

DRIVERS := $(KERNELS:%=driver-%)
.PHONY: unit-build unit qtest-build qtest decode endings hostile-long qos-build qos \
        qos-base driver $(DRIVERS) driver-long
unit-build: deps
	@$(STEP) native "building the unit tests" scripts/build-native

unit: unit-build
	@rc=0; for test in $(UNITS); do \
		$(SUITE) $$test build/native/$$test --tap || rc=1; \
	done; exit $$rc

qtest-build: host
	@$(STEP) qtest "building the qtests" \
		scripts/build-qemu host $(QTESTS:%=tests/qtest/%)

qtest: qtest-build
	@rc=0; for test in $(QTESTS) $(QTESTS_2025) $(QTESTS_V1); do \
		case $$test in *-2025) wire=2025;; *) wire=2026;; esac; \
		case $$test in *-v1) layout=v1;; *) layout=spsc;; esac; \
		program=$${test%-2025}; program=$${program%-v1}; \
		QTEST_QEMU_BINARY=build/host/qemu-system-aarch64 \
		QTEST_QEMU_IMG=build/host/qemu-img VIRTIO_MSG_WIRE=$$wire \
		VIRTIO_MSG_LAYOUT=$$layout G_TEST_DBUS_DAEMON=/bin/false \
		$(SUITE) $$test build/host/tests/qtest/$$program --tap -k || \
		rc=1; \
	done; exit $$rc

# What reads the traces and the memory that a process leaves behind.
decode: host
	@$(SUITE) decode tests/scripts/test-virtio-msg-decode

# What a suite or the demo has started ends with it.
endings: images-trixie-arm64
	@$(SUITE) endings tests/scripts/test-endings

# Attacks of half a minute or a minute each, instead of a second.
HOSTILE := virtio-msg-hostile-test virtio-msg-rings-test
hostile-long: qtest-build
	@rc=0; for test in $(HOSTILE); do \
		QTEST_QEMU_BINARY=build/host/qemu-system-aarch64 \
		G_TEST_DBUS_DAEMON=/bin/false TEST_TIMEOUT=3600 \
		$(SUITE) $$test-long build/host/tests/qtest/$$test --tap -k -m slow \
			|| rc=1; \
	done; exit $$rc

# QEMU's own tests of its virtio devices, over virtio-msg.
qos-build: host
	@$(STEP) qos-test "building QEMU's own tests" \
		scripts/build-qemu host tests/qtest/qos-test

qos: qos-build
	@rc=0; $(SUITE) qos scripts/run-qos || rc=1; \
	VIRTIO_MSG_WIRE=2025 $(SUITE) qos-2025 scripts/run-qos || rc=1; \
	exit $$rc

# The same tests over PCI and MMIO, where nothing of ours is in use but what we
# change in QEMU's own files
qos-base: qos-build
	@scripts/fetch-firmware
	@$(SUITE) qos-base scripts/run-qos --base

driver: $(IMAGES)
	@$(MAKE) -k $(BUILDS:%=-o %) $(DRIVERS)

driver-trixie-arm64: images-trixie-arm64
	@TEST_TIMEOUT=3600 $(SUITE) driver tests/driver/run

# What depends on the kernel: the wire does not, so that one will do.
$(KERNELS_PART:%=driver-%): driver-%: images-%
	@$(SUITE) $@ tests/driver/run $(call driver-machine,$*) \
		'/driver/d-01/*-2026' '/driver/d-03/*-2026' \
		'/driver/d-06/*-2026' /driver/gone

# All of it with each kernel; every value and hundreds of rounds with some, which
# takes hours.
KERNELS_FULL := bookworm-arm64 trixie-arm64 trixie-backports-amd64
DRIVERS_LONG := $(KERNELS:%=driver-long-%) $(KERNELS_LONG:%=driver-long-%)
.PHONY: $(DRIVERS_LONG)
driver-long: $(DRIVERS_LONG)

$(DRIVERS_LONG): driver-long-%: images-%
	@TEST_TIMEOUT=28800 $(SUITE) $@ tests/driver/run \
		$(if $(filter $*,$(KERNELS_FULL)),--full) \
		$(call driver-machine,$*)

# With kernels that watch what the modules do: what such a kernel reports fails
# the test in which it does.
DRIVERS_DEBUG := $(KERNELS_DEBUG:%=driver-%)
.PHONY: driver-debug $(DRIVERS_DEBUG)
driver-debug:
	@$(MAKE) -k $(DRIVERS_DEBUG)

$(DRIVERS_DEBUG): driver-%: images-%
	@TEST_TIMEOUT=14400 $(SUITE) $@ tests/driver/run \
		$(call driver-machine,$*)

# Either side is killed, unloaded or reset under load and comes back.
RESTART_IMAGES := $(KERNELS:%=restart-image-%)
.PHONY: restart $(RESTART_IMAGES)
$(RESTART_IMAGES): restart-image-%: images-%
	@$(STEP) $@ "making the image of the restart test, $*" \
		tests/driver/restart-image $*

restart: restart-image-$(KERNEL)-$(ARCH)
	@tests/driver/restart $(DRIVER) $(RESTART_ARGS)

# What we change in QEMU's own files, where a stock machine uses them
BOOT_IMAGES := boot-image-trixie-arm64 boot-image-trixie-amd64
.PHONY: base-boot $(BOOT_IMAGES)
$(BOOT_IMAGES): boot-image-%: deps
	@$(STEP) $@ "making the image of the boot test, $*" tests/boot/image $*

base-boot: host $(BOOT_IMAGES)
	@$(SUITE) base-boot tests/boot/run

#
# With sanitizers, by clang
#

# A leak is told from others by the functions that it came through, GLib's
# among them, which keep no frame pointers.
SANITIZED := ASAN_OPTIONS=fast_unwind_on_malloc=0 \
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	LSAN_OPTIONS=suppressions=$(CURDIR)/tests/fuzz/lsan.supp:print_suppressions=0

.PHONY: asan qtest-asan-build qtest-asan qos-asan-build qos-asan fuzz-build fuzz
asan: stage
	@$(STEP) asan "building QEMU with sanitizers for this host" \
		scripts/build-qemu fuzz

qtest-asan-build: host asan
	@$(STEP) qtest-asan "building the qtests with sanitizers" \
		scripts/build-qemu fuzz $(QTESTS:%=tests/qtest/%)

qtest-asan: qtest-asan-build
	@rc=0; for test in $(QTESTS); do \
		$(SANITIZED) QTEST_QEMU_BINARY=build/fuzz/qemu-system-x86_64 \
		QTEST_QEMU_IMG=build/host/qemu-img \
		G_TEST_DBUS_DAEMON=/bin/false \
		$(SUITE) $$test-asan build/fuzz/tests/qtest/$$test --tap -k || \
		rc=1; \
	done; exit $$rc

qos-asan-build: asan
	@$(STEP) qos-test-asan "building QEMU's own tests with sanitizers" \
		scripts/build-qemu fuzz tests/qtest/qos-test

qos-asan: host qos-asan-build
	@$(SANITIZED) QTEST_QEMU_IMG=../host/qemu-img \
		$(SUITE) qos-asan scripts/run-qos --lean build/fuzz

fuzz-build: asan
	@$(STEP) native-fuzz "building the fuzzers of what is plain C" \
		scripts/build-native --fuzz
	@tests/fuzz/make-seeds --check

fuzz: fuzz-build
	@scripts/fuzz --time $(FUZZ_TIME) $(FUZZ_TARGET)

#
# Everything
#

# The table of requirements, from results that are made for it.
conformance:
	@for suite in $$(scripts/conformance --suites); do \
		rm -f build/results/$$suite.tap; \
	done
	-@$(MAKE) unit
	-@$(MAKE) qtest
	-@$(MAKE) driver
	@scripts/conformance

.PHONY: conformance check check-fresh check-fuzz check-mutants check-modules \
        check-demo check-restart check-long mutate

check-fuzz: fuzz-build
	@$(SUITE) fuzz scripts/fuzz --tap --time 10

check-mutants: stage
	@$(SUITE) mutants scripts/mutate --check

check-modules: modules
	@$(SUITE) modules scripts/check-modules

# One after the other: each has two machines of two CPUs.
check-demo: $(IMAGES)
	@rc=0; \
	demo/run --mode two --net user || rc=1; \
	demo/run --mode two --net bridge || rc=1; \
	demo/run --mode two --net user --sysmem-map vfio --cycles 1 || rc=1; \
	demo/run --mode two --net user --cycles 1 \
		$(call driver-machine,trixie-backports-amd64) || rc=1; \
	demo/run --mode card --fifos 2 || rc=1; \
	demo/run --mode card --cycles 1 \
		$(call driver-machine,trixie-backports-amd64) || rc=1; \
	demo/run --mode local || rc=1; \
	$(foreach kernel,$(DEMOS),demo/run --mode local --cycles 1 \
		$(call driver-machine,$(kernel)) || rc=1;) \
	exit $$rc

check-restart: $(RESTARTS:%=restart-image-%)
	@rc=0; $(foreach kernel,$(RESTARTS),tests/driver/restart \
		$(call driver-machine,$(kernel)) || rc=1;) \
	exit $$rc

# What check is made of, the longest first, and all that has to be built for it
CHECKS := driver-trixie-arm64 qtest qtest-asan \
          check-demo $(KERNELS_PART:%=driver-%) check-fuzz check-restart qos \
          qos-base base-boot qos-asan unit decode endings check-mutants check-modules
BUILDS := deps stage host arm64 $(KERNELS:%=modules-%) modules $(IMAGES) \
          $(RESTARTS:%=restart-image-%) unit-build qtest-build qos-build asan \
          qtest-asan-build qos-asan-build fuzz-build $(BOOT_IMAGES)

# Once all is built, several suites run at a time, and whatever becomes of one
# the others do, too.  What did not build may be there from before: so that counts
# as well, and not only the tally.
check:
	@rm -rf build/results
	@rc=0; $(MAKE) -k $(BUILDS) || rc=1; \
	$(MAKE) -k -j$(JOBS) AT_ONCE=1 $(BUILDS:%=-o %) $(CHECKS) || true; \
	echo; \
	scripts/conformance --quiet || rc=1; \
	scripts/tally $(SUITES) || rc=1; \
	exit $$rc

# The same on a Debian that has nothing else, or COMMAND= in its place
check-fresh:
	@scripts/check-fresh $(if $(COMMAND),--command '$(COMMAND)') $(DEBIAN)

# Copies of the code, broken on purpose, that the tests have to notice;
# MUTANT="NAME..." chooses some, by their names or the requirements they break.
mutate: unit-build qtest-build images
	@scripts/mutate $(MUTANT)

# What takes longer than anybody wants to wait for each time
check-long:
	@rc=0; \
	$(MAKE) hostile-long || rc=1; \
	$(MAKE) driver-long || rc=1; \
	$(MAKE) driver-debug || rc=1; \
	$(MAKE) fuzz FUZZ_TIME=1800 || rc=1; \
	$(foreach kernel,$(RESTARTS),$(MAKE) restart-image-$(kernel) && \
		tests/driver/restart $(call driver-machine,$(kernel)) \
			--kills 100 --unloads 20 --resets 10 --stops 10 || rc=1;) \
	$(MAKE) mutate || rc=1; \
	exit $$rc

.PHONY: tally bench
tally:
	@scripts/tally $(SUITES)

bench: host unit-build
	@$(STEP) lean "building the device process for this host" \
		scripts/build-qemu lean
	@$(STEP) baseline "building that of $(BASELINE), to compare with" \
		scripts/build-baseline $(BASELINE)
	@$(STEP) unpatched "building QEMU without our changes, likewise" \
		scripts/build-baseline --unpatched
	@scripts/fetch-firmware
	@scripts/bench --baseline $(BASELINE) --pci

#
# The rest
#

.PHONY: clean distclean help
clean:
	@[ ! -d build ] || find build -mindepth 1 -maxdepth 1 \
		! -name downloads ! -name apt ! -name apt-cache \
		! -name config.mk \
		-exec rm -rf {} +

distclean:
	@rm -rf build

help:
	@echo "usage: make [V=1] [TARGET...]"
	@echo
	@echo "  all          QEMU for this host and for arm64, and the kernel"
	@echo "               modules (the default)"
	@echo "  host         QEMU for this host: build/host"
	@echo "  arm64        the device process for arm64: build/arm64"
	@echo "  modules      the kernel modules for Linux 6.1, 6.12 and 7.3, arm64 and"
	@echo "               amd64: build/modules"
	@echo "  demo         boot both machines and test virtio-rng, virtio-net and"
	@echo "               virtio-blk between them; NET=user or NET=bridge"
	@echo "               chooses the network; KERNEL=bookworm, trixie or"
	@echo "               trixie-backports the driver machine's kernel (Linux 6.1,"
	@echo "               6.12 or 7.3), and ARCH=arm64 or amd64 its architecture"
	@echo "  demo-card    one machine, whose devices stand behind a PCI card;"
	@echo "               FIFOS=1 to 8 links"
	@echo "  demo-local   the quick variant: one machine, the device process on"
	@echo "               this host"
	@echo "  demo-shell   leave both machines at a prompt, in tmux"
	@echo "  restart      stop either side under load, again and again, and check"
	@echo "               that no write which was acknowledged is lost;"
	@echo "               KERNEL= and ARCH= as above, RESTART_ARGS=... goes to"
	@echo "               tests/driver/restart"
	@echo "  check        all tests: unit tests, qtests, the modules, the demo"
	@echo "               and so on, JOBS=$(JOBS) of these suites at a time"
	@echo "  check-fresh  the same in a minimal root of Debian SUITE=bookworm or"
	@echo "               SUITE=trixie, with nothing left behind but packages in"
	@echo "               build/apt-cache; COMMAND='make unit' runs that instead"
	@echo "  unit         only the unit tests, which need no QEMU"
	@echo "  qtest        only the qtests"
	@echo "  decode       only the tests of scripts/virtio-msg-decode"
	@echo "  endings      only see that all ends which a suite or the demo started"
	@echo "  qos          only QEMU's own tests of its virtio devices, run over"
	@echo "               virtio-msg; qos-base: over PCI and MMIO"
	@echo "  base-boot    boot stock machines whose virtio devices of QEMU's stand"
	@echo "               behind an IOMMU, and have them use their disks"
	@echo "  conformance  show for each requirement the tests of it, and run them"
	@echo "  mutate       break copies of the code in many ways, and see the tests"
	@echo "               notice; MUTANT=... chooses, see scripts/mutate --help"
	@echo "  qtest-asan   the qtests with AddressSanitizer and"
	@echo "               UndefinedBehaviorSanitizer; qos-asan: those of QEMU"
	@echo "  fuzz         run the fuzzers, each for FUZZ_TIME=60 seconds;"
	@echo "               FUZZ_TARGET=... chooses one, see scripts/fuzz --list"
	@echo "  hostile-long only the tests with a hostile peer, 20 minutes of them"
	@echo "  check-long   what takes hours: each fuzzer for 30 minutes, each"
	@echo "               mutant, either side stopped under load many times, and"
	@echo "               driver-debug"
	@echo "  driver       only the modules, in a booted machine, against a device"
	@echo "               side that misbehaves; see tests/driver/run --help"
	@echo "  driver-debug the same with kernels that are built to find faults, with"
	@echo "               KASAN, UBSAN, lockdep and checks of objects, and with"
	@echo "               KCSAN; to build them takes most of an hour, once"
	@echo "  bench        measure start-up, memory, messages and round trips, and"
	@echo "               compare with those of the revision BASELINE=$(BASELINE);"
	@echo "               and virtio-blk-pci with that of the unchanged QEMU"
	@echo "  clean        remove all that was built, keep what was downloaded"
	@echo "  distclean    remove build/ altogether"
	@echo "  help         show this text"
	@echo
	@echo "V=1 shows the output of each step, which otherwise goes to build/logs."
	@echo "DEMO_ARGS=... goes to demo/run: '--wire 2025' for the messages of that"
	@echo "year, '--device-wire 2025' for a device side that is older than the"
	@echo "driver side; see demo/run --help."
	@echo "./configure --help tells how to build upon another QEMU 10.0.x."
