# What the emulated machine starts with, in place of a BIOS: it enters 32-bit mode, reads the pieces
# that the disk's first sector lists into memory, and jumps to Linux's entry point for virtual
# machines (PVH), with EBX on the start block that the script laid at 0x6000.
#
# A line of that list is three 32-bit numbers: address, first sector, sectors. The last one has no
# sectors, and the address is the entry point.
        .code16
        .text
_start: cli
        lgdtl   %cs:gdtr - _start
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $8, $0xf0000 + (flat - _start)
        .code32
flat:   movw    $16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $0x5000, %esp
        cld
        movw    $0x3f6, %dx             # no interrupts from the disk
        movb    $2, %al
        outb    %al, %dx
        movl    $0x5000, %edi           # the list itself
        xorl    %ebx, %ebx
        movl    $1, %ebp
        call    read
        movl    $0x5000, %esi
next:   movl    (%esi), %edi
        movl    4(%esi), %ebx
        movl    8(%esi), %ebp
        testl   %ebp, %ebp
        jz      start
        call    read
        addl    $12, %esi
        jmp     next
start:  movl    $0x6000, %ebx
        jmp     *(%esi)

# Reads EBP sectors from sector EBX on to EDI: READ SECTORS EXT, at most 16 MiB a command, since
# each command costs the time of a seek.
read:   movl    $0x8000, %ecx
        cmpl    %ecx, %ebp
        cmovbl  %ebp, %ecx
        movw    $0x1f6, %dx
        movb    $0xe0, %al
        outb    %al, %dx
        movw    $0x1f2, %dx             # the high bytes first: count, then number
        movb    %ch, %al
        outb    %al, %dx
        movl    %ebx, %eax
        shrl    $24, %eax
        incl    %edx
        outb    %al, %dx
        xorl    %eax, %eax
        incl    %edx
        outb    %al, %dx
        incl    %edx
        outb    %al, %dx
        movw    $0x1f2, %dx             # then the low ones
        movb    %cl, %al
        outb    %al, %dx
        movl    %ebx, %eax
        incl    %edx
        outb    %al, %dx
        shrl    $8, %eax
        incl    %edx
        outb    %al, %dx
        shrl    $8, %eax
        incl    %edx
        outb    %al, %dx
        movw    $0x1f7, %dx
        movb    $0x24, %al
        outb    %al, %dx
        addl    %ecx, %ebx
        subl    %ecx, %ebp
sector: movw    $0x1f7, %dx
wait:   inb     %dx, %al
        andb    $0x88, %al
        cmpb    $8, %al                 # not busy, and data waiting
        jne     wait
        pushl   %ecx
        movl    $256, %ecx
        movw    $0x1f0, %dx
        rep insw
        popl    %ecx
        loop    sector
        testl   %ebp, %ebp
        jnz     read
        ret

        .balign 8
gdt:    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdtr:   .word   23
        .long   0xf0000 + (gdt - _start)
        .org    0xfff0                  # where the CPU begins
        .code16
        ljmp    $0xf000, $0
        .org    0x10000
