/* What picolibc's sqrtf returns for a negative number. picolibc's own keeps a constant for it in a variable. */
float __math_invalidf(float x);

float __math_invalidf(float x) { return (x - x) / (x - x); }
