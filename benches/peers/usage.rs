//! What a process takes, as `/proc` tells.

use std::fs;

/// Ticks a second in `/proc/PID/stat`: 100 on every Linux that Debian runs on (`getconf CLK_TCK`).
const TICKS: f64 = 100.0;

/// What is behind the name in `/proc/PID/stat`, from field 3 on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let behind_name = stat.rsplit_once(')')?.1;
    Some(behind_name.split_whitespace().map(str::to_owned).collect())
}

fn seconds(ticks: &[String]) -> f64 {
    ticks.iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS
}

/// Seconds of the processor that a process and its children that run have taken so far.
pub fn cpu(pid: u32) -> f64 {
    family(pid).iter().filter_map(|pid| stat(*pid)).map(|fields| seconds(&fields[11..13])).sum()
}

/// Seconds of the processor that this process's children took that have been waited for.
pub fn cpu_of_past_children() -> f64 {
    seconds(&stat(std::process::id()).unwrap()[13..15])
}

/// A process and its children (of nginx: the workers).
fn family(pid: u32) -> Vec<u32> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let parent = |of: u32| stat(of)?.get(1)?.parse::<u32>().ok();
    pids.filter(|other| *other == pid || parent(*other) == Some(pid)).collect()
}

/// A line of `/proc/PID/status` in KiB: `VmRSS` for the memory it takes, `VmHWM` for the most it ever took.
pub fn memory(pid: u32, line: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':')).unwrap();
    value.trim().trim_end_matches(" kB").parse().unwrap()
}
