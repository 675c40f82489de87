/* What LAME and libopus get before everything else, so that their packets are the same on every machine of an
   architecture: nothing whose last bits are the processor's or the C library's choice.

   The mathematics are those of the crate libm, by codecs/src/mathematics.rs. Those of a C library differ in the last
   bit between versions, and glibc has several of each, among which it picks by processor. (Square roots and the like
   are exact everywhere.) `nm` finds a function that is missing here; codecs/tests/machine.rs looks for it. */
#include <math.h>
double tailcast_acos(double), tailcast_atan(double), tailcast_cos(double), tailcast_exp(double), tailcast_log(double),
    tailcast_log10(double), tailcast_pow(double, double), tailcast_sin(double);
float tailcast_log10f(float), tailcast_powf(float, float);
#define acos tailcast_acos
#define atan tailcast_atan
#define cos tailcast_cos
#define exp tailcast_exp
#define log tailcast_log
#define log10 tailcast_log10
#define log10f tailcast_log10f
#define pow tailcast_pow
#define powf tailcast_powf
#define sin tailcast_sin

/* libopus asks for approximations in its search for pulses. Their relative error is bounded and nothing else of them
   is settled: processors of Intel and of AMD have others (RCPPS and RSQRTPS in Intel's manual). */
#ifdef __SSE__
#include <xmmintrin.h>
#define _mm_rcp_ps(x) _mm_div_ps(_mm_set1_ps(1), (x))
#define _mm_rsqrt_ps(x) _mm_div_ps(_mm_set1_ps(1), _mm_sqrt_ps(x))
#endif
