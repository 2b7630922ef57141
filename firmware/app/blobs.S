/* Files into read-only memory (blobs.h): the build lays them, empty or not, into the folder that it assembles this in. */
#if defined(__ELF__) && !defined(__arm__)
    .section .note.GNU-stack, "", %progbits
#endif

    .macro blob name
    .section .rodata.blob_\name, "a", %progbits
    .balign 16
    .global blob_\name
blob_\name:
    .incbin "\name\().blob"
.Lend_\name:
    .balign 4
    .global blob_\name\()_size
blob_\name\()_size:
    .4byte .Lend_\name - blob_\name
    .endm

    blob key
    blob dictionary
    blob model
    blob recording
