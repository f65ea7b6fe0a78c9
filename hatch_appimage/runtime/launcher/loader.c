/* SPDX-License-Identifier: MIT */
#include "loader.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file.h"
#include "message.h"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#elif defined(__arm__)
#define MACHINE EM_ARM
#elif defined(__i386__)
#define MACHINE EM_386
#endif

/* Loaders have some ten. */
enum { MAX_SEGMENTS = 32, STACK_ALIGNMENT = 16 };

/* A loader, as it lies in its file and, from `base` on, in memory. */
struct image {
	const char *path;
	int file;
	ElfW(Ehdr) header;
	ElfW(Phdr) segments[MAX_SEGMENTS];
	uintptr_t base;
};

static uintptr_t page_start(uintptr_t address)
{
	return address & ~(getauxval(AT_PAGESZ) - 1);
}

static uintptr_t page_end(uintptr_t address)
{
	return page_start(address + getauxval(AT_PAGESZ) - 1);
}

static _Noreturn void refuse(const struct image *image, const char *why)
{
	die("cannot run ", image->path, ": ", why, NULL);
}

static void read_headers(struct image *image)
{
	static const unsigned char class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	ElfW(Ehdr) *header = &image->header;

	image->file = open(image->path, O_RDONLY | O_CLOEXEC);
	if (image->file < 0 || !read_at(image->file, header, sizeof(*header), 0))
		refuse(image, strerror(errno));
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) || header->e_ident[EI_CLASS] != class ||
	    header->e_machine != MACHINE || header->e_type != ET_DYN ||
	    header->e_phentsize != sizeof(*image->segments) || !header->e_phnum || header->e_phnum > MAX_SEGMENTS)
		refuse(image, "it is no loader for this processor");
	if (!read_at(image->file, image->segments, header->e_phnum * sizeof(*image->segments), header->e_phoff))
		refuse(image, strerror(errno));
}

static void *map(const struct image *image, uintptr_t start, size_t size, int protection, int flags, int file, off_t offset)
{
	void *memory = mmap((void *)start, size, protection, MAP_PRIVATE | flags, file, offset);

	if (memory == MAP_FAILED)
		refuse(image, strerror(errno));
	return memory;
}

/* One range for all segments, so that nothing else comes between them. */
static void reserve(struct image *image)
{
	uintptr_t end = 0;

	for (unsigned i = 0; i < image->header.e_phnum; i++) {
		const ElfW(Phdr) *segment = &image->segments[i];
		if (segment->p_type == PT_LOAD && segment->p_vaddr + segment->p_memsz > end)
			end = segment->p_vaddr + segment->p_memsz;
	}
	image->base = (uintptr_t)map(image, 0, page_end(end), PROT_NONE, MAP_ANONYMOUS, -1, 0);
}

/*
 * What is behind the file's part is zero: all the rest of its last page, where glibc's loader takes its first memory, and
 * pages of their own.
 */
static void add_zeros(const struct image *image, const ElfW(Phdr) *segment, int protection)
{
	uintptr_t start = image->base + segment->p_vaddr + segment->p_filesz;
	uintptr_t end = image->base + segment->p_vaddr + segment->p_memsz;
	uintptr_t page = page_end(start);

	if (start == end)
		return;
	memset((void *)start, 0, page - start);
	if (page < end)
		map(image, page, page_end(end) - page, protection, MAP_FIXED | MAP_ANONYMOUS, -1, 0);
}

static void map_segment(const struct image *image, const ElfW(Phdr) *segment)
{
	int protection = (segment->p_flags & PF_R ? PROT_READ : 0) | (segment->p_flags & PF_W ? PROT_WRITE : 0) |
			 (segment->p_flags & PF_X ? PROT_EXEC : 0);
	size_t before = segment->p_vaddr - page_start(segment->p_vaddr);

	map(image, image->base + segment->p_vaddr - before, segment->p_filesz + before, protection, MAP_FIXED, image->file,
	    (off_t)(segment->p_offset - before));
	add_zeros(image, segment, protection);
}

/* Where the kernel says this of a program that it has started; the loader tells by it that it is this program. */
static ElfW(auxv_t) correct(const struct image *image, ElfW(auxv_t) entry)
{
	switch (entry.a_type) {
	case AT_PHDR:
		entry.a_un.a_val = image->base + image->header.e_phoff;
		break;
	case AT_PHNUM:
		entry.a_un.a_val = image->header.e_phnum;
		break;
	case AT_ENTRY:
		entry.a_un.a_val = image->base + image->header.e_entry;
		break;
	case AT_BASE:
		entry.a_un.a_val = 0;
		break;
	default:
		break;
	}
	return entry;
}

static size_t count_texts(char **texts)
{
	size_t count = 0;

	while (texts[count])
		count++;
	return count;
}

/* The vector that the kernel has put behind the environment (System V ABI, "Process Initialization"). */
static const ElfW(auxv_t) *find_auxv(void)
{
	return (const ElfW(auxv_t) *)(environ + count_texts(environ) + 1);
}

static size_t count_auxv(const ElfW(auxv_t) *auxv)
{
	size_t count = 1;

	while (auxv[count - 1].a_type != AT_NULL)
		count++;
	return count;
}

static _Noreturn void jump(uintptr_t entry, void *stack)
{
#if defined(__x86_64__)
	__asm__ volatile("mov %1, %%rsp; xor %%edx, %%edx; jmp *%0" : : "r"(entry), "r"(stack) : "memory", "rdx");
#elif defined(__aarch64__)
	__asm__ volatile("mov sp, %1; mov x0, xzr; br %0" : : "r"(entry), "r"(stack) : "memory", "x0");
#elif defined(__arm__)
	__asm__ volatile("mov sp, %1; mov r0, #0; bx %0" : : "r"(entry), "r"(stack) : "memory", "r0");
#elif defined(__i386__)
	__asm__ volatile("mov %1, %%esp; xor %%edx, %%edx; jmp *%0" : : "r"(entry), "r"(stack) : "memory", "edx");
#endif
	__builtin_unreachable();
}

/* Writes to the stack what a program finds there when it starts. */
static _Noreturn void enter(const struct image *image, char **arguments, char **environment)
{
	const ElfW(auxv_t) *auxv = find_auxv();
	size_t count = count_texts(arguments), variables = count_texts(environment), entries = count_auxv(auxv);
	size_t words = 1 + count + 1 + variables + 1, size = words * sizeof(char *) + entries * sizeof(*auxv);
	unsigned char block[size + STACK_ALIGNMENT];
	uintptr_t *stack = (uintptr_t *)(((uintptr_t)block + STACK_ALIGNMENT - 1) & ~(uintptr_t)(STACK_ALIGNMENT - 1));

	stack[0] = count;
	memcpy(stack + 1, arguments, (count + 1) * sizeof(char *));
	memcpy(stack + 1 + count + 1, environment, (variables + 1) * sizeof(char *));
	for (size_t i = 0; i < entries; i++)
		((ElfW(auxv_t) *)(stack + words))[i] = correct(image, auxv[i]);
	jump(image->base + image->header.e_entry, stack);
}

void loader_become(const char *path, char **arguments, char **environment)
{
	struct image image = {.path = path};

	read_headers(&image);
	reserve(&image);
	for (unsigned i = 0; i < image.header.e_phnum; i++)
		if (image.segments[i].p_type == PT_LOAD)
			map_segment(&image, &image.segments[i]);
	close(image.file);
	enter(&image, arguments, environment);
}
