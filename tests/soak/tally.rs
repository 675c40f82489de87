//! What happened, counted.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::client::End;
use crate::request::{Answer, What};

#[derive(Default)]
pub struct Tally {
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    pub fn count(&self, what: &str) {
        self.add(what, 1);
    }

    pub fn add(&self, what: &str, number: u64) {
        *self.counts.lock().entry(what.to_owned()).or_default() += number;
    }

    /// Counts an answer that was judged to be right.
    pub fn answer(&self, answer: &Answer) {
        let Answer { request, reply } = answer;
        self.count(&format!("listener: {}", request.kind));
        self.count(&format!("status: {}", reply.status));
        if let (What::Sound { wanted, .. }, 200 | 206) = (&request.what, reply.status) {
            let state = if reply.header("etag").is_some() { "finished" } else { "growing" };
            self.count(&format!("format: {} {state}", wanted.format));
        }
        if (200..300).contains(&reply.status) {
            let end = match reply.end {
                End::InOrder => "ended in order",
                End::BrokenOff => "were broken off",
                End::Left | End::Hung => "were left",
            };
            self.count(&format!("bodies: {end}"));
        }
        if reply.status >= 400 {
            let body = String::from_utf8_lossy(&reply.body);
            let kind = body.split("/problems/").nth(1).and_then(|rest| rest.split('"').next());
            self.count(&format!("refusal: {} {}", reply.status, kind.unwrap_or("(of HEAD)")));
        }
    }

    /// A line for each group, in which the parts stand behind one another.
    pub fn print(&self) {
        let counts = self.counts.lock();
        let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (what, number) in counts.iter() {
            let (group, part) = what.split_once(": ").unwrap_or(("other", what));
            groups.entry(group).or_default().push(format!("{part} {number}"));
        }
        for (group, parts) in groups {
            println!("{group}: {}", parts.join(", "));
        }
    }
}
