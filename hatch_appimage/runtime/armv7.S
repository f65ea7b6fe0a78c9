/* SPDX-License-Identifier: MIT */

/*
 * The entry point on ARM. Everything else is compiled for ARMv7, and would be killed by SIGILL without a word on the
 * ARMv6 of a Raspberry Pi 1 or Zero. The kernel names the architecture in the auxiliary vector, "v6l" or "v7l"
 * (AT_PLATFORM, getauxval(3)); on entry that vector lies behind the arguments and the environment (ELF for the ARM
 * Architecture, and the kernel's fs/binfmt_elf.c).
 */

	.syntax	unified
	.arch	armv6
	.arm
	.section .text.check_armv7, "ax", %progbits
	.global	check_armv7
	.type	check_armv7, %function
check_armv7:
	ldr	r0, [sp]			/* argc */
	add	r1, sp, #8
	add	r1, r1, r0, lsl #2		/* envp, behind argv and its NULL */
1:	ldr	r2, [r1], #4
	cmp	r2, #0
	bne	1b
2:	ldr	r2, [r1], #4			/* a_type, a_val */
	ldr	r3, [r1], #4
	cmp	r2, #0				/* AT_NULL */
	beq	3f
	cmp	r2, #15				/* AT_PLATFORM */
	bne	2b
	ldrb	r2, [r3, #1]			/* the digit of "v7l" */
	cmp	r2, #'7'
	blo	4f
3:	ldr	ip, =_start
	bx	ip
4:	mov	r0, #2				/* stderr */
	ldr	r1, =message
	mov	r2, #(message_end - message)
	mov	r7, #4				/* write */
	svc	#0
	mov	r0, #127
	mov	r7, #1				/* exit */
	svc	#0
	.ltorg
	.size	check_armv7, . - check_armv7

	.section .rodata.check_armv7, "a", %progbits
message:
	.ascii	"AppImage: this machine is older than ARMv7, for which this image is\n"
message_end:

	.section .note.GNU-stack, "", %progbits
