/* SPDX-License-Identifier: MIT */
/*
 * What tools find in every AppImage's runtime, in this order and without a gap: AppImageUpdate verifies a signature
 * rightly only when .sig_key begins where .sha256_sig ends.  Not loaded into memory: read from the file when wanted.
 */
	.section .digest_md5, "", %progbits
	.zero 16
	.section .upd_info, "", %progbits
	.zero 1024
	.section .sha256_sig, "", %progbits
	.zero 1024
	.section .sig_key, "", %progbits
	.zero 8192

/* Ours: where the image has what start-up reads, see startup_list.h. */
	.section .startup, "", %progbits
	.zero 32

	.section .note.GNU-stack, "", %progbits
