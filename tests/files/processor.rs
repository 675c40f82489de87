//! The same program on a processor of another make gives the same bytes, of PCM and of what is decoded first.
//!
//! qemu makes one: one without AVX and FMA, by which the C library picks its functions, and whose approximations of
//! reciprocals are other ones than those of any real processor (it gives the exact values).

use std::fs;
use std::process::Command;

use crate::made;
use crate::support::judged::Judged;

const QEMU: &str = "qemu-x86_64";

pub const TESTS: &[Judged] = if cfg!(target_arch = "x86_64") {
    &[Judged { name: "another_processor_gives_the_same_bytes", judges: &["ffmpeg", QEMU], test: same }]
} else {
    &[]
};

fn same() {
    let program = env!("CARGO_BIN_EXE_tailcast");
    // FLAC and ALAC are whole numbers from end to end.
    let coded = ["vbr.mp3", "v.ogg", "aac.m4a"];
    let root = made::folder(&coded);
    root.write("raw.pcm", made::original_pcm());
    let opus = coded.map(|file| (file, "opus"));
    for (file, format) in [("raw.pcm", "mp3"), ("raw.pcm", "opus")].into_iter().chain(opus) {
        let by = |command: &mut Command| {
            let out = root.file(&format!("out.{format}"));
            let stretch = ["--pcm", "s16le:44100:2", "--pos", "2", "--duration", "1.5"];
            command.arg("encode").args(stretch).arg("-o").arg(&out).arg(root.file(file));
            let output = command.output().unwrap();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
            let bytes = fs::read(&out).unwrap();
            fs::remove_file(&out).unwrap();
            bytes
        };
        let here = by(&mut Command::new(program));
        let there = by(Command::new(QEMU).args(["-cpu", "qemu64", program]));
        assert!(here.len() > 10_000, "{file}, {format}: {} bytes", here.len());
        assert!(here == there, "{file}, {format}: another processor gives other bytes");
    }
}
