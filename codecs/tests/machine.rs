//! That packets cannot depend on the processor or the C library: nothing that differs between them is called.
//!
//! Looked for in this program itself, which has both encoders in it. If it fails after a change in `build-tools`, cargo may
//! have kept what was compiled before: `cargo clean -p mp3lame-sys -p opusic-sys`.
#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

use std::process::Command;

use tailcast_codecs::format::{Format, Parameters};

/// What `objdump` (which is there where a C compiler is) says of this program.
fn objdump(option: &str) -> String {
    for format in [Format::Mp3, Format::Opus] {
        let codec = format.codec("s16le:48000:2".parse().unwrap(), Parameters::default()).unwrap();
        drop(codec.encoder(0).unwrap());
    }
    let program = std::env::current_exe().unwrap();
    let said = Command::new("objdump").args([option, "--no-show-raw-insn"]).arg(program).output().unwrap();
    assert!(said.status.success(), "objdump: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

#[test]
fn the_encoders_take_no_approximation_of_the_processors() {
    let code = objdump("--disassemble");
    let mut function = "";
    let mut functions = Vec::new();
    let mut wrong = Vec::new();
    for line in code.lines() {
        if let Some((_, name)) = line.strip_suffix(">:").and_then(|head| head.split_once(" <")) {
            function = name;
            functions.push(name);
        } else if let Some((_, instruction)) = line.split_once('\t') {
            // Of SSE, AVX and AVX-512; and of x87, whose sines are another matter of each processor's.
            let name = instruction.split(' ').next().unwrap_or_default().trim_start_matches('v');
            let x87 = ["fsin", "fcos", "fsincos", "fptan", "fpatan", "f2xm1", "fyl2x", "fyl2xp1"];
            if name.starts_with("rcp") || name.starts_with("rsqrt") || x87.contains(&name) {
                wrong.push(format!("{function}: {instruction}"));
            }
        }
    }
    for function in ["lame_encode_mp3_frame", "op_pvq_search_sse2", "silk_NSQ_c"] {
        assert!(functions.contains(&function), "{function} is not in this program");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_encoders_take_no_mathematics_of_the_c_library() {
    let imported = objdump("--dynamic-syms");
    let imported: Vec<&str> = imported.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert!(imported.contains(&"memcpy"), "nothing is imported: {imported:?}");
    let functions = "acos acosh asin asinh atan atan2 atanh cbrt cos cosh erf erfc exp exp10 exp2 expm1 fma hypot lgamma \
        log log10 log1p log2 pow sin sincos sinh tan tanh tgamma";
    // With `f` of float, with `l` of long double.
    let of_any_type = |function| ["", "f", "l"].map(|kind| format!("{function}{kind}"));
    let mathematics: Vec<String> = functions.split_whitespace().flat_map(of_any_type).collect();
    let wrong: Vec<&&str> =
        imported.iter().filter(|name| mathematics.iter().any(|one| one == *name)).collect();
    assert!(wrong.is_empty(), "{wrong:?}: into build-tools/exact.h and codecs/src/mathematics.rs with them");
}
