/* Loops around an inner one, over two streams of elements with strides of their own. */
#ifndef EDGETWIN_WALK_H
#define EDGETWIN_WALK_H

#include <stddef.h>
#include <stdint.h>

#define ET_WALK_LOOPS 4

typedef struct et_walk {
    int32_t index[ET_WALK_LOOPS]; /* outermost first */
    size_t a, b;                  /* offsets of the streams; they wrap, as strides may be negative */
} et_walk;

/* Moves on to the next turn of the inner loop; zero after the last. */
static inline int et_walk_next(et_walk *walk, const int32_t *sizes, const int32_t *a_strides, const int32_t *b_strides)
{
    for (int loop = ET_WALK_LOOPS - 1; loop >= 0; --loop) {
        walk->a += (size_t)a_strides[loop];
        walk->b += (size_t)b_strides[loop];
        if (++walk->index[loop] < sizes[loop])
            return 1;
        walk->a -= (size_t)a_strides[loop] * (size_t)sizes[loop];
        walk->b -= (size_t)b_strides[loop] * (size_t)sizes[loop];
        walk->index[loop] = 0;
    }
    return 0;
}

#endif
