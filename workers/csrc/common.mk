# SPDX-License-Identifier: Apache-2.0
# What the Makefiles of the C programs share. A Makefile sets PROGRAM, includes this file and gets the rules for
# bin/PROGRAM and bin/PROGRAM-sanitized. It may set OWN (its sources) and SHARED (those from here) first.

CSRC := $(dir $(lastword $(MAKEFILE_LIST)))
CC ?= gcc
CFLAGS ?= -O2 -g
FOLDERS := $(wildcard src/ src/*/)
STRICT := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wformat=2 -Wno-format-nonliteral \
	-I$(CSRC) $(addprefix -I,$(FOLDERS))
SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LIBRARIES := -lpthread -lm

OWN ?= $(wildcard $(addsuffix *.c,$(FOLDERS)))
SHARED ?= $(wildcard $(CSRC)*.c)
SOURCES := $(OWN) $(SHARED)
HEADERS := $(wildcard $(addsuffix *.h,$(FOLDERS)) $(CSRC)*.h)
RULES := Makefile $(CSRC)common.mk

.PHONY: all sanitized clean format format-check
all: bin/$(PROGRAM)
sanitized: bin/$(PROGRAM)-sanitized

bin:
	mkdir -p bin

# The compiler writes to a name of this make's process and `mv` replaces the result: concurrent builds are safe.
# One compiler run over all sources is quick (fewer than 6000 lines) and can inline across files.
bin/$(PROGRAM): $(SOURCES) $(HEADERS) $(RULES) | bin
	$(CC) $(STRICT) $(CFLAGS) -flto=auto $(SOURCES) -o $@.$$$$ $(LIBRARIES) && mv $@.$$$$ $@

bin/$(PROGRAM)-sanitized: $(SOURCES) $(HEADERS) $(RULES) | bin
	$(CC) $(STRICT) $(SANITIZE) $(SOURCES) -o $@.$$$$ $(LIBRARIES) && mv $@.$$$$ $@

format:
	clang-format -i $(OWN) $(HEADERS)

format-check:
	clang-format --dry-run -Werror $(OWN) $(HEADERS)

clean:
	rm -rf bin
