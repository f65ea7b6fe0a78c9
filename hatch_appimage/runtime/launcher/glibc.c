/* SPDX-License-Identifier: MIT */
#include "glibc.h"

#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "message.h"

/* No C library comes near these; a damaged one is not read any further. */
enum { MAX_SEGMENTS = 64, MAX_TAGS = 256, MAX_DEFINITIONS = 1000, MAX_NAME = 32, MAX_LIBRARY = 64 << 20 };

struct elf {
	int file;
	unsigned count;
	ElfW(Phdr) segments[MAX_SEGMENTS];
};

/* Where the tables of symbol versions are, as virtual addresses. */
struct tables {
	ElfW(Addr) definitions, names;
};

static bool parse_number(const char **text, unsigned *number)
{
	const char *start = *text;

	for (*number = 0; **text >= '0' && **text <= '9' && *number < 10000; ++*text)
		*number = *number * 10 + (unsigned)(**text - '0');
	return *text > start;
}

/* Reads two numbers; returns what is behind them, or NULL. */
static const char *parse_version(struct version *version, const char *text)
{
	if (!parse_number(&text, &version->major) || *text++ != '.' || !parse_number(&text, &version->minor))
		return NULL;
	return text;
}

bool version_parse(struct version *version, const char *text)
{
	unsigned rest;

	text = parse_version(version, text);
	if (text && *text == '.' && (text++, !parse_number(&text, &rest)))
		return false;
	return text && !*text;
}

bool version_before(struct version one, struct version other)
{
	return one.major < other.major || (one.major == other.major && one.minor < other.minor);
}

char *version_text(struct version version)
{
	return join(decimal(version.major), ".", decimal(version.minor), NULL);
}

static bool read_segments(struct elf *elf)
{
	static const unsigned char class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	ElfW(Ehdr) header;

	if (!read_at(elf->file, &header, sizeof(header), 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) ||
	    header.e_ident[EI_CLASS] != class || header.e_phentsize != sizeof(*elf->segments) ||
	    header.e_phnum > MAX_SEGMENTS)
		return false;
	elf->count = header.e_phnum;
	return read_at(elf->file, elf->segments, elf->count * sizeof(*elf->segments), header.e_phoff);
}

/* Whether the file has this much at a virtual address. */
static bool read_address(const struct elf *elf, void *to, size_t size, uint64_t address)
{
	for (unsigned i = 0; i < elf->count; i++) {
		const ElfW(Phdr) *segment = &elf->segments[i];
		if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
		    address - segment->p_vaddr < segment->p_filesz)
			return read_at(elf->file, to, size, segment->p_offset + (address - segment->p_vaddr));
	}
	return false;
}

static bool find_tables(const struct elf *elf, struct tables *tables)
{
	ElfW(Dyn) tags[MAX_TAGS];
	size_t count = 0;

	for (unsigned i = 0; i < elf->count && !count; i++) {
		const ElfW(Phdr) *segment = &elf->segments[i];
		size_t size = segment->p_filesz < sizeof(tags) ? segment->p_filesz : sizeof(tags);
		if (segment->p_type == PT_DYNAMIC && read_at(elf->file, tags, size, segment->p_offset))
			count = size / sizeof(*tags);
	}
	*tables = (struct tables){0};
	for (size_t i = 0; i < count && tags[i].d_tag != DT_NULL; i++) {
		if (tags[i].d_tag == DT_STRTAB)
			tables->names = tags[i].d_un.d_ptr;
		else if (tags[i].d_tag == DT_VERDEF)
			tables->definitions = tags[i].d_un.d_ptr;
	}
	return tables->names && tables->definitions;
}

/* The version that a definition is of; false for one without the prefix, or without numbers, as GLIBC_PRIVATE. */
static bool read_definition(const struct elf *elf, const struct tables *tables, uint64_t address,
			    const ElfW(Verdef) *definition, const char *prefix, struct version *version)
{
	ElfW(Verdaux) name;
	char text[MAX_NAME];

	if (!read_address(elf, &name, sizeof(name), address + definition->vd_aux) ||
	    !read_address(elf, text, sizeof(text), (uint64_t)tables->names + name.vda_name))
		return false;
	text[sizeof(text) - 1] = 0;
	return !strncmp(text, prefix, strlen(prefix)) && version_parse(version, text + strlen(prefix));
}

/* The newest version that a library defines with a prefix, such as GLIBC_. */
static struct version defined_version(int file, const char *prefix)
{
	struct version newest = {0}, version;
	struct elf elf = {.file = file};
	struct tables tables;
	ElfW(Verdef) definition;

	if (!read_segments(&elf) || !find_tables(&elf, &tables))
		return newest;
	uint64_t address = tables.definitions;
	for (unsigned i = 0; i < MAX_DEFINITIONS && read_address(&elf, &definition, sizeof(definition), address); i++) {
		if (read_definition(&elf, &tables, address, &definition, prefix, &version) &&
		    version_before(newest, version))
			newest = version;
		if (!definition.vd_next)
			break;
		address += definition.vd_next;
	}
	return newest;
}

/*
 * What a C library prints when it is run: "GNU C Library (…) stable release version 2.31.", or one of development,
 * "… release version 2.41.9000." (glibc's csu/version.c).
 */
static struct version printed_version(int file)
{
	static const char banner[] = "GNU C Library ", before[] = " release version ";
	struct version version = {0};
	size_t size;
	char *text = read_file(file, MAX_LIBRARY, &size);
	const char *line = text ? memmem(text, size, banner, sizeof(banner) - 1) : NULL;
	const char *number = line ? strstr(line, before) : NULL;

	if (number)
		parse_version(&version, number + sizeof(before) - 1);
	free(text);
	return version;
}

struct version glibc_version(int file, struct version wanted)
{
	struct version version = defined_version(file, "GLIBC_");

	if (version.major && version_before(version, wanted)) {
		struct version printed = printed_version(file);
		if (version_before(version, printed))
			version = printed;
	}
	return version;
}

struct version glibc_beside(const char *loader, struct version wanted)
{
	int file = open(join(directory_of(loader), "/libc.so.6", NULL), O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return (struct version){0};
	struct version version = glibc_version(file, wanted);
	close(file);
	return version;
}

bool is_elf(const char *path)
{
	struct elf elf = {.file = open(path, O_RDONLY | O_CLOEXEC)};
	bool found = elf.file >= 0 && read_segments(&elf);

	if (elf.file >= 0)
		close(elf.file);
	return found;
}

struct version libstdcxx_version(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return (struct version){0};
	struct version version = defined_version(file, "GLIBCXX_3.");
	close(file);
	return version;
}
