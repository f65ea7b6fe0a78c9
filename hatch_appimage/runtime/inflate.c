/* SPDX-License-Identifier: MIT */
/* DEFLATE (RFC 1951) in a zlib stream (RFC 1950), decompressed in one go. */
#include "inflate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum {
	LENGTH_BITS = 4,     /* of the length of a code, in `fast` */
	MAX_BITS = 15,       /* RFC 1951, 3.2.7: longest code */
	FAST_BITS = 10,      /* codes up to this length are decoded by one look into a table */
	LITERALS = 288,      /* 3.2.5: literals, end of block, lengths */
	DISTANCES = 32,
	CODE_LENGTHS = 19,
	END_OF_BLOCK = 256,
	BYTE_BITS = 8,
	FULL_BITS = 56,      /* what refill() leaves at least: whole bytes of a 64-bit word */
};

/* RFC 1950, 2.2: the two bytes of a header */
enum { METHOD_BITS = 15, METHOD_DEFLATE = 8, PRESET_DICTIONARY = 1 << 5, HEADER_CHECK = 31 };

struct stream {
	const uint8_t *next;
	const uint8_t *end;
	uint64_t bits;
	unsigned count;    /* of valid bits; the bytes past the end count as zeros, `overrun` tells how many were used */
	unsigned overrun;
	uint8_t *start;
	uint8_t *out;
	uint8_t *limit;
};

/* A canonical Huffman code: 3.2.2. */
struct code {
	uint16_t fast[1 << FAST_BITS]; /* symbol << LENGTH_BITS | length; 0: longer than FAST_BITS, or no such code */
	uint16_t count[MAX_BITS + 1];  /* codes of each length */
	uint16_t symbols[LITERALS];    /* ordered by length, then value */
};

static void refill(struct stream *s)
{
	if (s->end - s->next >= 8) {
		uint64_t word;
		memcpy(&word, s->next, sizeof(word));
		s->bits |= word << s->count;
		s->next += (63 - s->count) / BYTE_BITS;
		s->count |= FULL_BITS;
		return;
	}
	while (s->count <= FULL_BITS) {
		if (s->next < s->end)
			s->bits |= (uint64_t)*s->next++ << s->count;
		else
			s->overrun++;
		s->count += BYTE_BITS;
	}
}

static void drop(struct stream *s, unsigned count)
{
	s->bits >>= count;
	s->count -= count;
}

/* At most 32 bits, of which refill() has always brought enough. */
static unsigned take(struct stream *s, unsigned count)
{
	unsigned value = (unsigned)(s->bits & ((1ull << count) - 1));
	drop(s, count);
	return value;
}

/* True when more bits were consumed than the input has. */
static bool overran(const struct stream *s)
{
	return s->overrun * BYTE_BITS > s->count;
}

static unsigned reverse(unsigned value, unsigned bits)
{
	unsigned reversed = 0;
	for (; bits; bits--, value >>= 1)
		reversed = reversed << 1 | (value & 1);
	return reversed;
}

/* An incomplete code is allowed, as a single distance code needs it (3.2.7); decoding a missing one fails. */
static int build(struct code *code, const uint8_t *lengths, unsigned symbols)
{
	uint16_t offsets[MAX_BITS + 2] = {0};
	unsigned next[MAX_BITS + 1];
	unsigned first = 0;
	int left = 1;

	memset(code->count, 0, sizeof(code->count));
	memset(code->fast, 0, sizeof(code->fast));
	for (unsigned i = 0; i < symbols; i++)
		code->count[lengths[i]]++;
	code->count[0] = 0;
	for (unsigned bits = 1; bits <= MAX_BITS; bits++) {
		left = left * 2 - code->count[bits];
		if (left < 0)
			return -EIO;
		first = (first + code->count[bits - 1]) << 1;
		next[bits] = first;
		offsets[bits + 1] = offsets[bits] + code->count[bits];
	}
	for (unsigned i = 0; i < symbols; i++) {
		unsigned bits = lengths[i];
		if (!bits)
			continue;
		code->symbols[offsets[bits]++] = (uint16_t)i;
		unsigned value = next[bits]++;
		if (bits > FAST_BITS)
			continue;
		for (unsigned at = reverse(value, bits); at < 1 << FAST_BITS; at += 1u << bits)
			code->fast[at] = (uint16_t)(i << LENGTH_BITS | bits);
	}
	return 0;
}

/* Bit by bit, for the codes that the fast table does not hold. */
static int decode_slowly(struct stream *s, const struct code *code)
{
	int value = 0, first = 0, index = 0;

	for (unsigned bits = 1; bits <= MAX_BITS; bits++) {
		value |= (int)(s->bits >> (bits - 1)) & 1;
		int count = code->count[bits];
		if (value - count < first) {
			drop(s, bits);
			return code->symbols[index + value - first];
		}
		index += count;
		first = (first + count) << 1;
		value <<= 1;
	}
	return -EIO;
}

static int decode(struct stream *s, const struct code *code)
{
	unsigned hit = code->fast[s->bits & ((1 << FAST_BITS) - 1)];

	if (!hit)
		return decode_slowly(s, code);
	drop(s, hit & MAX_BITS);
	return (int)(hit >> LENGTH_BITS);
}

static int copy_match(struct stream *s, size_t length, size_t distance)
{
	if (distance > (size_t)(s->out - s->start) || length > (size_t)(s->limit - s->out))
		return -EIO;
	const uint8_t *from = s->out - distance;
	if (distance >= length) {
		memcpy(s->out, from, length);
		s->out += length;
	} else {
		while (length--)
			*s->out++ = *from++;
	}
	return 0;
}

/* RFC 1951, 3.2.5 */
static int inflate_codes(struct stream *s, const struct code *literals, const struct code *distances)
{
	static const uint16_t length_base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
	                                       31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
	static const uint8_t length_extra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
	                                       2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
	static const uint16_t distance_base[] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,
	                                         33,  49,  65,  97,  129, 193,  257,  385,  513,  769,
	                                         1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

	for (;;) {
		refill(s);
		int symbol = decode(s, literals);
		if (symbol < 0 || overran(s))
			return -EIO;
		if (symbol < END_OF_BLOCK) {
			if (s->out == s->limit)
				return -EIO;
			*s->out++ = (uint8_t)symbol;
			continue;
		}
		if (symbol == END_OF_BLOCK)
			return 0;
		symbol -= END_OF_BLOCK + 1;
		if (symbol >= (int)sizeof(length_extra))
			return -EIO;
		size_t length = length_base[symbol] + take(s, length_extra[symbol]);
		refill(s);
		symbol = decode(s, distances);
		if (symbol < 0 || symbol >= (int)(sizeof(distance_base) / sizeof(*distance_base)))
			return -EIO;
		size_t distance = distance_base[symbol] + take(s, symbol < 2 ? 0 : (unsigned)symbol / 2 - 1);
		if (copy_match(s, length, distance))
			return -EIO;
	}
}

/* RFC 1951, 3.2.4 */
static int inflate_stored(struct stream *s)
{
	drop(s, s->count % BYTE_BITS);
	refill(s);
	unsigned length = take(s, 16), check = take(s, 16);

	if (overran(s) || (length ^ check) != UINT16_MAX || length > (size_t)(s->limit - s->out))
		return -EIO;
	for (; length && s->count; length--)
		*s->out++ = (uint8_t)take(s, BYTE_BITS);
	/* What `bits` holds beyond `count` are the bytes that are copied now. */
	if (!s->count)
		s->bits = 0;
	if (overran(s) || length > (size_t)(s->end - s->next))
		return -EIO;
	memcpy(s->out, s->next, length);
	s->out += length;
	s->next += length;
	return 0;
}

/* RFC 1951, 3.2.6 */
static void build_fixed(struct code *literals, struct code *distances)
{
	uint8_t lengths[LITERALS];

	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	build(literals, lengths, LITERALS);
	memset(lengths, 5, DISTANCES);
	build(distances, lengths, DISTANCES);
}

/* RFC 1951, 3.2.7 */
static int build_dynamic(struct stream *s, struct code *literals, struct code *distances)
{
	static const uint8_t order[CODE_LENGTHS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
	uint8_t lengths[LITERALS + DISTANCES] = {0};
	unsigned literal_count = take(s, 5) + 257;
	unsigned distance_count = take(s, 5) + 1;
	unsigned code_count = take(s, 4) + 4;
	unsigned total = literal_count + distance_count;

	if (literal_count > 286)
		return -EIO;
	for (unsigned i = 0; i < code_count; i++) {
		refill(s);
		lengths[order[i]] = (uint8_t)take(s, 3);
	}
	if (build(literals, lengths, CODE_LENGTHS))
		return -EIO;
	memset(lengths, 0, CODE_LENGTHS);
	for (unsigned i = 0; i < total;) {
		refill(s);
		int symbol = decode(s, literals);
		if (symbol < 0 || overran(s))
			return -EIO;
		if (symbol < 16) {
			lengths[i++] = (uint8_t)symbol;
			continue;
		}
		if (symbol == 16 && !i)
			return -EIO;
		uint8_t repeated = symbol == 16 ? lengths[i - 1] : 0;
		unsigned times = symbol == 16 ? 3 + take(s, 2) : symbol == 17 ? 3 + take(s, 3) : 11 + take(s, 7);
		if (times > total - i)
			return -EIO;
		memset(lengths + i, repeated, times);
		i += times;
	}
	if (build(literals, lengths, literal_count) || build(distances, lengths + literal_count, distance_count))
		return -EIO;
	return 0;
}

static int inflate_block(struct stream *s, unsigned kind)
{
	struct code literals, distances;

	if (kind == 0)
		return inflate_stored(s);
	if (kind == 1)
		build_fixed(&literals, &distances);
	else if (kind != 2 || build_dynamic(s, &literals, &distances))
		return -EIO;
	return inflate_codes(s, &literals, &distances);
}

/* RFC 1950, 8.2 */
static uint32_t adler32(const uint8_t *data, size_t size)
{
	uint32_t a = 1, b = 0;

	while (size) {
		size_t run = size < 5552 ? size : 5552; /* the most that cannot overflow before the remainder is taken */
		size -= run;
		while (run--)
			b += a += *data++;
		a %= 65521;
		b %= 65521;
	}
	return b << 16 | a;
}

int inflate_zlib(uint8_t *to, size_t room, const uint8_t *from, size_t size)
{
	/* Two bytes of header, four of checksum. */
	if (size < 6 || (from[0] & METHOD_BITS) != METHOD_DEFLATE || (from[1] & PRESET_DICTIONARY) ||
	    (from[0] << 8 | from[1]) % HEADER_CHECK)
		return -EIO;
	struct stream s = {.next = from + 2, .end = from + size - 4, .start = to, .out = to, .limit = to + room};
	const uint8_t *sum = s.end;
	bool last;

	do {
		refill(&s);
		last = take(&s, 1);
		if (inflate_block(&s, take(&s, 2)) || overran(&s))
			return -EIO;
	} while (!last);
	size_t got = (size_t)(s.out - to);
	uint32_t expected = (uint32_t)sum[0] << 24 | (uint32_t)sum[1] << 16 | (uint32_t)sum[2] << 8 | sum[3];
	return adler32(to, got) == expected ? (int)got : -EIO;
}
