/* SPDX-License-Identifier: MIT */
#include "elf_file.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* The parts that matter of an ELF header and a section header, whichever class the file has. */
struct file_header {
	uint64_t sections;
	uint32_t entry_size;
	uint32_t count;
	uint32_t names;
	bool wide;
};

struct section {
	uint32_t name;
	uint64_t offset;
	uint64_t size;
};

static int read_exactly(int file, uint64_t offset, void *to, size_t size)
{
	return offset <= INT64_MAX && pread(file, to, size, (off_t)offset) == (ssize_t)size ? 0 : -EIO;
}

static int read_header(int file, struct file_header *header)
{
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;

	if (read_exactly(file, 0, &narrow, sizeof(narrow)) || memcmp(narrow.e_ident, ELFMAG, SELFMAG))
		return -EIO;
	header->wide = narrow.e_ident[EI_CLASS] == ELFCLASS64;
	if (header->wide) {
		if (read_exactly(file, 0, &wide, sizeof(wide)))
			return -EIO;
		*header = (struct file_header){wide.e_shoff, wide.e_shentsize, wide.e_shnum, wide.e_shstrndx, true};
	} else {
		*header = (struct file_header){narrow.e_shoff, narrow.e_shentsize, narrow.e_shnum, narrow.e_shstrndx, false};
	}
	return 0;
}

static int read_section(int file, const struct file_header *header, uint32_t index, struct section *section)
{
	uint64_t at = header->sections + (uint64_t)index * header->entry_size;
	Elf64_Shdr wide;
	Elf32_Shdr narrow;

	if (index >= header->count)
		return -EIO;
	if (header->wide) {
		if (read_exactly(file, at, &wide, sizeof(wide)))
			return -EIO;
		*section = (struct section){wide.sh_name, wide.sh_offset, wide.sh_type == SHT_NOBITS ? 0 : wide.sh_size};
	} else {
		if (read_exactly(file, at, &narrow, sizeof(narrow)))
			return -EIO;
		*section = (struct section){narrow.sh_name, narrow.sh_offset,
		                            narrow.sh_type == SHT_NOBITS ? 0 : narrow.sh_size};
	}
	return 0;
}

int elf_end(int file, uint64_t *end)
{
	struct file_header header;
	struct section last;

	if (read_header(file, &header) || read_section(file, &header, header.count - 1, &last))
		return -EIO;
	*end = header.sections + (uint64_t)header.count * header.entry_size;
	if (last.offset + last.size > *end)
		*end = last.offset + last.size;
	return 0;
}

int elf_section(int file, const char *name, void *to, size_t size)
{
	struct file_header header;
	struct section names, section;
	char all_names[1024] = "";

	if (read_header(file, &header) || read_section(file, &header, header.names, &names))
		return -ENOENT;
	/* Other runtimes may have longer tables: names beyond the room are not found. */
	size_t room = names.size < sizeof(all_names) - 1 ? (size_t)names.size : sizeof(all_names) - 1;
	if (read_exactly(file, names.offset, all_names, room))
		return -ENOENT;
	for (uint32_t i = 0; i < header.count; i++) {
		if (read_section(file, &header, i, &section) || section.name >= room ||
		    strcmp(all_names + section.name, name) != 0)
			continue;
		if (size > section.size)
			size = (size_t)section.size;
		return read_exactly(file, section.offset, to, size) ? -ENOENT : (int)size;
	}
	return -ENOENT;
}
