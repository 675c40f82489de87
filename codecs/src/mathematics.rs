//! The functions of `<math.h>` that LAME and libopus call, under the names that `build-tools/exact.h` gives them.
//!
//! With a C library's own a packet would depend, now and then, on its version and on which of its variants it picks for
//! the processor.
#![allow(unsafe_code, reason = "what C calls needs a name that is not mangled")]

macro_rules! for_c {
    ($($name:ident = $function:ident($($argument:ident),+) of $float:ty;)+) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($($argument: $float),+) -> $float {
                libm::$function($($argument),+)
            }
        )+
    };
}

for_c! {
    tailcast_acos = acos(x) of f64;
    tailcast_atan = atan(x) of f64;
    tailcast_cos = cos(x) of f64;
    tailcast_exp = exp(x) of f64;
    tailcast_log = log(x) of f64;
    tailcast_log10 = log10(x) of f64;
    tailcast_log10f = log10f(x) of f32;
    tailcast_pow = pow(x, y) of f64;
    tailcast_powf = powf(x, y) of f32;
    tailcast_sin = sin(x) of f64;
}
