//! Prometheus and systemd on what is delivered for them: rules, what the dashboard asks, and the unit.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::judge::{Desk, says};
use crate::support::judged::Judged;

pub const TESTS: &[Judged] = &[
    Judged { name: "prometheus_takes_the_rules", judges: NEEDED, test: rules },
    Judged { name: "prometheus_understands_what_the_dashboard_asks", judges: NEEDED, test: dashboard },
    Judged { name: "systemd_takes_the_unit_and_finds_it_shut", judges: &["systemd-analyze"], test: unit },
];

const NEEDED: &[&str] = &["promtool"];

fn delivered(file: &str) -> String {
    format!("{}/packaging/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// How many rules there are in a file.
fn taken(file: &str) -> usize {
    let said = says(Command::new("promtool").args(["check", "rules", file]));
    let found =
        said.split_once(" rules found").and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok());
    found.unwrap_or_else(|| panic!("{said}"))
}

fn rules() {
    let file = delivered("prometheus/tailcast.rules.yml");
    let alerts = fs::read_to_string(&file).unwrap().matches("alert: ").count();
    assert!(alerts > 5);
    assert_eq!(taken(&file), alerts);
}

fn dashboard() {
    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(delivered("grafana/tailcast.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().unwrap_or_else(|| panic!("asks nothing: {panel}"));
        assert!(!targets.is_empty(), "asks nothing: {panel}");
        targets
    });
    // Each as a rule, with what Grafana puts into it.
    let asked: Vec<String> = targets
        .map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "5m"))
        .enumerate()
        .map(|(number, expr)| format!("  - record: asked:{number}\n    expr: {}\n", Value::from(expr)))
        .collect();
    assert!(asked.len() > 10);
    let desk = Desk::new();
    let file =
        desk.put("asked.yml", format!("groups:\n- name: asked\n  rules:\n{}", asked.concat()).as_bytes());
    assert_eq!(taken(file.to_str().unwrap()), asked.len());
}

fn unit() {
    let unit = fs::read_to_string(delivered("tailcast.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/tailcast serve"));
    // Of a program that is there.
    let unit = unit.replace("/usr/bin/tailcast", env!("CARGO_BIN_EXE_tailcast"));
    let desk = Desk::new();
    let file = desk.put("tailcast.service", unit.as_bytes());
    let analyze = |arguments: &[&str]| {
        says(Command::new("systemd-analyze").args(arguments).arg("--no-pager").arg(&file))
    };
    assert_eq!(analyze(&["verify", "--man=no"]), "");
    // Two of ten, beyond which it fails.
    analyze(&["security", "--offline=yes", "--threshold=20"]);
}
